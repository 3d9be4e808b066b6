// The turns of a conversation. It stays at its end while an answer grows, unless the reader has scrolled up.
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Conversation } from "../state/turns";
import { AnswerView } from "./answer_view";
import { Cairn, DownIcon } from "./icons";
import { QuestionView } from "./question_view";

/** Nearer to the end than this, the reader reads the end. */
const NEAR_PX = 60;

export function Transcript({ conversation }: { conversation: Conversation }) {
  const frame = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  const isAtEnd = useSignal(true);
  const turns = conversation.turns.value;

  const goToEnd = () => {
    isAtEnd.value = true;
    frame.current?.scrollTo({ top: frame.current.scrollHeight });
  };
  useEffect(() => {
    if (content.current === null) return;
    const watcher = new ResizeObserver(() => isAtEnd.peek() && goToEnd());
    watcher.observe(content.current);
    return () => watcher.disconnect();
  }, []);
  useLayoutEffect(goToEnd, [turns.length]);

  // Only the reader moves up. (Growth moves the end away too, and is told of late.)
  const notice = () => {
    const box = frame.current;
    if (box === null) return;
    const isNear = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
    if (isNear || box.scrollTop < lastTop.current) isAtEnd.value = isNear;
    lastTop.current = box.scrollTop;
  };
  return (
    <div class="transcript-frame">
      <div
        class="transcript"
        ref={frame}
        onScroll={notice}
        tabIndex={0}
        role="region"
        aria-label="Conversation"
      >
        <div class="turns" ref={content}>
          {turns.length === 0 && <Welcome />}
          {turns.map((turn) =>
            turn.role === "user" ? (
              <QuestionView key={turn.id} question={turn} />
            ) : (
              <AnswerView key={turn.id} answer={turn} />
            ),
          )}
        </div>
      </div>
      {!isAtEnd.value && (
        <button type="button" class="to-end" title="To the end" aria-label="To the end" onClick={goToEnd}>
          <DownIcon />
        </button>
      )}
    </div>
  );
}

function Welcome() {
  return (
    <div class="welcome">
      <Cairn />
      <p>What would you like to talk about?</p>
    </div>
  );
}
