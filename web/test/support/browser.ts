// Debian's Chromium without a window, driven by playwright-core. Absent: tests that need it are skipped, and say so.
import { existsSync } from "node:fs";
import type { Browser, Locator, Page } from "playwright-core";

const PLACES = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];
const place = PLACES.find((path) => path !== undefined && existsSync(path));

const NODE_MIN = 20; // playwright-core ends the process of an older one
const node = Number.parseInt(process.versions.node, 10);

/** Why there is no browser, for a test's `skip`; false where there is one. */
export const noBrowser: string | false =
  place === undefined
    ? "no Chromium on this machine"
    : node < NODE_MIN && `Node ${node} is too old to drive one`;

export async function launch(): Promise<Browser> {
  const { chromium } = await import("playwright-core");
  // Without its sandbox, which needs more than a container's root has: the only page it opens is ours.
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];
  return chromium.launch({ ...(place === undefined ? {} : { executablePath: place }), args });
}

export interface Watched {
  /** Everything that went wrong in the page: errors, console errors, what its policy refused. */
  readonly troubles: string[];
  /** Requests to anywhere but the page's own server. */
  readonly strangers: string[];
}

/** Opens the page, and watches it from its first byte on. */
export async function open(page: Page, url: string): Promise<Watched> {
  const troubles: string[] = [];
  const strangers: string[] = [];
  page.on("pageerror", (error) => troubles.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // Chromium reports each refused request itself; what the page makes of it is what tests look at.
    const isRefusal = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isRefusal) troubles.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) strangers.push(request.url());
  });
  // What esbuild wraps functions in that keep their names; evaluate() sends them into the page as they are.
  await page.addInitScript({ content: "globalThis.__name = (named) => named;" });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  await page.goto(url);
  await page.getByLabel("Message", { exact: true }).waitFor();
  return { troubles, strangers };
}

/** Waits until a locator's text holds (or is) what is wanted. */
export async function sees(locator: Locator, wanted: string | RegExp): Promise<void> {
  await locator.filter({ hasText: wanted }).first().waitFor();
}
