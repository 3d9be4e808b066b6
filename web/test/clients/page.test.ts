// The page as the program serves it, in Chromium, with the demo model behind it.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Browser, Page, Route } from "playwright-core";
import { launch, noBrowser, open, sees } from "../support/browser";
import { serverTests } from "../support/client_test";
import { POLICY } from "../support/mock_server";
import { keysFile, longPrompt, type RealServer } from "../support/real_server";

const keys = keysFile("alice alice-secret-1");
after(keys.remove);
const serverTest = serverTests();
const keyTest = serverTests("--api-keys", keys.path);

let browser: Browser | undefined;
before(async () => {
  if (noBrowser === false) browser = await launch();
});
after(async () => browser?.close());

/** A test in a browser: skipped, and said so, where there is none. */
function onPage(
  tests: typeof serverTest,
  name: string,
  run: (server: RealServer, page: Page) => Promise<void>,
): void {
  const inBrowser = async (server: RealServer) => {
    assert.ok(browser);
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(120_000);
      const watched = await open(page, `${server.url}/`);
      await run(server, page);
      assert.deepEqual(watched.troubles, []);
      assert.deepEqual(watched.strangers, []);
    } finally {
      await context.close();
    }
  };
  tests(name, inBrowser, noBrowser);
}

serverTest("the page's headers are those that it is tested with", async (server) => {
  const page = await fetch(`${server.url}/`);
  assert.equal(page.status, 200);
  assert.equal(page.headers.get("content-security-policy"), POLICY);
  assert.equal(page.headers.get("x-content-type-options"), "nosniff");
  assert.equal(page.headers.get("cache-control"), "no-cache");
  const again = await fetch(`${server.url}/`, {
    headers: { "if-none-match": page.headers.get("etag") ?? "" },
  });
  assert.equal(again.status, 304);
  assert.equal((await fetch(`${server.url}/`, { method: "HEAD" })).status, 200);
});

onPage(serverTest, "a chat with the demo model, whose second question reuses the first", async (_, page) => {
  await sees(page.locator(".model"), "demo");
  await page.getByLabel("Settings", { exact: true }).first().click();
  await page.getByLabel("Most tokens").fill("40");
  await page.getByLabel("Seed").fill("1");
  const ask = async (text: string) => {
    await page.getByLabel("Message", { exact: true }).fill(text);
    await page.keyboard.press("Enter");
  };
  await ask(longPrompt("mouse"));
  const answers = page.locator("article.answer");
  await sees(answers, "prompt tokens reused");
  await ask("Tell me more.");
  await sees(answers.nth(1), "prompt tokens reused");
  const figures = (await answers.nth(1).locator(".figures").textContent()) ?? "";
  const [, reused = "0"] = /([\d,]+) of [\d,]+ prompt tokens reused/.exec(figures) ?? [];
  assert.ok(Number(reused.replace(",", "")) > 50, figures);
});

/** Sends the page's question on as one whose answer has no end of its own. */
async function withoutEnd(route: Route): Promise<void> {
  const body = JSON.parse(route.request().postData() ?? "{}") as object;
  await route.continue({
    postData: JSON.stringify({ ...body, max_tokens: 3000, logit_bias: { "2": -100 } }),
  });
}

onPage(
  serverTest,
  "Escape stops the answer, and the server has nothing to do any more",
  async (server, page) => {
    await page.route("**/v1/chat/completions", withoutEnd);
    // A browser that shares its cores with other work may be slower than the model: then the answer has ended by itself.
    const attempts = 5;
    await server.givesUp(1, attempts * 3000, async () => {
      const stopped = page.locator("article.answer.stopped");
      for (let attempt = 0; attempt < attempts && (await stopped.count()) === 0; attempt++) {
        await page.getByLabel("Message", { exact: true }).fill("Tell me a very long story.");
        await page.keyboard.press("Enter");
        await page.locator("article.answer").nth(attempt).waitFor();
        const running = page.locator("article.answer.running");
        await server.becomes(
          "running",
          async () => (await server.metric("cairn_running_requests")) === 1 || (await running.count()) === 0,
        );
        await page.keyboard.press("Escape");
        await running.waitFor({ state: "detached" });
      }
      assert.equal(await stopped.count(), 1);
    });
  },
);

onPage(serverTest, "the cache's panel tells what the server counts", async (server, page) => {
  await page.getByLabel("Message", { exact: true }).fill(longPrompt("goose"));
  await page.keyboard.press("Enter");
  await sees(page.locator("article.answer"), "tokens/s");
  await page.getByRole("button", { name: "Cache", exact: true }).click();
  const panel = page.getByRole("complementary", { name: "Cache" });
  const shown = (label: string) => panel.locator("dl > div", { hasText: label }).locator("dd").textContent();
  await sees(panel, "Tokens reused");
  const idle = () => server.metric("cairn_kv_blocks", 'state="idle"');
  await server.becomes("shown", async () => (await shown("Blocks idle")) === String(await idle()));
  assert.ok((await idle()) > 0);
  assert.deepEqual(await panel.getByRole("heading", { level: 3 }).allTextContents(), ["Prompts", "Memory"]);
});

onPage(keyTest, "a key that may not read the metrics is told what it lacks", async (_, page) => {
  await page.getByLabel("This server asks for an API key.").fill("alice-secret-1");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Cache", exact: true }).click();
  await sees(page.getByRole("complementary", { name: "Cache" }), "give it metrics=yes in the keys file");
});

onPage(keyTest, "a server with keys asks for one", async (_, page) => {
  await page.getByLabel("This server asks for an API key.").fill("alice-secret-1");
  await page.keyboard.press("Enter");
  await page.locator(".key").waitFor({ state: "detached" });
  await page.keyboard.type("Hello");
  await page.keyboard.press("Enter");
  await sees(page.locator("article.answer"), "tokens");
});
