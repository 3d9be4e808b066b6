// What the page knows of the server: its models, and whether it wants a key.
import { effect, signal } from "@preact/signals";
import { apiKey } from "../api/key";
import { listModels } from "../api/models";
import { Problem } from "../api/problem";

export const models = signal<readonly string[]>([]);
/** The chosen one; empty while none is known, and then the server takes its own. */
export const model = signal("");
/** Why the models are not known. */
export const serverProblem = signal<Problem | null>(null);
/** The server refused for want of a key, or because of a wrong one. */
export const wantsKey = signal(false);

/** Asks now, and again whenever the key changes. */
export function watchServer(): () => void {
  return effect(() => {
    void apiKey.value;
    const asking = new AbortController();
    void refreshServer(asking.signal);
    return () => asking.abort();
  });
}

export async function refreshServer(stop: AbortSignal = new AbortController().signal): Promise<void> {
  try {
    const names = await listModels(stop);
    if (stop.aborted) return;
    models.value = names;
    if (!names.includes(model.peek())) model.value = names[0] ?? "";
    serverProblem.value = null;
    wantsKey.value = false;
  } catch (error) {
    if (!(error instanceof Problem) || stop.aborted) return;
    serverProblem.value = error;
    if (error.kind === "key") wantsKey.value = true;
  }
}
