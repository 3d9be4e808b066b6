import assert from "node:assert/strict";
import { test } from "node:test";
import { blocksOf } from "../src/text/blocks";
import { inlinesOf, type Inline } from "../src/text/inline";

/** Inlines as a short text: kind(inner). */
function shape(inlines: readonly Inline[]): string {
  return inlines
    .map((inline) => {
      if (inline.kind === "text") return inline.text;
      if (inline.kind === "code") return `code(${inline.text})`;
      if (inline.kind === "link") return `link(${inline.text} ${inline.address})`;
      return `${inline.kind}(${shape(inline.inner)})`;
    })
    .join("");
}

test("marks within a line", () => {
  const cases: [string, string][] = [
    ["plain", "plain"],
    ["**bold** and *it*", "strong(bold) and emphasis(it)"],
    ["**bold with *it* in**", "strong(bold with emphasis(it) in)"],
    ["`a*b*` ``x`y``", "code(a*b*) code(x`y)"],
    ["~~gone~~", "struck(gone)"],
    ["snake_case_name 2*3*4", "snake_case_name 2emphasis(3)4"],
    ["_it_", "emphasis(it)"],
    ["2 * 3 * 4", "2 * 3 * 4"],
    ["**open", "**open"],
    ["`open", "`open"],
    ["\\*not\\*", "*not*"],
    ["[cairn](https://example.org/a)", "link(cairn https://example.org/a)"],
    ["[x](javascript:alert(1))", "[x](javascript:alert(1))"],
    ["[x](data:text/html,y)", "[x](data:text/html,y)"],
    ["![i](https://example.org/i.png)", "!link(i https://example.org/i.png)"],
    ["<b>no</b> &amp;", "<b>no</b> &amp;"],
  ];
  for (const [text, wanted] of cases) assert.equal(shape(inlinesOf(text)), wanted, text);
});

test("blocks", () => {
  const kinds = (text: string) => blocksOf(text).map((block) => block.kind);
  assert.deepEqual(kinds("# A\ntext\nmore\n\n---\n> q\n\n- a\n- b\n\n1. c"), [
    "heading",
    "paragraph",
    "rule",
    "quote",
    "list",
  ]);
  assert.deepEqual(blocksOf("```cpp\nint x;\n\n  y\n```\nafter"), [
    { kind: "code", language: "cpp", text: "int x;\n\n  y" },
    { kind: "paragraph", text: "after" },
  ]);
  assert.deepEqual(blocksOf("~~~~\n```\n~~~\n~~~~"), [{ kind: "code", language: "", text: "```\n~~~" }]);
  assert.deepEqual(blocksOf("```\nopen"), [{ kind: "code", language: "", text: "open" }]);
  assert.deepEqual(blocksOf("| a | b |\n|---|:-:|\n| 1 | 2 |"), [
    { kind: "table", head: ["a", "b"], rows: [["1", "2"]] },
  ]);
  assert.deepEqual(blocksOf("1. a\n   more\n   - b\n2. c"), [
    {
      kind: "list",
      items: [
        { depth: 0, marker: "1.", text: "a\nmore" },
        { depth: 1, marker: "-", text: "b" },
        { depth: 0, marker: "2.", text: "c" },
      ],
    },
  ]);
  assert.deepEqual(blocksOf("\n \n"), []);
});

test("hostile text takes linear time", () => {
  const n = 100_000;
  const texts = [
    "*",
    "**a ",
    "`",
    "[",
    "[a](",
    "_a",
    "~~a ",
    "> ",
    "- ",
    "|",
    "\\",
    "* _ ** ` [",
    "[a](https://x ",
  ];
  for (const piece of [...texts, ...texts.map((text) => `${text}\n`)]) {
    const text = piece.repeat(n / piece.length);
    const start = performance.now();
    for (const block of blocksOf(text)) if ("text" in block) inlinesOf(block.text);
    inlinesOf(text);
    assert.ok(performance.now() - start < 2000, JSON.stringify(piece));
  }
});
