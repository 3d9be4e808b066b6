// The line of figures below an answer, from the server's usage and the page's own clock.
import type { Reply } from "./turns";

const whole = new Intl.NumberFormat("en");

/** Short phrases, most wanted first; none while nothing is known. */
export function figuresOf(reply: Reply): string[] {
  const { usage, timing } = reply;
  const figures: string[] = [];
  if (timing !== undefined) {
    // Each piece of a stream is at least one token. The first one ends the wait; the others take the time measured.
    const tokens = usage?.answerTokens ?? timing.pieces;
    const about = usage === undefined ? "about " : "";
    if (tokens > 1 && timing.writing > 0) {
      figures.push(`${about}${rate(((tokens - 1) * 1000) / timing.writing)} tokens/s`);
    }
    figures.push(`${about}${count(tokens, "token")}`);
    figures.push(`first after ${seconds(timing.toFirst)}`);
  }
  if (usage?.reusedTokens !== undefined) {
    figures.push(
      `${whole.format(usage.reusedTokens)} of ${count(usage.promptTokens, "prompt token")} reused`,
    );
  }
  return figures;
}

/** Why the answer ends where it does, where that is not the usual way. */
export function endInWords(reply: Reply): string | undefined {
  if (reply.phase === "stopped") return "Stopped.";
  switch (reply.end) {
    case undefined:
    case "stop":
      return undefined;
    case "length":
      return "Ended at the limit of tokens.";
    case "content_filter":
      return "Withheld by the server.";
    case "tool_calls":
      return "The model wants to call a tool, which this page does not offer.";
    default:
      return `Ended early: ${reply.end}.`;
  }
}

function count(n: number, noun: string): string {
  return `${whole.format(n)} ${noun}${n === 1 ? "" : "s"}`;
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? whole.format(Math.round(perSecond)) : perSecond.toFixed(1);
}

function seconds(milliseconds: number): string {
  return milliseconds < 10_000
    ? `${(milliseconds / 1000).toFixed(2)} s`
    : `${(milliseconds / 1000).toFixed(0)} s`;
}
