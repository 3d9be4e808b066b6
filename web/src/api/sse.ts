// Server-sent events out of a fetch() body. The browser's EventSource cannot send a request's body, so this is our
// own reader of the format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
import { Problem } from "./problem";

/** An event is a few hundred bytes; what never ends a line is no event stream. */
const LINE_MAX = 4 << 20;

/** The data of each event. Lines may end by LF, CR LF or CR, anywhere between the chunks. */
export async function* eventsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const lines = new LineSplitter();
  let data: string[] = [];
  for await (const chunk of chunks) {
    for (const line of lines.take(chunk)) {
      if (line === "") {
        if (data.length > 0) yield data.join("\n");
        data = [];
      } else if (line === "data" || line.startsWith("data:")) {
        data.push(line.slice(5).replace(/^ /, ""));
      } // comments (":" first) and other fields mean nothing here
    }
  }
  // An event without its blank line was cut off, and is dropped.
}

/** The body of a response as an iterable; leaving the loop early cancels the request. */
export async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

class LineSplitter {
  private readonly decoder = new TextDecoder();
  private rest = "";
  private endsWithReturn = false;

  /** The lines that are complete with this chunk. */
  take(chunk: Uint8Array): string[] {
    let text = this.decoder.decode(chunk, { stream: true });
    if (text === "") return [];
    if (this.endsWithReturn && text.startsWith("\n")) text = text.slice(1);
    if (text === "") {
      this.endsWithReturn = false;
      return [];
    }
    this.endsWithReturn = text.endsWith("\r");
    const lines = (this.rest + text).split(/\r\n|\r|\n/);
    this.rest = lines.pop() ?? "";
    if (this.rest.length > LINE_MAX)
      throw new Problem("server", "The server sent something that is no answer.");
    return lines;
  }
}
