// All conversations of this page, newest first, the one in view, and what the user does to its turns. There is
// always one in view. A change that removes turns can be undone until the next question.
import { batch, signal } from "@preact/signals";
import { writeAnswer } from "./answering";
import {
  newAnswer,
  newConversation,
  newQuestion,
  type Answer,
  type Conversation,
  type Question,
  type Turn,
} from "./turns";

interface Undo {
  readonly words: string;
  readonly restore: () => void;
}

const first = newConversation("");
export const conversations = signal<readonly Conversation[]>([first]);
export const current = signal<Conversation>(first);
export const undo = signal<Undo | null>(null);

/** Takes the system prompt of the one in view along. An empty one in view is that new one already. */
export function startConversation(): void {
  if (current.peek().turns.peek().length === 0) return;
  const fresh = newConversation(current.peek().system.peek());
  batch(() => {
    conversations.value = [fresh, ...conversations.peek()];
    current.value = fresh;
    undo.value = null;
  });
}

export function show(conversation: Conversation): void {
  batch(() => {
    current.value = conversation;
    undo.value = null;
  });
}

export function removeConversation(conversation: Conversation): void {
  stop(conversation);
  const before = conversations.peek();
  const inView = current.peek();
  const rest = before.filter((other) => other !== conversation);
  const left = rest.length > 0 ? rest : [newConversation(conversation.system.peek())];
  batch(() => {
    conversations.value = left;
    if (inView === conversation) current.value = left[0] ?? inView;
    undo.value = {
      words: "Conversation removed.",
      restore: () => {
        conversations.value = before;
        current.value = inView;
      },
    };
  });
}

/** A new question at the end of the conversation in view. */
export function send(text: string): void {
  askAfter(current.peek(), current.peek().turns.peek(), newQuestion(text));
}

/** The question in other words; what came after it goes. */
export function resend(question: Question, text: string): void {
  const conversation = current.peek();
  const turns = conversation.turns.peek();
  const at = turns.indexOf(question);
  if (at < 0) return;
  askAfter(conversation, turns.slice(0, at), newQuestion(text));
  offerUndo(conversation, turns, turns.length - at - 2, "after the question");
}

/** Another answer in the place of this one; what came after it goes. */
export function regenerate(answer: Answer): void {
  const conversation = current.peek();
  const turns = conversation.turns.peek();
  const at = turns.indexOf(answer);
  if (at < 0) return;
  answerAfter(conversation, turns.slice(0, at));
  offerUndo(conversation, turns, turns.length - at - 1, "after the answer");
}

/** What the model is shown of this answer from now on. */
export function rewrite(answer: Answer, text: string): void {
  const { usage: _, timing: __, problem: ___, ...reply } = answer.reply.peek();
  answer.reply.value = { ...reply, text, phase: "done" };
}

/** A question goes with its answer, so that the two go on alternating. */
export function removeQuestion(question: Question): void {
  const conversation = current.peek();
  const turns = conversation.turns.peek();
  const at = turns.indexOf(question);
  if (at < 0) return;
  const count = turns[at + 1]?.role === "assistant" ? 2 : 1;
  if (at + count === turns.length) stop(conversation);
  conversation.turns.value = [...turns.slice(0, at), ...turns.slice(at + count)];
  offerUndo(conversation, turns, count, "");
}

export function stop(conversation: Conversation): void {
  conversation.running.peek()?.abort();
}

export function takeBack(): void {
  const change = undo.peek();
  undo.value = null;
  if (change) batch(change.restore);
}

function askAfter(conversation: Conversation, turns: readonly Turn[], question: Question): void {
  answerAfter(conversation, [...turns, question]);
}

function answerAfter(conversation: Conversation, turns: readonly Turn[]): void {
  stop(conversation);
  const answer = newAnswer();
  batch(() => {
    undo.value = null;
    conversation.turns.value = [...turns, answer];
  });
  void writeAnswer(conversation, turns, answer);
}

function offerUndo(conversation: Conversation, turns: readonly Turn[], count: number, where: string): void {
  if (count <= 0) return;
  const what = count === 1 ? "One message" : `${count} messages`;
  undo.value = {
    words: `${what}${where === "" ? "" : ` ${where}`} removed.`,
    restore: () => {
      stop(conversation);
      conversation.turns.value = turns;
    },
  };
}
