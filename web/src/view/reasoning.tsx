import type { Reply } from "../state/turns";
import { Markdown } from "../text/markdown";

/** What the model thought before it answered, folded away. */
export function Reasoning({ reply }: { reply: Reply }) {
  const isThinking = reply.phase === "running" && reply.text === "";
  return (
    <details class="reasoning">
      <summary>{isThinking ? "Thinking…" : "Reasoning"}</summary>
      <Markdown text={reply.reasoning} />
    </details>
  );
}
