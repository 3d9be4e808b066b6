// A turn's text while it is changed.
import { useSignal } from "@preact/signals";
import { isPlainEnter, TextArea } from "./text_area";

interface Props {
  text: string;
  label: string;
  /** "Send" for a question, "Save" for an answer. */
  action: string;
  onDone: (text: string) => void;
  onCancel: () => void;
}

export function TurnEditor({ text, label, action, onDone, onCancel }: Props) {
  const draft = useSignal(text);
  const finish = () => {
    if (draft.peek().trim() !== "") onDone(draft.peek());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.preventDefault();
      onCancel();
    } else if (isPlainEnter(event)) {
      event.preventDefault();
      finish();
    }
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        finish();
      }}
    >
      <TextArea
        aria-label={label}
        value={draft.value}
        onText={(value) => (draft.value = value)}
        onKeyDown={onKeyDown}
        takesFocus
      />
      <div class="buttons">
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" class="main" disabled={draft.value.trim() === ""}>
          {action}
        </button>
      </div>
    </form>
  );
}
