// Which side panels are open. Wide windows show the list of conversations from the start.
import { signal } from "@preact/signals";

const isWide = matchMedia("(min-width: 60rem)").matches;

export const listIsOpen = signal(isWide);
export const settingsAreOpen = signal(false);

/** Puts the cursor where the next question is typed. */
export function focusComposer(): void {
  document.getElementById("question")?.focus();
}

/** On a narrow window a panel covers the chat, and goes when something in it was chosen. */
export function leaveList(): void {
  if (!matchMedia("(min-width: 60rem)").matches) listIsOpen.value = false;
  focusComposer();
}
