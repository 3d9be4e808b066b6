// GET /metrics: the server's counts, in Prometheus's text format. Read strictly: one line that is not as the format has
// it makes the whole reply unreadable, lest a number be wrong.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
import { ask } from "./ask";
import { Problem } from "./problem";

interface Series {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const LABEL = String.raw`[a-zA-Z_]\w*[ \t]*=[ \t]*"(?:[^"\\]|\\[\\"n])*"[ \t]*`;
const LABELS = String.raw`[ \t]*\{[ \t]*((?:${LABEL},[ \t]*)*(?:${LABEL})?)\}[ \t]*`;
const VALUE = String.raw`[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?Inf|Na[nN]`;
const LINE = new RegExp(
  String.raw`^[ \t]*([a-zA-Z_:][\w:]*)(?:${LABELS}|[ \t]+)(${VALUE})(?:[ \t]+-?\d+)?[ \t]*$`,
);
const EACH_LABEL = /(\w+)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"/g;

export class Metrics {
  private readonly series = new Map<string, Series[]>();

  /** Throws a Problem where the text is not in the format. */
  constructor(text: string) {
    if (text !== "" && !text.endsWith("\n")) throw unreadable(); // it was cut
    for (const line of text.split("\n")) {
      if (!/^[ \t]*(#|$)/.test(line)) this.add(line);
    }
  }

  /** The sum of the series that have these labels, whatever else they have; nothing where there are none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const wanted = Object.entries(labels);
    const found = (this.series.get(name) ?? []).filter((one) =>
      wanted.every(([label, value]) => one.labels.get(label) === value),
    );
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }

  private add(line: string): void {
    const [, name = "", labels = "", value = ""] = LINE.exec(line) ?? [];
    if (name === "") throw unreadable();
    const series = { labels: readLabels(labels), value: readValue(value) };
    const known = this.series.get(name);
    if (known === undefined) this.series.set(name, [series]);
    else known.push(series);
  }
}

export async function readMetrics(stop: AbortSignal): Promise<Metrics> {
  const response = await ask("metrics", stop);
  const text = await response.text().catch((error: unknown) => {
    throw stop.aborted ? error : unreadable();
  });
  return new Metrics(text);
}

function readLabels(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(EACH_LABEL)) {
    if (labels.has(name)) throw unreadable();
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped)),
    );
  }
  return labels;
}

function readValue(text: string): number {
  if (text.endsWith("Inf")) return text.startsWith("-") ? -Infinity : Infinity;
  return Number(text); // of NaN, NaN
}

function unreadable(): Problem {
  return new Problem("server", "What the server says of its cache cannot be read.");
}
