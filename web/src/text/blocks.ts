// The blocks of a small Markdown: what models write most. Reads line by line, in linear time, and never fails: what
// it does not know is a paragraph. Nothing here makes HTML.

export interface ListItem {
  /** Steps of indentation, 0 for the outermost. */
  readonly depth: number;
  readonly marker: string;
  readonly text: string;
}

export type Block =
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "heading"; readonly level: number; readonly text: string }
  | { readonly kind: "code"; readonly language: string; readonly text: string }
  | { readonly kind: "quote"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly ListItem[] }
  | {
      readonly kind: "table";
      readonly head: readonly string[];
      readonly rows: readonly (readonly string[])[];
    }
  | { readonly kind: "rule" };

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const RULE = /^ {0,3}([-*_])( *\1){2,} *$/;
const ITEM = /^( *)([-*+•]|\d{1,9}[.)])\s+(.*)$/;
const TABLE_LINE = /^ {0,3}\|?( *:?-+:? *\|)+( *:?-+:? *)?$/;

export function blocksOf(source: string): Block[] {
  const lines = source.split("\n");
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length;) {
    const [block, next] = blockAt(lines, at);
    if (block !== undefined) blocks.push(block);
    at = next;
  }
  return blocks;
}

/** The block that begins at a line, and the line after it. */
function blockAt(lines: readonly string[], at: number): [Block | undefined, number] {
  const line = lines[at] ?? "";
  if (line.trim() === "") return [undefined, at + 1];
  const fence = FENCE.exec(line);
  if (fence) return codeAt(lines, at + 1, fence[1] ?? "", fence[2] ?? "");
  const heading = HEADING.exec(line);
  if (heading) {
    const text = (heading[2] ?? "").replace(/\s+#+\s*$/, "");
    return [{ kind: "heading", level: heading[1]?.length ?? 1, text }, at + 1];
  }
  if (RULE.test(line)) return [{ kind: "rule" }, at + 1];
  if (ITEM.test(line)) return listAt(lines, at);
  if (isQuote(line)) return quoteAt(lines, at);
  if (isTable(lines, at)) return tableAt(lines, at);
  return paragraphAt(lines, at);
}

/** A fence without its end goes on to the end of the text: the stream has not got there yet. */
function codeAt(lines: readonly string[], first: number, fence: string, language: string): [Block, number] {
  let end = first;
  while (end < lines.length && !isFenceEnd(lines[end] ?? "", fence)) end += 1;
  return [{ kind: "code", language, text: lines.slice(first, end).join("\n") }, end + 1];
}

function isFenceEnd(line: string, fence: string): boolean {
  const text = line.trim();
  return text.length >= fence.length && text === fence.charAt(0).repeat(text.length);
}

function listAt(lines: readonly string[], first: number): [Block, number] {
  const items: ListItem[] = [];
  let at = first;
  for (; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    const match = ITEM.exec(line);
    const last = items[items.length - 1];
    if (match && !RULE.test(line)) {
      const depth = Math.min(Math.floor((match[1]?.length ?? 0) / 2), (last?.depth ?? -1) + 1, 4);
      items.push({ depth, marker: match[2] ?? "-", text: match[3] ?? "" });
    } else if (last !== undefined && line.startsWith("  ") && !FENCE.test(line) && line.trim() !== "") {
      items[items.length - 1] = { ...last, text: `${last.text}\n${line.trim()}` };
    } else if (line.trim() !== "" || !ITEM.test(lines[at + 1] ?? "")) {
      break;
    }
  }
  return [{ kind: "list", items }, at];
}

function isQuote(line: string): boolean {
  return /^ {0,3}>/.test(line);
}

function quoteAt(lines: readonly string[], first: number): [Block, number] {
  let end = first;
  while (end < lines.length && isQuote(lines[end] ?? "")) end += 1;
  const text = lines.slice(first, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  return [{ kind: "quote", text: text.join("\n") }, end];
}

function isTable(lines: readonly string[], at: number): boolean {
  return (lines[at] ?? "").includes("|") && TABLE_LINE.test(lines[at + 1] ?? "");
}

function tableAt(lines: readonly string[], first: number): [Block, number] {
  let end = first + 2;
  while (end < lines.length && (lines[end] ?? "").includes("|")) end += 1;
  const rows = lines.slice(first + 2, end).map(cellsOf);
  return [{ kind: "table", head: cellsOf(lines[first] ?? ""), rows }, end];
}

function cellsOf(line: string): string[] {
  return line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim());
}

function paragraphAt(lines: readonly string[], first: number): [Block, number] {
  let end = first + 1;
  while (end < lines.length && !beginsBlock(lines, end)) end += 1;
  return [{ kind: "paragraph", text: lines.slice(first, end).join("\n") }, end];
}

function beginsBlock(lines: readonly string[], at: number): boolean {
  const line = lines[at] ?? "";
  const isPlain = line.trim() !== "" && !FENCE.test(line) && !HEADING.test(line) && !RULE.test(line);
  return !isPlain || ITEM.test(line) || isQuote(line) || isTable(lines, at);
}
