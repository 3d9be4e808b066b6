// What stands beside the chat. Wide windows show the list of conversations from the start.
import { signal } from "@preact/signals";
import { recall, remember } from "../tab_storage";

const NAME = "cairn.cache";

export type Panel = "cache" | "settings";

const isWide = matchMedia("(min-width: 60rem)").matches;

export const listIsOpen = signal(isWide);
/** The one to the right. That it is the cache's is remembered in this tab. */
export const panel = signal<Panel | null>(recall(NAME) === "" ? null : "cache");

/** Opens a panel in place of the other, or closes it. */
export function togglePanel(name: Panel): void {
  panel.value = panel.peek() === name ? null : name;
  remember(NAME, panel.peek() === "cache" ? "open" : "");
}

export function closePanel(): void {
  panel.value = null;
  remember(NAME, "");
  focusComposer();
}

/** Puts the cursor where the next question is typed. */
export function focusComposer(): void {
  document.getElementById("question")?.focus();
}

/** On a narrow window a panel covers the chat, and goes when something in it was chosen. */
export function leaveList(): void {
  if (!matchMedia("(min-width: 60rem)").matches) listIsOpen.value = false;
  focusComposer();
}
