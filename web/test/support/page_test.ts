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
