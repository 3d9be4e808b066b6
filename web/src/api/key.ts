// The API key, for servers that want one. It stays in this tab and is gone when the tab closes.
import { signal } from "@preact/signals";
import { recall, remember } from "../tab_storage";

const NAME = "cairn.key";

export const apiKey = signal(recall(NAME));

/** An empty key forgets the one there was. */
export function setApiKey(key: string): void {
  apiKey.value = key.trim();
  remember(NAME, apiKey.value);
}
