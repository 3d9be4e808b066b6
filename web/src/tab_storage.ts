// What this tab remembers while it is reloaded (sessionStorage); it is gone when the tab closes.

/** Empty where nothing is remembered. */
export function recall(name: string): string {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** An empty text forgets what there was. */
export function remember(name: string, text: string): void {
  try {
    if (text === "") sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, text);
  } catch {
    // A browser that stores nothing: it is known as long as the page lives.
  }
}
