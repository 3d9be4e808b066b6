// The server's cache as its metrics tell of it, asked for while somebody looks.
import { effect, signal } from "@preact/signals";
import { apiKey } from "../api/key";
import { readMetrics } from "../api/metrics";
import { Problem } from "../api/problem";
import { cacheSections, type CacheSection } from "./cache_figures";
import { wantsKey } from "./server";

const PAUSE_MS = 2000;

/** What was said last, or why nothing is; null until the first reply. */
export const cache = signal<readonly CacheSection[] | Problem | null>(null);

/** Asks again and again while the tab is in view, until the function that it gives is called. */
export function watchCache(): () => void {
  const isInView = signal(!document.hidden);
  const look = () => (isInView.value = !document.hidden);
  cache.value = null;
  document.addEventListener("visibilitychange", look);
  const stopAsking = effect(() => {
    void apiKey.value; // another key may get another answer
    if (!isInView.value) return;
    const asking = new AbortController();
    void keepAsking(asking.signal);
    return () => asking.abort();
  });
  return () => {
    document.removeEventListener("visibilitychange", look);
    stopAsking();
  };
}

async function keepAsking(stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const answer = await askOnce(stop);
    if (stop.aborted) return;
    cache.value = answer;
    if (answer instanceof Problem) {
      if (answer.kind === "key") wantsKey.value = true;
      // Asked in the same way, the server would refuse again.
      if (answer.kind === "key" || answer.kind === "refused") return;
    }
    const wanted = answer instanceof Problem ? (answer.retryAfter ?? 0) * 1000 : 0;
    await pause(Math.max(PAUSE_MS, wanted), stop);
  }
}

async function askOnce(stop: AbortSignal): Promise<CacheSection[] | Problem> {
  try {
    return cacheSections(await readMetrics(stop));
  } catch (error) {
    return error instanceof Problem ? error : new Problem("server", `The page failed: ${String(error)}`);
  }
}

function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    stop.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
