import { removeQuestion, resend } from "../state/conversations";
import { editing } from "../state/editing";
import type { Question } from "../state/turns";
import { CopyButton } from "./copy_button";
import { EditIcon, RemoveIcon } from "./icons";
import { focusComposer } from "./layout";
import { TurnEditor } from "./turn_editor";

export function QuestionView({ question }: { question: Question }) {
  const leave = () => {
    editing.value = "";
    focusComposer();
  };
  if (editing.value === question.id) {
    const send = (text: string) => {
      resend(question, text);
      leave();
    };
    return (
      <article class="question" aria-label="You">
        <TurnEditor text={question.text} label="Your message" action="Send" onDone={send} onCancel={leave} />
      </article>
    );
  }
  return (
    <article class="question" aria-label="You">
      <div class="bubble">{question.text}</div>
      <div class="actions">
        <CopyButton text={() => question.text} label="Copy" />
        <button
          type="button"
          class="quiet"
          title="Edit"
          aria-label="Edit"
          onClick={() => (editing.value = question.id)}
        >
          <EditIcon />
        </button>
        <button
          type="button"
          class="quiet"
          title="Delete"
          aria-label="Delete"
          onClick={() => removeQuestion(question)}
        >
          <RemoveIcon />
        </button>
      </div>
    </article>
  );
}
