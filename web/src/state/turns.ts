// A conversation as plain data: a system prompt and turns, in which a question and its answer alternate. Turns keep
// their identity while an answer grows inside its signal, so that one answer's words redraw nothing else.
import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Message, Usage } from "../api/chat";
import type { Problem } from "../api/problem";

export type Phase = "waiting" | "running" | "done" | "stopped" | "failed";

/** What the page measured on its own clock; milliseconds. */
export interface Timing {
  readonly toFirst: number;
  /** From the first piece of text to the last. */
  readonly writing: number;
  readonly pieces: number;
}

export interface Reply {
  readonly text: string;
  readonly reasoning: string;
  readonly phase: Phase;
  /** OpenAI's finish_reason. */
  readonly end?: string;
  readonly problem?: Problem;
  readonly usage?: Usage;
  readonly timing?: Timing;
}

export interface Question {
  readonly id: string;
  readonly role: "user";
  readonly text: string;
}

export interface Answer {
  readonly id: string;
  readonly role: "assistant";
  readonly reply: Signal<Reply>;
}

export type Turn = Question | Answer;

export interface Conversation {
  readonly id: string;
  readonly system: Signal<string>;
  readonly turns: Signal<readonly Turn[]>;
  readonly title: ReadonlySignal<string>;
  /** Stops the answer that is being written; null while none is. */
  readonly running: Signal<AbortController | null>;
}

let counter = 0;
const page = Date.now().toString(36);

/** crypto.randomUUID exists only over TLS and on loopback. */
export function newId(): string {
  counter += 1;
  return `${page}-${counter}`;
}

export function newConversation(system: string, turns: readonly Turn[] = []): Conversation {
  const list = signal(turns);
  return {
    id: newId(),
    system: signal(system),
    turns: list,
    title: computed(() => titleOf(list.value)),
    running: signal(null),
  };
}

export function newQuestion(text: string): Question {
  return { id: newId(), role: "user", text };
}

export function newAnswer(reply: Reply = { text: "", reasoning: "", phase: "waiting" }): Answer {
  return { id: newId(), role: "assistant", reply: signal(reply) };
}

/** What the model is shown. Reasoning and answers without text are left out, as the families' templates want it. */
export function messagesOf(system: string, turns: readonly Turn[]): Message[] {
  const messages: Message[] = [];
  if (system.trim() !== "") messages.push({ role: "system", content: system });
  for (const turn of turns) {
    const content = turn.role === "user" ? turn.text : turn.reply.peek().text;
    if (turn.role === "user" || content !== "") messages.push({ role: turn.role, content });
  }
  return messages;
}

function titleOf(turns: readonly Turn[]): string {
  const first = turns.find((turn) => turn.role === "user");
  const line = first?.text.trim().split("\n", 1)[0] ?? "";
  if (line === "") return "New chat";
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}
