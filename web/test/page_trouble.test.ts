// What goes wrong, and what must not: errors in plain words, hostile text, the content security policy.
import assert from "node:assert/strict";
import { sees } from "./support/browser";
import { pageTest } from "./support/page_test";

const REFUSALS: [number, string, Record<string, string>, RegExp][] = [
  [
    429,
    "the queue is full",
    { "retry-after": "7" },
    /too much to do right now; please try again in 7 seconds\. The queue is full\./,
  ],
  [400, "`messages` is too long", {}, /did not accept this \(400\)\. `messages` is too long\./],
  [404, "there is no model `x`", {}, /there is no model `x`/i],
  [500, "", {}, /The server failed \(500\)\./],
  [503, "loading", { "retry-after": "1" }, /not ready; please try again in a second\. Loading\./],
];
for (const [status, message, headers, wanted] of REFUSALS) {
  pageTest(
    `a refusal with ${status} is told in plain words, and the question can be asked again`,
    async (scene) => {
      const { server, ask, answers } = scene;
      server.answer = (reply) => reply.refuse(status, message, headers);
      await ask("Hi");
      await sees(answers.locator(".problem"), wanted);
      server.answer = (reply) => reply.say("Now it works.");
      await answers.getByLabel("Answer again").click();
      await sees(answers, "Now it works.");
      assert.equal(await answers.locator(".problem").count(), 0);
    },
  );
}

pageTest("an error in the middle of an answer keeps what was there", async ({ server, ask, answers }) => {
  server.answer = (reply) => {
    reply.begin();
    reply.delta({ content: "Half" });
    reply.event({ error: { message: "the model's memory ran out", type: "server_error" } });
    reply.response.end();
  };
  await ask("Hi");
  await sees(answers.locator(".problem"), "the model's memory ran out");
  await sees(answers, "Half");
});

pageTest("an answer that breaks off is told", async ({ server, ask, answers }) => {
  let breakOff = () => {};
  server.answer = (reply) => {
    reply.begin();
    reply.delta({ content: "Half" });
    breakOff = () => reply.response.destroy();
  };
  await ask("Hi");
  await sees(answers, "Half"); // else the end may overtake what came before it
  breakOff();
  await sees(answers.locator(".problem"), "The connection ended before the answer was complete.");
  await sees(answers, "Half");
});

pageTest("a server that is gone is told", async ({ server, ask, answers }) => {
  await server.stop();
  await ask("Hi");
  await sees(answers.locator(".problem"), "The server cannot be reached.");
});

const HOSTILE = [
  "<img src=x onerror='window.broken=1'><script>window.broken=1</script>",
  "[click](javascript:window.broken=1) [c](JaVaScRiPt:window.broken=1)",
  "![x](https://example.org/x.png) <iframe src='https://example.org'></iframe>",
  "```html\n</code></pre><script>window.broken=1</script>\n```",
  "| <b>a</b> | b |\n|---|---|\n| <svg onload='window.broken=1'> | **<i>x</i>** |",
].join("\n\n");

pageTest(
  "hostile text is shown as text, wherever it stands",
  async ({ page, server, ask, answers }) => {
    server.answer = (reply) => {
      reply.begin();
      reply.delta({ reasoning_content: HOSTILE });
      reply.delta({ content: HOSTILE }, "stop");
      reply.usage(1, 1, 0);
      reply.end();
    };
    await ask(`<img src=x onerror="window.broken=1"> ${HOSTILE}`);
    await sees(answers, "<script>window.broken=1</script>");
    await page.getByText("Reasoning", { exact: true }).click();
    server.answer = (reply) => reply.refuse(400, "<img src=x onerror='window.broken=1'>");
    await ask("More");
    await sees(answers.nth(1), "<img src=x");
    const found = await page.evaluate(() => ({
      broken: "broken" in window,
      elements: document.querySelectorAll("#app :is(img, script, iframe, svg[onload], b, i)").length,
      addresses: [...document.querySelectorAll("#app a")].map((link) => link.getAttribute("href")),
    }));
    assert.equal(found.broken, false);
    assert.equal(found.elements, 0);
    assert.ok(
      found.addresses.every((address) => address?.startsWith("https://")),
      String(found.addresses),
    );
  },
  { prepare: (server) => void (server.models = ["<img src=x onerror='window.broken=1'>"]) },
);

pageTest("the policy holds: what is inline or from elsewhere is refused", async ({ page, watched }) => {
  const ran = await page.evaluate(async () => {
    const script = document.createElement("script");
    script.textContent = "window.broken = 1";
    document.body.append(script);
    await fetch("https://example.org/").catch(() => undefined);
    return "broken" in window;
  });
  assert.equal(ran, false);
  await page.waitForTimeout(100);
  const refused = watched.troubles.filter((trouble) => trouble.startsWith("console: policy:"));
  assert.ok(
    refused.some((trouble) => trouble.includes("script-src")),
    String(refused),
  );
  assert.ok(
    refused.some((trouble) => trouble.includes("connect-src")),
    String(refused),
  );
  watched.troubles.length = 0;
  watched.strangers.length = 0;
});
