// How answers are sampled. A field holds what the user typed; one that is empty or wrong is not sent, so that the
// server's own setting holds.
import { computed, signal, type Signal } from "@preact/signals";
import type { Sampling } from "../api/chat";

export interface SettingField {
  readonly name: keyof Sampling;
  readonly label: string;
  readonly hint: string;
  readonly isWhole: boolean;
  readonly min: number;
  readonly max: number;
}

export const FIELDS: readonly SettingField[] = [
  {
    name: "temperature",
    label: "Temperature",
    hint: "0 always takes the likeliest word",
    isWhole: false,
    min: 0,
    max: 2,
  },
  {
    name: "top_p",
    label: "Top p",
    hint: "share of the likelihood to choose from",
    isWhole: false,
    min: 0,
    max: 1,
  },
  {
    name: "top_k",
    label: "Top k",
    hint: "number of tokens to choose from, 0 for all",
    isWhole: true,
    min: 0,
    max: 1e6,
  },
  {
    name: "min_p",
    label: "Min p",
    hint: "least likelihood beside the likeliest",
    isWhole: false,
    min: 0,
    max: 1,
  },
  {
    name: "max_tokens",
    label: "Most tokens",
    hint: "where an answer stops at the latest",
    isWhole: true,
    min: 1,
    max: 1e7,
  },
  {
    name: "seed",
    label: "Seed",
    hint: "the same one gives the same answer again",
    isWhole: true,
    min: 0,
    max: 2 ** 53 - 1,
  },
];

export type Typed = Readonly<Record<keyof Sampling, string>>;

export const NOTHING_TYPED: Typed = {
  temperature: "",
  top_p: "",
  top_k: "",
  min_p: "",
  max_tokens: "",
  seed: "",
};

export const typed: Signal<Typed> = signal(NOTHING_TYPED);

export const hasSettings = computed(() => FIELDS.some(({ name }) => typed.value[name].trim() !== ""));

/** The number, nothing where nothing is typed, or a sentence on what to type. */
export function readField(field: SettingField, text: string): number | string | undefined {
  const trimmed = text.trim().replace(",", ".");
  if (trimmed === "") return undefined;
  const value = /^[-+]?(\d+\.?\d*|\.\d+)$/.test(trimmed) ? Number(trimmed) : NaN;
  if (
    Number.isNaN(value) ||
    (field.isWhole && !Number.isInteger(value)) ||
    value < field.min ||
    value > field.max
  ) {
    const kind = field.isWhole ? "a whole number" : "a number";
    return field.max >= 1e6
      ? `Please type ${kind}, ${field.min} or more.`
      : `Please type ${kind} from ${field.min} to ${field.max}.`;
  }
  return value;
}

/** What is sent with a request. */
export function samplingOf(values: Typed): Sampling {
  const sampling: Sampling = {};
  for (const field of FIELDS) {
    const value = readField(field, values[field.name]);
    if (typeof value === "number") sampling[field.name] = value;
  }
  return sampling;
}
