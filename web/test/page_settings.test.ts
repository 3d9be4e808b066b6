// What the user sets, and what is kept where.
import assert from "node:assert/strict";
import { sees } from "./support/browser";
import { messages, pageTest } from "./support/page_test";

pageTest("the system prompt and the settings are sent", async ({ page, server, ask, answers }) => {
  await page.getByLabel("Settings", { exact: true }).first().click();
  await page.getByLabel("System prompt").fill("Be brief.");
  const values = {
    Temperature: "0.5",
    "Top p": "0.9",
    "Top k": "40",
    "Min p": "0.05",
    "Most tokens": "100",
    Seed: "7",
  };
  for (const [label, value] of Object.entries(values)) await page.getByLabel(label).fill(value);
  await ask("Hi");
  await sees(answers, "reused");
  const { temperature, top_p, top_k, min_p, max_tokens, seed } = server.asked[0]?.body ?? {};
  assert.deepEqual(
    { temperature, top_p, top_k, min_p, max_tokens, seed },
    { temperature: 0.5, top_p: 0.9, top_k: 40, min_p: 0.05, max_tokens: 100, seed: 7 },
  );
  assert.deepEqual(messages(server.asked[0]), [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hi" },
  ]);
  await page.getByRole("button", { name: "Leave all to the server" }).click();
  await ask("Again");
  await sees(answers.nth(1), "reused");
  assert.ok(!("temperature" in (server.asked[1]?.body ?? {})));
});

pageTest("a wrong setting is told and not sent", async ({ page, server, ask, answers }) => {
  await page.getByLabel("Settings", { exact: true }).first().click();
  await page.getByLabel("Temperature").fill("warm");
  await sees(page.locator(".setting"), "Please type a number from 0 to 2.");
  assert.equal(await page.getByLabel("Temperature").getAttribute("aria-invalid"), "true");
  await ask("Hi");
  await sees(answers, "reused");
  assert.ok(!("temperature" in (server.asked[0]?.body ?? {})));
});

pageTest(
  "of several models one is chosen",
  async ({ page, server, ask, answers }) => {
    await page.getByLabel("Model", { exact: true }).selectOption("large");
    await ask("Hi");
    await sees(answers, "reused");
    assert.equal(server.asked[0]?.body["model"], "large");
  },
  { prepare: (server) => void (server.models = ["small", "large"]) },
);

pageTest("nothing is kept unless the user says so", async ({ page, ask, answers }) => {
  await ask("Hi");
  await sees(answers, "reused");
  await page.waitForTimeout(600);
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [
    0,
    0,
    "",
  ]);
  await page.reload();
  await page.getByLabel("Message", { exact: true }).waitFor();
  assert.equal(await answers.count(), 0);
});

pageTest(
  "what is kept is there again, until it is kept no longer",
  async ({ page, server, ask, answers, questions }) => {
    await ask("Before");
    await sees(answers, "reused");
    await page.getByLabel("Settings", { exact: true }).first().click();
    await page.getByLabel("Seed").fill("42");
    await page.getByLabel("Keep conversations and settings").check();
    await ask("After");
    await sees(answers.nth(1), "reused");
    const isKept = () =>
      localStorage.getItem("cairn.kept")?.includes('"After"') &&
      !localStorage.getItem("cairn.kept")?.includes("waiting");
    await page.waitForFunction(isKept);
    await page.waitForTimeout(600);

    await page.reload();
    await sees(questions.nth(1), "After");
    await sees(answers.nth(1), "Hello there.");
    await sees(answers.nth(1), "16 of 20 prompt tokens reused");
    await ask("Now");
    await sees(answers.nth(2), "reused");
    assert.equal(server.asked[2]?.body["seed"], 42);
    assert.equal((messages(server.asked[2]) as unknown[]).length, 5);

    await page.getByLabel("Settings", { exact: true }).first().click();
    await page.getByLabel("Keep conversations and settings").uncheck();
    await page.waitForTimeout(600);
    assert.equal(await page.evaluate(() => localStorage.length), 0);
  },
);

pageTest(
  "what cannot be read of what was kept is told, and the page works",
  async ({ page, ask, answers }) => {
    await sees(page.locator(".notice"), "What this browser kept cannot be read.");
    await ask("Hi");
    await sees(answers, "reused");
  },
  {
    prepare: async (_, page) =>
      void (await page.addInitScript(() => localStorage.setItem("cairn.kept", "{broken"))),
  },
);

pageTest(
  "a server that wants a key is given one, which stays in this tab",
  async ({ page, server, ask, answers }) => {
    await sees(page.locator(".key"), "This server asks for an API key.");
    await page.getByLabel("This server asks for an API key.").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByLabel("The server did not take this API key.").fill("secret-1");
    await page.keyboard.press("Enter");
    await page.locator(".key").waitFor({ state: "detached" });
    await ask("Hi");
    await sees(answers, "reused");
    assert.equal(server.asked[0]?.authorization, "Bearer secret-1");
    assert.deepEqual(
      await page.evaluate(() => [localStorage.length, sessionStorage.getItem("cairn.key"), document.cookie]),
      [0, "secret-1", ""],
    );
    await page.reload();
    await ask("Still me");
    await sees(answers, "reused");
    await page.getByLabel("Settings", { exact: true }).first().click();
    await page.getByRole("button", { name: "Forget the API key" }).click();
    await sees(page.locator(".key"), "This server asks for an API key.");
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  },
  { prepare: (server) => void (server.key = "secret-1") },
);
