import assert from "node:assert/strict";
import { test } from "node:test";
import { eventsOf } from "../src/api/sse";

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function eventsIn(text: string, size: number): Promise<string[]> {
  const found: string[] = [];
  for await (const data of eventsOf(pieces(new TextEncoder().encode(text), size))) found.push(data);
  return found;
}

const STREAM =
  ': hello\ndata: {"a":1}\n\nevent: x\ndata:two\ndata: lines\nid: 3\n\ndata\n\ndata: größer 🪨\n\n\n\ndata: lost';

test("events are the same however the stream is cut, and whatever ends its lines", async () => {
  const wanted = ['{"a":1}', "two\nlines", "", "größer 🪨"];
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = STREAM.replaceAll("\n", end);
    for (let size = 1; size < 40; size += 1) {
      assert.deepEqual(await eventsIn(text, size), wanted, `${JSON.stringify(end)}, ${size} bytes`);
    }
  }
});

test("a line without end is refused, not gathered", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    const chunk = new TextEncoder().encode("x".repeat(1 << 20));
    for (;;) yield chunk;
  }
  await assert.rejects(async () => {
    for await (const _ of eventsOf(endless()));
  }, /no answer/);
});
