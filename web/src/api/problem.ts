// What can go wrong between the page and the server, in plain words. Everything that asks the server throws a
// Problem (or the AbortError of a request that the user stopped) and nothing else.

export type ProblemKind = "unreachable" | "key" | "busy" | "refused" | "server" | "cut_off";

export class Problem extends Error {
  constructor(
    readonly kind: ProblemKind,
    words: string,
    /** Seconds after which the server said that trying again makes sense. */
    readonly retryAfter?: number,
  ) {
    super(words);
  }
}

export function unreachable(): Problem {
  return new Problem("unreachable", "The server cannot be reached. Is it still running?");
}

export function cutOff(): Problem {
  return new Problem("cut_off", "The connection ended before the answer was complete.");
}

/** The Problem that a refused request's reply tells of. Reads the body. */
export async function problemOf(response: Response, now = Date.now()): Promise<Problem> {
  const retryAfter = secondsToWait(response.headers.get("retry-after"), now);
  return problemFrom(response.status, messageIn(await response.text().catch(() => "")), retryAfter);
}

export function problemFrom(status: number, message: string, retryAfter?: number): Problem {
  const detail = message === "" ? "" : ` ${sentence(message)}`;
  if (status === 401) return new Problem("key", `The server wants an API key.${detail}`);
  if (status === 403) return new Problem("refused", `This API key may not do that.${detail}`);
  if (status === 413) return new Problem("refused", `The conversation is too long for the server.${detail}`);
  if (status === 429 || status === 503) {
    const when = retryAfter === undefined ? "in a moment" : `in ${inWords(retryAfter)}`;
    const busy = status === 429 ? "The server has too much to do right now" : "The server is not ready";
    return new Problem("busy", `${busy}; please try again ${when}.${detail}`, retryAfter);
  }
  if (status >= 500) return new Problem("server", `The server failed (${status}).${detail}`);
  return new Problem("refused", `The server did not accept this (${status}).${detail}`);
}

/** The text of an error in OpenAI's shape, {"error": {"message": …}}; empty where it has another shape. */
export function messageIn(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    const error = field(parsed, "error");
    if (typeof error === "string") return error;
    const message = field(error, "message") ?? field(parsed, "message");
    return typeof message === "string" ? message : "";
  } catch {
    return "";
  }
}

/** Retry-After is a number of seconds or a date. */
export function secondsToWait(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}

export function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function inWords(seconds: number): string {
  if (seconds <= 1) return "a second";
  if (seconds < 120) return `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}

function sentence(text: string): string {
  const short = text.length > 600 ? `${text.slice(0, 600)}…` : text;
  const capital = short.charAt(0).toUpperCase() + short.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}
