import { regenerate, rewrite } from "../state/conversations";
import { editing } from "../state/editing";
import { endInWords, figuresOf } from "../state/figures";
import type { Answer, Reply } from "../state/turns";
import { Markdown } from "../text/markdown";
import { CopyButton } from "./copy_button";
import { AgainIcon, EditIcon } from "./icons";
import { focusComposer } from "./layout";
import { Reasoning } from "./reasoning";
import { TurnEditor } from "./turn_editor";

export function AnswerView({ answer }: { answer: Answer }) {
  const reply = answer.reply.value;
  const isOpen = reply.phase === "waiting" || reply.phase === "running";
  if (editing.value === answer.id && !isOpen) return <AnswerEditor answer={answer} text={reply.text} />;
  return (
    <article class={`answer ${reply.phase}`} aria-label="Answer" aria-busy={isOpen}>
      {reply.reasoning !== "" && <Reasoning reply={reply} />}
      {reply.phase === "waiting" && <p class="waiting">Waiting for the first word…</p>}
      <Markdown text={reply.text} />
      <EndNote reply={reply} />
      {!isOpen && <AnswerFoot answer={answer} reply={reply} />}
    </article>
  );
}

function EndNote({ reply }: { reply: Reply }) {
  if (reply.problem !== undefined) return <p class="problem">{reply.problem.message}</p>;
  const words = endInWords(reply);
  return words === undefined ? null : <p class="end">{words}</p>;
}

function AnswerFoot({ answer, reply }: { answer: Answer; reply: Reply }) {
  return (
    <footer>
      <div class="actions">
        <CopyButton text={() => answer.reply.peek().text} label="Copy" />
        <button
          type="button"
          class="quiet"
          title="Answer again"
          aria-label="Answer again"
          onClick={() => regenerate(answer)}
        >
          <AgainIcon />
        </button>
        <button
          type="button"
          class="quiet"
          title="Edit"
          aria-label="Edit"
          onClick={() => (editing.value = answer.id)}
        >
          <EditIcon />
        </button>
      </div>
      <p class="figures">
        {figuresOf(reply).map((figure) => (
          <span key={figure}>{figure}</span>
        ))}
      </p>
    </footer>
  );
}

function AnswerEditor({ answer, text }: { answer: Answer; text: string }) {
  const leave = () => {
    editing.value = "";
    focusComposer();
  };
  const save = (changed: string) => {
    rewrite(answer, changed);
    leave();
  };
  return (
    <article class="answer" aria-label="Answer">
      <TurnEditor text={text} label="The answer" action="Save" onDone={save} onCancel={leave} />
    </article>
  );
}
