// Conversations live in this page's memory, unless the user asks the browser to keep them (localStorage).
import { batch, effect, signal } from "@preact/signals";
import { field } from "../api/problem";
import { conversations, current } from "./conversations";
import { FIELDS, NOTHING_TYPED, typed, type Typed } from "./settings";
import { newAnswer, newConversation, newQuestion, type Conversation, type Reply, type Turn } from "./turns";

const NAME = "cairn.kept";
const PAUSE_MS = 400;

export const isKept = signal(false);
/** Why the browser did not keep them. */
export const keepProblem = signal("");

/** Takes up what was kept, then keeps every change for as long as the user wants it. */
export function startKeeping(): void {
  restore();
  let timer: ReturnType<typeof setTimeout> | undefined;
  effect(() => {
    if (!isKept.value) return;
    const text = JSON.stringify(snapshot());
    clearTimeout(timer);
    timer = setTimeout(() => store(text), PAUSE_MS);
  });
}

export function setKept(kept: boolean): void {
  keepProblem.value = "";
  isKept.value = kept;
  if (kept) store(JSON.stringify(snapshot()));
  else forget();
}

function store(text: string): void {
  if (!isKept.peek()) return; // switched off while a change waited
  try {
    localStorage.setItem(NAME, text);
    keepProblem.value = "";
  } catch {
    keepProblem.value = "This browser has no room left, or keeps nothing: the last changes are not kept.";
  }
}

function forget(): void {
  try {
    localStorage.removeItem(NAME);
  } catch {
    // Then nothing was kept.
  }
}

function snapshot(): object {
  return {
    settings: typed.value,
    conversations: conversations.value.map(keptConversation),
    current: conversations.value.indexOf(current.value),
  };
}

function keptConversation(conversation: Conversation): object {
  void conversation.running.value; // its end is the change that keptTurn() waits for
  return { system: conversation.system.value, turns: conversation.turns.value.map(keptTurn) };
}

/** Listens to answers that are complete only: a stream must not be written out at each word. */
function keptTurn(turn: Turn): object {
  if (turn.role === "user") return { role: "user", text: turn.text };
  const reply = turn.reply.peek();
  const isWhole = reply.phase === "done" || reply.phase === "stopped";
  if (isWhole) void turn.reply.value;
  const { problem: _, ...kept } = reply;
  return { role: "assistant", reply: { ...kept, phase: isWhole ? reply.phase : "stopped" } };
}

function restore(): void {
  try {
    const text = localStorage.getItem(NAME);
    if (text === null) return;
    const kept: unknown = JSON.parse(text);
    const list = readConversations(field(kept, "conversations"));
    batch(() => {
      isKept.value = true;
      typed.value = readTyped(field(kept, "settings"));
      const [newest] = list;
      if (newest === undefined) return;
      conversations.value = list;
      current.value = list[Number(field(kept, "current"))] ?? newest;
    });
  } catch {
    keepProblem.value = "What this browser kept cannot be read.";
  }
}

function readConversations(value: unknown): Conversation[] {
  if (!Array.isArray(value)) return [];
  return value.map((one) => {
    const turns = field(one, "turns");
    return newConversation(textOf(field(one, "system")), Array.isArray(turns) ? turns.map(readTurn) : []);
  });
}

function readTurn(value: unknown): Turn {
  if (field(value, "role") === "user") return newQuestion(textOf(field(value, "text")));
  const reply = field(value, "reply") as Partial<Reply> | undefined;
  return newAnswer({
    ...reply,
    text: textOf(reply?.text),
    reasoning: textOf(reply?.reasoning),
    phase: reply?.phase ?? "done",
  });
}

function readTyped(value: unknown): Typed {
  const read = FIELDS.map(({ name }) => [name, textOf(field(value, name))]);
  return { ...NOTHING_TYPED, ...Object.fromEntries(read) };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
