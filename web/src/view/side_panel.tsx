import type { ComponentChildren } from "preact";
import { CloseIcon } from "./icons";
import { closePanel } from "./layout";

/** What stands to the right of the chat. Its button and Escape close it. */
export function SidePanel({
  id,
  title,
  children,
}: {
  id: string;
  title: string;
  children: ComponentChildren;
}) {
  const closeOnEscape = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    closePanel();
  };
  return (
    <aside class="side panel" id={id} aria-label={title} onKeyDown={closeOnEscape}>
      <div class="line">
        <h2>{title}</h2>
        <button
          type="button"
          class="quiet"
          title="Close"
          aria-label={`Close ${title.toLowerCase()}`}
          onClick={closePanel}
        >
          <CloseIcon />
        </button>
      </div>
      {children}
    </aside>
  );
}
