// The API key, for servers that want one. It stays in this tab (sessionStorage) and is gone when the tab closes.
import { signal } from "@preact/signals";

const NAME = "cairn.key";

export const apiKey = signal(read());

/** An empty key forgets the one there was. */
export function setApiKey(key: string): void {
  apiKey.value = key.trim();
  try {
    if (apiKey.value === "") sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, apiKey.value);
  } catch {
    // A browser that stores nothing: the key lives as long as the page.
  }
}

function read(): string {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}
