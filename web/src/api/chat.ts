// POST /v1/chat/completions as a stream of small events.
import { ask } from "./ask";
import { cutOff, field, messageIn, Problem, problemFrom } from "./problem";
import { chunksOf, eventsOf } from "./sse";

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** What the server leaves out of its own settings where the page sends nothing. */
export interface Sampling {
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  max_tokens?: number;
  seed?: number;
}

export interface ChatRequest extends Sampling {
  /** Absent: the server's own model. */
  model?: string;
  messages: Message[];
}

export interface Usage {
  readonly promptTokens: number;
  readonly answerTokens: number;
  /** Tokens of the prompt that the server had already; absent where it does not say. */
  readonly reusedTokens?: number;
}

export type ChatEvent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly text: string }
  | { readonly type: "end"; readonly reason: string }
  | { readonly type: "usage"; readonly usage: Usage };

/** Ends when the answer is complete; throws a Problem where it is cut short, an AbortError where `stop` did. */
export async function* streamChat(request: ChatRequest, stop: AbortSignal): AsyncGenerator<ChatEvent> {
  const body = { ...request, stream: true, stream_options: { include_usage: true } };
  const response = await ask("v1/chat/completions", stop, body);
  if (response.body === null) throw cutOff();
  let hasEnd = false;
  try {
    for await (const data of eventsOf(chunksOf(response.body))) {
      if (data === "[DONE]") return;
      for (const event of readChunk(data)) {
        hasEnd ||= event.type === "end";
        yield event;
      }
    }
  } catch (error) {
    if (stop.aborted || error instanceof Problem) throw error;
    throw cutOff(); // the network's own error says nothing that a reader understands
  }
  if (!hasEnd) throw cutOff();
}

/** The events of one chunk, `{"choices": [{"delta": …}], "usage": …}`. Throws the Problem that a chunk may be. */
export function readChunk(data: string): ChatEvent[] {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new Problem("server", "The server sent something that is no answer.");
  }
  if (field(chunk, "error") !== undefined) throw streamProblem(chunk, data);

  const events: ChatEvent[] = [];
  const choices = field(chunk, "choices");
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const delta = field(choice, "delta");
  const reasoning = field(delta, "reasoning_content") ?? field(delta, "reasoning");
  if (typeof reasoning === "string" && reasoning !== "") events.push({ type: "reasoning", text: reasoning });
  const text = field(delta, "content");
  if (typeof text === "string" && text !== "") events.push({ type: "text", text });
  const reason = field(choice, "finish_reason");
  if (typeof reason === "string") events.push({ type: "end", reason });
  const usage = readUsage(field(chunk, "usage"));
  if (usage !== undefined) events.push({ type: "usage", usage });
  return events;
}

/** An error that came after the first words: the status can no longer tell what it is, its code does. */
function streamProblem(chunk: unknown, data: string): Problem {
  const code = field(field(chunk, "error"), "code");
  const status = typeof code === "number" ? code : code === "server_busy" ? 503 : 500;
  const message = messageIn(data);
  return status === 500
    ? new Problem("server", message || "The server failed.")
    : problemFrom(status, message);
}

function readUsage(usage: unknown): Usage | undefined {
  const promptTokens = field(usage, "prompt_tokens");
  const answerTokens = field(usage, "completion_tokens");
  if (typeof promptTokens !== "number" || typeof answerTokens !== "number") return undefined;
  const reusedTokens = field(field(usage, "prompt_tokens_details"), "cached_tokens");
  return { promptTokens, answerTokens, ...(typeof reusedTokens === "number" ? { reusedTokens } : {}) };
}
