// Fills an answer from the server. Words are gathered and shown once a frame, however fast they come.
import { streamChat, type ChatEvent, type ChatRequest } from "../api/chat";
import { Problem } from "../api/problem";
import { model, refreshServer, wantsKey } from "./server";
import { samplingOf, typed } from "./settings";
import { messagesOf, type Answer, type Conversation, type Reply, type Turn } from "./turns";

/** Runs until the answer is complete, stopped or failed; the answer's phase says which. Never throws. */
export async function writeAnswer(
  conversation: Conversation,
  turns: readonly Turn[],
  answer: Answer,
): Promise<void> {
  const stop = new AbortController();
  conversation.running.value = stop;
  const pen = new Pen(answer);
  const request: ChatRequest = {
    ...samplingOf(typed.peek()),
    messages: messagesOf(conversation.system.peek(), turns),
  };
  if (model.peek() !== "") request.model = model.peek();
  try {
    for await (const event of streamChat(request, stop.signal)) pen.write(event);
    pen.finish("done");
  } catch (error) {
    if (stop.signal.aborted) pen.finish("stopped");
    else pen.fail(problemIn(error));
  } finally {
    if (conversation.running.peek() === stop) conversation.running.value = null;
  }
}

function problemIn(error: unknown): Problem {
  if (!(error instanceof Problem)) return new Problem("server", `The page failed: ${String(error)}`);
  if (error.kind === "key") wantsKey.value = true;
  if (error.kind === "refused") void refreshServer(); // another model may run there by now
  return error;
}

/** Gathers events into the answer's reply. */
class Pen {
  private readonly start = performance.now();
  private firstAt = 0;
  private lastAt = 0;
  private pieces = 0;
  private next: Reply;
  private frame = 0;

  constructor(private readonly answer: Answer) {
    this.next = answer.reply.peek();
  }

  write(event: ChatEvent): void {
    if (event.type === "end") this.next = { ...this.next, end: event.reason };
    else if (event.type === "usage") this.next = { ...this.next, usage: event.usage };
    else this.addText(event.type, event.text);
    this.frame ||= requestAnimationFrame(() => this.show());
  }

  finish(phase: "done" | "stopped"): void {
    this.next = { ...this.next, phase };
    this.show();
  }

  fail(problem: Problem): void {
    this.next = { ...this.next, phase: "failed", problem };
    this.show();
  }

  private addText(type: "text" | "reasoning", text: string): void {
    this.lastAt = performance.now();
    if (this.pieces === 0) this.firstAt = this.lastAt;
    this.pieces += 1;
    this.next = { ...this.next, phase: "running", [type]: this.next[type] + text };
  }

  private show(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { start, firstAt, lastAt, pieces } = this;
    const timing =
      pieces === 0 ? {} : { timing: { toFirst: firstAt - start, writing: lastAt - firstAt, pieces } };
    this.answer.reply.value = { ...this.next, ...timing };
  }
}
