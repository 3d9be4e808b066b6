// A test of the page: a mock server and a fresh browser context for each, and afterwards the two things that must
// hold whatever was done: nothing went wrong in the page, and nobody but the page's own server was asked.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { launch, noBrowser, open, type Watched } from "./browser";
import { MockServer } from "./mock_server";

export interface Scene {
  readonly page: Page;
  readonly server: MockServer;
  readonly watched: Watched;
  /** Types a question and sends it. */
  readonly ask: (text: string) => Promise<void>;
  readonly answers: Locator;
  readonly questions: Locator;
  readonly composer: Locator;
}

let browser: Browser | undefined;
before(async () => {
  if (noBrowser === false) browser = await launch();
});
after(async () => browser?.close());

interface Options extends BrowserContextOptions {
  /** Before the page is opened. */
  prepare?: (server: MockServer, page: Page) => Promise<void> | void;
}

export function pageTest(name: string, run: (scene: Scene) => Promise<void>, options: Options = {}): void {
  test(name, { skip: noBrowser, timeout: 60_000 }, async () => {
    assert.ok(browser);
    const { prepare, ...context } = options;
    const server = await MockServer.start();
    const opened = await browser.newContext(context);
    try {
      const page = await opened.newPage();
      page.setDefaultTimeout(15_000);
      await prepare?.(server, page);
      const watched = await open(page, server.url);
      const composer = page.getByLabel("Message", { exact: true });
      const ask = async (text: string) => {
        await composer.fill(text);
        await composer.press("Enter");
      };
      const answers = page.locator("article.answer");
      const questions = page.locator("article.question");
      await run({ page, server, watched, ask, answers, questions, composer });
      assert.deepEqual(watched.troubles, [], "what went wrong in the page");
      assert.deepEqual(watched.strangers, [], "who else was asked");
    } finally {
      await opened.close();
      await server.stop();
    }
  });
}

export interface Gate {
  readonly passed: Promise<void>;
  readonly open: () => void;
}

/** For an answer that goes on when the test says so. */
export function gate(): Gate {
  let open = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}

/** The messages of a chat request. */
export function messages(asked: { body: Record<string, unknown> } | undefined): unknown {
  return asked?.body["messages"];
}

/** Texts whose contrast with what is behind them is below 4.5 (WCAG AA). Runs in the page. */
export function faintTexts(): string[] {
  const parse = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light = (colour: string) => {
    const [r = 0, g = 0, b = 0] = parse(colour).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (start: Element) => {
    for (let element: Element | null = start; element !== null; element = element.parentElement) {
      const { backgroundColor } = getComputedStyle(element);
      if ((parse(backgroundColor)[3] ?? 1) > 0) return backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const found: string[] = [];
  for (const element of document.querySelectorAll("#app *")) {
    const text = [...element.childNodes].filter(
      (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim(),
    );
    if (text.length === 0 || element.closest(":disabled")) continue;
    const { color } = getComputedStyle(element);
    const [a, b] = [light(color), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5)
      found.push(`“${text[0]?.textContent}”: ${contrast.toFixed(2)} (${color} on ${ground(element)})`);
  }
  return found;
}
