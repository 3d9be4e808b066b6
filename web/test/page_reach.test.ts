// For everybody: by keyboard alone, with a screen reader, in the dark, on a small window, with a very long chat.
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { sees } from "./support/browser";
import { faintTexts, gate, pageTest } from "./support/page_test";

function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    const name = element?.getAttribute("aria-label") ?? element?.textContent?.trim() ?? "";
    return element instanceof HTMLTextAreaElement && element.id === "question" ? "the composer" : name;
  });
}

/** Presses Tab (or Shift+Tab) until something of this name has the focus. */
async function tabTo(page: Page, name: string, key = "Tab"): Promise<void> {
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press(key);
    if ((await focused(page)) === name) return;
  }
  assert.fail(`no way to “${name}” by ${key}`);
}

pageTest("everything by keyboard", async ({ page, server, answers, questions, composer }) => {
  assert.equal(await focused(page), "the composer");
  await page.keyboard.type("One");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("line more");
  assert.equal(await composer.inputValue(), "One\nline more");
  await page.keyboard.press("Enter");
  await sees(answers, "reused");
  assert.equal(await focused(page), "the composer");

  await page.keyboard.press("ArrowUp");
  assert.equal(await focused(page), "Your message");
  await page.keyboard.press("Escape");
  assert.equal(await focused(page), "the composer");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.type("!");
  await page.keyboard.press("Enter");
  await sees(questions, "line more!");
  await sees(answers, "reused");
  assert.equal(server.asked.length, 2);
  assert.equal(await focused(page), "the composer");

  await tabTo(page, "Answer again", "Shift+Tab");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle);
  assert.equal(outline, "solid");
  await page.keyboard.press("Enter");
  await sees(answers, "reused");
  await page.waitForFunction(() => document.querySelectorAll("article.answer.done").length === 1);
  assert.equal(server.asked.length, 3);

  await tabTo(page, "Settings", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByLabel("System prompt").waitFor();
  await tabTo(page, "Close settings");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Be kind.");
  await page.keyboard.press("Escape");
  assert.equal(await page.getByLabel("System prompt").count(), 0);
  assert.equal(await focused(page), "the composer");
  await tabTo(page, "Delete", "Shift+Tab");
  await page.keyboard.press("Enter");
  await tabTo(page, "Undo");
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "the composer");
  await sees(questions, "line more!");
});

pageTest(
  "Enter within a composition chooses a word and sends nothing",
  async ({ page, server, composer }) => {
    await composer.fill("にほ");
    await page.evaluate(() => {
      const event = new KeyboardEvent("keydown", {
        key: "Enter",
        isComposing: true,
        bubbles: true,
        cancelable: true,
      });
      document.activeElement?.dispatchEvent(event);
    });
    await page.waitForTimeout(100);
    assert.equal(server.asked.length, 0);
    assert.equal(await composer.inputValue(), "にほ");
  },
);

pageTest("an answer is announced once it is complete", async ({ page, server, ask }) => {
  const rest = gate();
  server.answer = async (reply) => {
    reply.begin();
    reply.delta({ content: "One " });
    await rest.passed;
    reply.delta({ content: "two." }, "stop");
    reply.end();
  };
  const status = page.locator(".offstage[role=status]");
  await ask("Count");
  await sees(status, "The model is answering.");
  await sees(page.locator("article.answer"), "One");
  assert.equal(await status.textContent(), "The model is answering.");
  rest.open();
  await sees(status, "One two.");
});

for (const colorScheme of ["light", "dark"] as const) {
  pageTest(
    `text can be read: ${colorScheme}`,
    async ({ page, server, ask, answers }) => {
      server.answer = (reply) => reply.say("Text, `code` and\n\n> a quote\n\n```sh\nls\n```");
      await ask("Hi");
      await sees(answers, "reused");
      await page.getByLabel("Settings", { exact: true }).first().click();
      for (const finding of await page.evaluate(faintTexts)) assert.fail(finding);
    },
    { colorScheme },
  );
}

pageTest(
  "on a small window the panels cover the chat and nothing is cut off",
  async ({ page, ask, answers, server }) => {
    server.answer = (reply) => reply.say(`${"word ".repeat(200)}\n\n\`\`\`\n${"x".repeat(300)}\n\`\`\``);
    assert.equal(await page.locator("#conversations").count(), 0);
    await ask("Hi");
    await sees(answers, "reused");
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, String(width));
    await page.getByLabel("Conversations").click();
    await page.getByRole("button", { name: "New chat" }).first().click();
    assert.equal(await page.locator("#conversations").count(), 0);
    assert.equal(await focused(page), "the composer");
  },
  { viewport: { width: 360, height: 640 } },
);

pageTest("the end stays in view while an answer grows, unless the reader has gone up", async (scene) => {
  const { page, server, ask, answers } = scene;
  const [half, rest] = [gate(), gate()];
  server.answer = async (reply) => {
    reply.begin();
    for (let line = 0; line < 60; line += 1) {
      reply.delta({ content: `Line ${line}\n\n` });
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    half.open();
    await rest.passed;
    for (let line = 60; line < 120; line += 1) reply.delta({ content: `Line ${line}\n\n` });
    reply.delta({ content: "The end." }, "stop");
    reply.usage(1, 1, 0);
    reply.end();
  };
  const toEnd = () =>
    page.evaluate(() => {
      const box = document.querySelector(".transcript") as HTMLElement;
      return box.scrollHeight - box.scrollTop - box.clientHeight;
    });
  await ask("Go");
  await half.passed;
  await sees(answers, "Line 59");
  await page.waitForTimeout(150);
  assert.ok((await toEnd()) < 5, "follows");
  await page.locator(".transcript").hover();
  await page.mouse.wheel(0, -600);
  await page.getByLabel("To the end").waitFor();
  rest.open();
  await sees(answers, "The end.");
  assert.ok((await toEnd()) > 500, "stays where the reader is");
  await page.getByLabel("To the end").click();
  await page.waitForTimeout(150);
  assert.ok((await toEnd()) < 5, "goes back");
});

pageTest(
  "in a very long conversation an answer redraws itself alone",
  async ({ page, server, ask, answers }) => {
    server.answer = (reply) => {
      reply.begin();
      for (let word = 0; word < 3000; word += 1)
        reply.delta({ content: word % 20 === 19 ? "word\n\n" : "word " });
      reply.delta({ content: "The end." }, "stop");
      reply.usage(9000, 3001, 8992);
      reply.end();
    };
    await page.evaluate(() => {
      const others = [...document.querySelectorAll("article")];
      const counts = { elsewhere: 0 };
      const watcher = new MutationObserver((changes) => (counts.elsewhere += changes.length));
      for (const other of others)
        watcher.observe(other, { subtree: true, childList: true, characterData: true, attributes: true });
      Object.assign(window, { counts });
    });
    await ask("More");
    await sees(answers.last(), "The end.");
    await sees(answers.last(), "3,001 tokens");
    assert.equal(
      await page.evaluate(() => (window as unknown as { counts: { elsewhere: number } }).counts.elsewhere),
      0,
    );
    assert.equal(await answers.count(), 501);
  },
  {
    prepare: async (_, page) => {
      await page.addInitScript(() => {
        const turns = [];
        for (let at = 0; at < 500; at += 1) {
          turns.push({ role: "user", text: `Question ${at}` });
          turns.push({
            role: "assistant",
            reply: { text: `Answer **${at}**\n\n- a\n- b`, reasoning: "", phase: "done" },
          });
        }
        localStorage.setItem(
          "cairn.kept",
          JSON.stringify({ conversations: [{ system: "", turns }], current: 0, settings: {} }),
        );
      });
    },
  },
);
