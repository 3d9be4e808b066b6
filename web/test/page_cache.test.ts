// The panel that tells of the server's cache, in a browser.
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { sees } from "./support/browser";
import { metricsText, TIERS } from "./support/metrics_text";
import type { MockServer, Stream } from "./support/mock_server";
import { faintTexts, gate, pageTest } from "./support/page_test";

const panelOf = (page: Page) => page.getByRole("complementary", { name: "Cache" });
const buttonOf = (page: Page) => page.getByRole("button", { name: "Cache", exact: true });
const timesAsked = (server: MockServer) => server.paths.filter((path) => path === "/metrics").length;

/** The n-th and later scrapes say so many evicted blocks. */
function countUp(server: MockServer): void {
  server.count = (reply) => reply.text(metricsText({ cairn_kv_evicted_blocks_total: timesAsked(server) }));
}

const withClock = {
  prepare: async (server: MockServer, page: Page) => {
    countUp(server);
    await page.clock.install();
  },
};

async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
}

pageTest("memory is shown by states, and no tier that is not there", async ({ page }) => {
  await buttonOf(page).click();
  await sees(panelOf(page), "Tokens reused");
  const shown = await panelOf(page).locator("dl > div").allTextContents();
  assert.deepEqual(shown, [
    "Tokens reused1,204 of 1,310",
    "Blocks held, in use12",
    "Blocks open, being filled2",
    "Blocks idle, to be reused34",
    "Blocks free1,000",
    "Used550.0 KiB of 12.0 MiB",
    "Blocks evicted0",
  ]);
  assert.deepEqual(await panelOf(page).getByRole("heading").allTextContents(), [
    "Cache",
    "Prompts",
    "Memory",
  ]);
  const widths = await page
    .locator(".bar-of-parts .part")
    .evaluateAll((parts) => parts.map((part) => part.getBoundingClientRect().width));
  assert.equal(widths.length, 4);
  const [held = 0, open = 0, idle = 0, free = 0] = widths;
  assert.ok(0 < open && open < held && held < idle && idle * 10 < free, String(widths));
});

pageTest(
  "the tiers are shown, and what went wrong stands out",
  async ({ page }) => {
    await buttonOf(page).click();
    await sees(panelOf(page), "Loads");
    assert.deepEqual(await panelOf(page).getByRole("heading", { level: 3 }).allTextContents(), [
      "Prompts",
      "Memory",
      "Disk",
      "Remote store",
      "Loads",
    ]);
    await sees(panelOf(page).locator("section").nth(2), "1.3 GiB of 50.0 GiB");
    assert.deepEqual(await panelOf(page).locator("dd.wrong").allTextContents(), ["1", "6", "9"]);
  },
  { prepare: (server) => void (server.count = (reply) => reply.text(metricsText(TIERS))) },
);

pageTest(
  "the server is asked while the panel is open and the tab in view, and else not",
  async ({ page, server, ask, answers }) => {
    const evicted = panelOf(page).locator("dl > div", { hasText: "Blocks evicted" });
    await page.clock.fastForward(10_000);
    await ask("Hi");
    await sees(answers, "reused");
    assert.equal(timesAsked(server), 0);

    await buttonOf(page).click();
    await sees(evicted, /evicted1$/);
    await page.clock.fastForward(2000);
    await sees(evicted, /evicted2$/);

    await setHidden(page, true);
    await page.clock.fastForward(10_000);
    await ask("Hidden");
    await sees(answers.nth(1), "reused");
    assert.equal(timesAsked(server), 2);
    await setHidden(page, false);
    await sees(evicted, /evicted3$/);
    await page.clock.fastForward(2000);
    await sees(evicted, /evicted4$/);

    await buttonOf(page).click();
    await panelOf(page).waitFor({ state: "detached" });
    await page.clock.runFor(100); // its effects end with the next frame
    await page.clock.fastForward(10_000);
    await ask("Closed");
    await sees(answers.nth(2), "reused");
    assert.equal(timesAsked(server), 4);
  },
  withClock,
);

pageTest(
  "a slow server is asked once at a time, and a question that nobody waits for is taken back",
  async ({ page, server, ask, answers }) => {
    const asked = gate();
    const left = gate();
    server.count = (reply) => {
      reply.response.on("close", left.open);
      asked.open();
    };
    await buttonOf(page).click();
    await asked.passed;
    await page.clock.fastForward(20_000);
    await ask("Hi");
    await sees(answers, "reused");
    assert.equal(timesAsked(server), 1);
    await sees(panelOf(page), "Asking the server…");
    await page.getByLabel("Close cache").click();
    await left.passed;
  },
  withClock,
);

pageTest("that it is open is remembered in this tab", async ({ page, server }) => {
  await buttonOf(page).click();
  await sees(panelOf(page), "Memory");
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  await page.reload();
  await sees(panelOf(page), "Memory");
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  assert.equal(await panelOf(page).count(), 0); // one panel at a time
  await buttonOf(page).click();
  await page.getByLabel("Close cache").click();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  const before = timesAsked(server);
  await page.reload();
  await sees(page.locator(".model"), "demo");
  assert.equal(await panelOf(page).count(), 0);
  assert.equal(timesAsked(server), before);
});

pageTest(
  "a key that may not read the metrics is told so, and not tried again; another one is",
  async ({ page, server, ask, answers }) => {
    await page.getByLabel("This server asks for an API key.").fill("secret-1");
    await page.keyboard.press("Enter");
    await page.locator(".key").waitFor({ state: "detached" });
    await buttonOf(page).click();
    await sees(
      panelOf(page).getByRole("status"),
      "This API key may not do that. This key may not read the metrics: give it metrics=yes in the keys file.",
    );
    await page.clock.fastForward(10_000);
    await ask("Hi");
    await sees(answers, "reused");
    assert.equal(timesAsked(server), 1);

    server.key = "secret-2";
    countUp(server);
    await ask("Again");
    await page.getByLabel("API key", { exact: false }).first().fill("secret-2");
    await page.keyboard.press("Enter");
    await sees(panelOf(page), "Memory");
  },
  {
    prepare: async (server, page) => {
      server.key = "secret-1";
      server.count = (reply) =>
        reply.refuse(403, "this key may not read the metrics: give it metrics=yes in the keys file");
      await page.clock.install();
    },
  },
);

const TROUBLES: [string, (reply: Stream) => void, string][] = [
  ["is busy", (reply) => reply.refuse(503, "the server is starting", { "retry-after": "1" }), "is not ready"],
  ["breaks off", (reply) => reply.response.destroy(), "cannot be reached"],
  ["says something else", (reply) => reply.text("<html>"), "cannot be read"],
];
for (const [what, trouble, words] of TROUBLES) {
  pageTest(
    `a server that ${what} is asked again`,
    async ({ page, server }) => {
      server.count = trouble;
      await buttonOf(page).click();
      await sees(panelOf(page).getByRole("status"), words);
      countUp(server);
      await page.clock.fastForward(2000);
      await sees(panelOf(page), "Memory");
    },
    withClock,
  );
}

for (const colorScheme of ["light", "dark"] as const) {
  pageTest(
    `by keyboard, and its text can be read: ${colorScheme}`,
    async ({ page }) => {
      await buttonOf(page).focus();
      assert.equal(await buttonOf(page).getAttribute("aria-expanded"), "false");
      await page.keyboard.press("Enter");
      await sees(panelOf(page), "Loads");
      assert.equal(await buttonOf(page).getAttribute("aria-expanded"), "true");
      for (const finding of await page.evaluate(faintTexts)) assert.fail(finding);
      await page.getByLabel("Close cache").focus();
      await page.keyboard.press("Escape");
      assert.equal(await panelOf(page).count(), 0);
      assert.equal(await page.evaluate(() => document.activeElement?.id), "question");
    },
    {
      colorScheme,
      prepare: (server) => void (server.count = (reply) => reply.text(metricsText(TIERS))),
    },
  );
}

pageTest(
  "on a small window it covers the chat, and nothing is cut off",
  async ({ page }) => {
    await buttonOf(page).click();
    await sees(panelOf(page), "Loads");
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, String(width));
    const cut = await panelOf(page).evaluate((panel) => panel.scrollWidth > panel.clientWidth);
    assert.equal(cut, false);
    await page.getByLabel("Close cache").click();
    assert.equal(await panelOf(page).count(), 0);
  },
  {
    viewport: { width: 360, height: 640 },
    prepare: (server) => void (server.count = (reply) => reply.text(metricsText(TIERS))),
  },
);
