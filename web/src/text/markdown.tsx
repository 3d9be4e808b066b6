// Markdown as elements. Text becomes text nodes and nothing else: there is no HTML in between that a model's words
// could break out of. A block that has not changed keeps its elements, so that a stream redraws only its last block.
import type { ComponentChildren, VNode } from "preact";
import { useMemo } from "preact/hooks";
import { CopyButton } from "../view/copy_button";
import { blocksOf, type Block, type ListItem } from "./blocks";
import { inlinesOf, type Inline } from "./inline";

export function Markdown({ text }: { text: string }) {
  return (
    <div class="markdown">
      {blocksOf(text).map((block, index) => (
        <BlockView key={index} block={block} />
      ))}
    </div>
  );
}

function BlockView({ block }: { block: Block }): VNode {
  return useMemo(() => drawBlock(block), [JSON.stringify(block)]);
}

function drawBlock(block: Block): VNode {
  switch (block.kind) {
    case "paragraph":
      return <p>{drawText(block.text)}</p>;
    case "heading":
      return drawHeading(block.level, drawText(block.text));
    case "code":
      return <CodeBlock language={block.language} text={block.text} />;
    case "quote":
      return <blockquote>{drawText(block.text)}</blockquote>;
    case "list":
      return drawList(block.items, 0, block.items.length, 0);
    case "table":
      return drawTable(block.head, block.rows);
    case "rule":
      return <hr />;
  }
}

/** The page's own headings are h1 and h2. */
function drawHeading(level: number, children: ComponentChildren): VNode {
  if (level === 1) return <h3>{children}</h3>;
  if (level === 2) return <h4>{children}</h4>;
  return <h5>{children}</h5>;
}

function CodeBlock({ language, text }: { language: string; text: string }) {
  return (
    <figure class="code">
      <figcaption>
        <span>{language}</span>
        <CopyButton text={() => text} label="Copy code" />
      </figcaption>
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </figure>
  );
}

/** The items from `first` to `end`, of which those deeper than `depth` form lists within the one before. */
function drawList(items: readonly ListItem[], first: number, end: number, depth: number): VNode {
  const drawn: VNode[] = [];
  for (let at = first; at < end;) {
    let next = at + 1;
    while (next < end && (items[next]?.depth ?? 0) > depth) next += 1;
    drawn.push(
      <li key={at}>
        {drawText(items[at]?.text ?? "")}
        {next > at + 1 && drawList(items, at + 1, next, depth + 1)}
      </li>,
    );
    at = next;
  }
  const start = Number.parseInt(items[first]?.marker ?? "", 10);
  return Number.isNaN(start) ? <ul>{drawn}</ul> : <ol start={start}>{drawn}</ol>;
}

function drawTable(head: readonly string[], rows: readonly (readonly string[])[]): VNode {
  return (
    <div class="table" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((cell, index) => (
              <th key={index}>{drawText(cell)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={at}>
              {row.map((cell, index) => (
                <td key={index}>{drawText(cell)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function drawText(text: string): ComponentChildren {
  return drawInlines(inlinesOf(text));
}

function drawInlines(inlines: readonly Inline[]): ComponentChildren {
  return inlines.map((inline) => {
    switch (inline.kind) {
      case "text":
        return inline.text;
      case "code":
        return <code>{inline.text}</code>;
      case "strong":
        return <strong>{drawInlines(inline.inner)}</strong>;
      case "emphasis":
        return <em>{drawInlines(inline.inner)}</em>;
      case "struck":
        return <del>{drawInlines(inline.inner)}</del>;
      case "link":
        return (
          <a href={inline.address} target="_blank" rel="noopener noreferrer nofollow">
            {inline.text}
          </a>
        );
    }
  });
}
