// Where a question is typed: Enter sends, Shift+Enter is a new line, Up in an empty field edits the last question,
// Escape (anywhere) stops the answer.
import { useSignal } from "@preact/signals";
import { send, stop } from "../state/conversations";
import { editing } from "../state/editing";
import type { Conversation } from "../state/turns";
import { SendIcon, StopIcon } from "./icons";
import { isPlainEnter, TextArea } from "./text_area";

export function Composer({ conversation }: { conversation: Conversation }) {
  const draft = useSignal("");
  const isRunning = conversation.running.value !== null;
  const submit = () => {
    if (isRunning || draft.peek().trim() === "") return;
    send(draft.peek());
    draft.value = "";
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (isPlainEnter(event)) {
      event.preventDefault();
      submit();
    } else if (event.key === "ArrowUp" && draft.peek() === "") {
      const last = conversation.turns.peek().findLast((turn) => turn.role === "user");
      if (last === undefined) return;
      event.preventDefault();
      editing.value = last.id;
    }
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <TextArea
        id="question"
        aria-label="Message"
        placeholder="Type a message"
        value={draft.value}
        onText={(text) => (draft.value = text)}
        onKeyDown={onKeyDown}
        takesFocus
      />
      {isRunning ? (
        <button
          type="button"
          class="round"
          title="Stop (Esc)"
          aria-label="Stop"
          onClick={() => stop(conversation)}
        >
          <StopIcon />
        </button>
      ) : (
        <button
          type="submit"
          class="round"
          title="Send (Enter)"
          aria-label="Send"
          disabled={draft.value.trim() === ""}
        >
          <SendIcon />
        </button>
      )}
    </form>
  );
}
