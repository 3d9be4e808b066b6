// The chat: conversations to the left, the one in view in the middle, the cache or settings to the right.
import { useEffect } from "preact/hooks";
import { current, stop } from "../state/conversations";
import { Announcer } from "./announcer";
import { CachePanel } from "./cache_panel";
import { Composer } from "./composer";
import { ConversationList } from "./conversation_list";
import { KeyForm } from "./key_form";
import { listIsOpen, panel } from "./layout";
import { Notices } from "./notices";
import { SettingsPanel } from "./settings_panel";
import { Transcript } from "./transcript";

export function Chat() {
  useEffect(() => {
    document.addEventListener("keydown", stopOnEscape);
    return () => document.removeEventListener("keydown", stopOnEscape);
  }, []);
  return (
    <div class="chat">
      {listIsOpen.value && <ConversationList />}
      <main>
        <Transcript key={current.value.id} conversation={current.value} />
        <div class="foot">
          <Notices />
          <KeyForm />
          <Composer key={current.value.id} conversation={current.value} />
        </div>
      </main>
      {panel.value === "cache" && <CachePanel />}
      {panel.value === "settings" && <SettingsPanel />}
      <Announcer />
    </div>
  );
}

/** What handles Escape itself (an editor that closes) prevents its default. */
function stopOnEscape(event: KeyboardEvent): void {
  if (event.key === "Escape" && !event.defaultPrevented && !event.isComposing) stop(current.peek());
}
