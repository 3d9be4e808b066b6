// Tells a screen reader what happens. A stream is announced when it is complete: word by word nobody could listen.
import { useComputed } from "@preact/signals";
import { current } from "../state/conversations";
import { endInWords } from "../state/figures";

export function Announcer() {
  const words = useComputed(() => {
    const last = current.value.turns.value.at(-1);
    if (last?.role !== "assistant") return "";
    const reply = last.reply.value;
    if (reply.phase === "waiting" || reply.phase === "running") return "The model is answering.";
    if (reply.problem !== undefined) return reply.problem.message;
    return `${reply.text} ${endInWords(reply) ?? ""}`;
  });
  return (
    <div class="offstage" role="status" aria-live="polite">
      {words}
    </div>
  );
}
