// Which turn is being edited: its id, or empty. One at a time.
import { signal } from "@preact/signals";

export const editing = signal("");
