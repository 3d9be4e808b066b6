// What stands within a line of Markdown: code, bold, italic, struck out, links. In linear time whatever the text:
// how deep marks nest and how long a link may be are bounded, and a mark that has no end is looked for only once.

export type Inline =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "strong" | "emphasis" | "struck"; readonly inner: readonly Inline[] }
  | { readonly kind: "link"; readonly address: string; readonly text: string };

const DEPTH_MAX = 5;
const LINK_MAX = 2000;

const MARKS = [
  { mark: "**", kind: "strong" },
  { mark: "__", kind: "strong" },
  { mark: "~~", kind: "struck" },
  { mark: "*", kind: "emphasis" },
  { mark: "_", kind: "emphasis" },
] as const;

export function inlinesOf(text: string): Inline[] {
  return new InlineReader(text, 0).read();
}

class InlineReader {
  private readonly found: Inline[] = [];
  private readonly endless = new Set<string>();
  private plainFrom = 0;
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly depth: number,
  ) {}

  read(): Inline[] {
    const special = /[`*_~[\\]/g;
    while (this.at < this.text.length) {
      special.lastIndex = this.at;
      const match = special.exec(this.text);
      if (match === null) break;
      this.at = match.index;
      if (!this.readMark(match[0])) this.at += 1;
    }
    this.at = this.text.length;
    this.endPlain(this.at);
    return this.found;
  }

  private readMark(character: string): boolean {
    if (character === "\\") return this.readEscape();
    if (character === "`") return this.readCode();
    if (character === "[") return this.readLink();
    return this.readNested();
  }

  private readEscape(): boolean {
    if (!/[\\`*_~[\]#|]/.test(this.text.charAt(this.at + 1))) return false;
    this.endPlain(this.at);
    this.plainFrom = this.at + 1;
    this.at += 2;
    return true;
  }

  private readCode(): boolean {
    let first = this.at;
    while (this.text.charAt(first) === "`") first += 1;
    const mark = this.text.slice(this.at, first);
    const end = this.endOf(
      mark,
      first,
      (at) => this.text.charAt(at + mark.length) !== "`" && this.text.charAt(at - 1) !== "`",
    );
    if (end === undefined) {
      this.at = first;
      return true; // plain text, all of the run
    }
    const code = this.text.slice(first, end);
    const isPadded = code.length > 2 && code.startsWith(" ") && code.endsWith(" ") && code.trim() !== "";
    this.push({ kind: "code", text: isPadded ? code.slice(1, -1) : code }, end + mark.length);
    return true;
  }

  private readLink(): boolean {
    const piece = this.text.slice(this.at, this.at + LINK_MAX);
    const match = /^\[([^[\]]+)\]\((https?:\/\/[^\s()<>"]+)\)/.exec(piece);
    if (match === null) return false;
    this.push({ kind: "link", text: match[1] ?? "", address: match[2] ?? "" }, this.at + match[0].length);
    return true;
  }

  private readNested(): boolean {
    const known = MARKS.find(({ mark }) => this.text.startsWith(mark, this.at));
    if (known === undefined) return false;
    const { mark, kind } = known;
    const first = this.at + mark.length;
    // In snake_case and 2*3 nothing is marked.
    const opens =
      !isBlank(this.text.charAt(first)) && !(mark.startsWith("_") && isWord(this.text.charAt(this.at - 1)));
    const end =
      opens && this.depth < DEPTH_MAX
        ? this.endOf(mark, first + 1, (at) => this.closes(mark, at))
        : undefined;
    if (end === undefined) {
      this.at = first;
      return true;
    }
    this.push(
      { kind, inner: new InlineReader(this.text.slice(first, end), this.depth + 1).read() },
      end + mark.length,
    );
    return true;
  }

  private closes(mark: string, at: number): boolean {
    const after = this.text.charAt(at + mark.length);
    if (isBlank(this.text.charAt(at - 1)) || (mark.startsWith("_") && isWord(after))) return false;
    return mark.length > 1 || (after !== mark && this.text.charAt(at - 1) !== mark);
  }

  /** Where the mark stands next so that it ends something. */
  private endOf(mark: string, from: number, isEnd: (at: number) => boolean): number | undefined {
    if (this.endless.has(mark)) return undefined;
    for (let at = this.text.indexOf(mark, from); at >= 0; at = this.text.indexOf(mark, at + 1)) {
      if (isEnd(at)) return at;
    }
    this.endless.add(mark);
    return undefined;
  }

  private push(inline: Inline, next: number): void {
    this.endPlain(this.at);
    this.found.push(inline);
    this.at = next;
    this.plainFrom = next;
  }

  private endPlain(end: number): void {
    if (end > this.plainFrom) this.found.push({ kind: "text", text: this.text.slice(this.plainFrom, end) });
  }
}

function isBlank(character: string): boolean {
  return character === "" || /\s/.test(character);
}

function isWord(character: string): boolean {
  return /[\p{L}\p{N}]/u.test(character);
}
