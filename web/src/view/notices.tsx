// What the user should know but need not answer: the server cannot be reached, something was removed, nothing is kept.
import { takeBack, undo } from "../state/conversations";
import { isKept, keepProblem } from "../state/keeping";
import { refreshServer, serverProblem } from "../state/server";
import { CloseIcon } from "./icons";
import { focusComposer } from "./layout";

export function Notices() {
  const problem = serverProblem.value;
  return (
    <>
      {problem !== null && problem.kind !== "key" && (
        <p class="notice" role="alert">
          <span>{problem.message}</span>
          <button type="button" onClick={() => void refreshServer()}>
            Try again
          </button>
        </p>
      )}
      {keepProblem.value !== "" && (
        <p class="notice" role="alert">
          <span>{keepProblem.value}</span>
          {!isKept.value && <CloseButton onClick={() => (keepProblem.value = "")} />}
        </p>
      )}
      {undo.value !== null && <UndoNotice words={undo.value.words} />}
    </>
  );
}

function UndoNotice({ words }: { words: string }) {
  const undoAndLeave = () => {
    takeBack();
    focusComposer();
  };
  return (
    <p class="notice" role="status">
      <span>{words}</span>
      <button type="button" onClick={undoAndLeave}>
        Undo
      </button>
      <CloseButton
        onClick={() => {
          undo.value = null;
          focusComposer();
        }}
      />
    </p>
  );
}

function CloseButton({ onClick }: { onClick: () => void }) {
  return (
    <button type="button" class="quiet" title="Close" aria-label="Close" onClick={onClick}>
      <CloseIcon />
    </button>
  );
}
