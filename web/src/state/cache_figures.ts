// What the server's metrics say of its cache, tier by tier, as lines to show.
import type { Metrics } from "../api/metrics";
import { Problem } from "../api/problem";

/** States of blocks, or of bytes on disk; each has a colour. */
export type Part = "held" | "open" | "idle" | "free";

export interface CacheRow {
  readonly label: string;
  readonly words: string;
  /** The part of the bar that this line is the number of. */
  readonly part?: Part;
  /** It counts what should not happen, and has happened. */
  readonly isTrouble?: boolean;
}

export interface CacheSection {
  readonly title: string;
  readonly bar: readonly { readonly part: Part; readonly amount: number }[];
  readonly rows: readonly CacheRow[];
}

const LABELS: Readonly<Record<Part, string>> = {
  held: "Blocks held, in use",
  open: "Blocks open, being filled",
  idle: "Blocks idle, to be reused",
  free: "Blocks free",
};
const PARTS = ["held", "open", "idle", "free"] as const;

/** Prompts and memory, then the disk and the remote store where the server has them. Throws a Problem where memory is missing. */
export function cacheSections(metrics: Metrics): CacheSection[] {
  const tiers = [disk(metrics), remote(metrics)].filter((section) => section !== undefined);
  return [prompts(metrics), memory(metrics), ...tiers, ...(tiers.length > 0 ? [loads(metrics)] : [])];
}

/** Wherever the blocks were: the server does not count for each tier how many tokens of prompts it served. */
function prompts(metrics: Metrics): CacheSection {
  const reused = count(metrics, "cairn_reused_tokens_total");
  const tokens = count(metrics, "cairn_prompt_tokens_total");
  const words = `${number(reused)} of ${number(tokens)}`;
  return { title: "Prompts", bar: [], rows: [{ label: "Tokens reused", words }] };
}

function memory(metrics: Metrics): CacheSection {
  const bar = PARTS.map((part) => ({ part, amount: known(metrics, "cairn_kv_blocks", { state: part }) }));
  const rows: CacheRow[] = bar.map(({ part, amount }) => ({
    label: LABELS[part],
    words: number(amount),
    part,
  }));
  const used = known(metrics, "cairn_kv_used_bytes");
  rows.push({ label: "Used", words: ofBytes(used, known(metrics, "cairn_kv_pool_bytes")) });
  rows.push(counted("Blocks evicted", metrics, "cairn_kv_evicted_blocks_total"));
  return { title: "Memory", bar, rows };
}

function disk(metrics: Metrics): CacheSection | undefined {
  const rows = tierRows(metrics, "disk");
  const limit = count(metrics, "cairn_kv_disk_bytes", { state: "limit" });
  const used = count(metrics, "cairn_kv_disk_bytes", { state: "used" });
  if (!(limit > 0)) return undefined;
  return {
    title: "Disk",
    bar: [
      { part: "idle", amount: used },
      { part: "free", amount: Math.max(0, limit - used) },
    ],
    rows: [{ label: "Used", words: ofBytes(used, limit) }, ...rows],
  };
}

/** The metrics do not say whether there is one: it is shown once it has done, or failed to do, anything. */
function remote(metrics: Metrics): CacheSection | undefined {
  const rows = [
    ...tierRows(metrics, "remote"),
    trouble("Failures", metrics, "cairn_kv_remote_failures_total"),
  ];
  return rows.every(({ words }) => words === "0") ? undefined : { title: "Remote store", bar: [], rows };
}

function tierRows(metrics: Metrics, tier: string): CacheRow[] {
  return [
    counted("Blocks written", metrics, "cairn_kv_tier_kept_blocks_total", { tier }),
    counted("Blocks loaded", metrics, "cairn_kv_tier_loaded_blocks_total", { tier }),
    trouble("Blocks lost", metrics, "cairn_kv_tier_lost_blocks_total", { reason: tier }),
    trouble("Bad blocks", metrics, "cairn_kv_tier_bad_blocks_total", { tier }),
  ];
}

/** What the server does not count for each tier. */
function loads(metrics: Metrics): CacheSection {
  const name = "cairn_kv_tier_loads_total";
  return {
    title: "Loads",
    bar: [],
    rows: [
      counted("Whole", metrics, name, { outcome: "whole" }),
      counted("Cut short", metrics, name, { outcome: "cut_short" }),
      counted("Computed instead", metrics, name, { outcome: "computed" }),
      counted("Blocks lost, too fast to write", metrics, "cairn_kv_tier_lost_blocks_total", {
        reason: "too_fast",
      }),
    ],
  };
}

type Labels = Readonly<Record<string, string>>;

function counted(label: string, metrics: Metrics, name: string, labels: Labels = {}): CacheRow {
  return { label, words: number(count(metrics, name, labels)) };
}

function trouble(label: string, metrics: Metrics, name: string, labels: Labels = {}): CacheRow {
  const row = counted(label, metrics, name, labels);
  return { ...row, isTrouble: row.words !== "0" };
}

/** Nothing counted is 0. */
function count(metrics: Metrics, name: string, labels: Labels = {}): number {
  return metrics.sum(name, labels) ?? 0;
}

function known(metrics: Metrics, name: string, labels: Labels = {}): number {
  const sum = metrics.sum(name, labels);
  if (sum === undefined) throw new Problem("server", "The server says nothing of its cache.");
  return sum;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

function number(value: number): string {
  return whole.format(value);
}

function ofBytes(used: number, all: number): string {
  return `${inBytes(used)} of ${inBytes(all)}`;
}

export function inBytes(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${number(bytes)} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  // What would be shown as 1,024.0 is 1.0 of the next unit.
  while (value >= 1023.95 && unit + 1 < units.length) {
    value /= 1024;
    unit += 1;
  }
  return `${tenths.format(value)} ${units[unit]}`;
}
