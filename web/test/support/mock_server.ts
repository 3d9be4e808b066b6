// A small server with OpenAI's shape that a test scripts: it serves the built page with the headers of `cairn serve`,
// writes down what it is asked, and answers as told.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { readdirSync, readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { metricsText } from "./metrics_text";

const DIST = new URL("../../dist/", import.meta.url);

/** As src/server/page.cc sends it. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
};

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown>;
}

/** Writes one answer; `gone` is aborted when the client leaves. */
export type Answering = (reply: Stream, asked: Asked, gone: AbortSignal) => Promise<void> | void;

export class Stream {
  constructor(readonly response: ServerResponse) {}

  begin(): void {
    this.response.writeHead(200, { "content-type": "text/event-stream" });
  }

  delta(delta: object, finish: string | null = null): void {
    this.event({
      id: "c",
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
  }

  usage(prompt: number, completion: number, cached: number): void {
    const usage = {
      prompt_tokens: prompt,
      completion_tokens: completion,
      prompt_tokens_details: { cached_tokens: cached },
    };
    this.event({ id: "c", object: "chat.completion.chunk", choices: [], usage });
  }

  event(data: object): void {
    this.response.write(`data: ${JSON.stringify(data)}\n\n`);
  }

  end(): void {
    this.response.end("data: [DONE]\n\n");
  }

  /** A whole answer, word by word. */
  say(text: string): void {
    this.begin();
    this.delta({ role: "assistant", content: "" });
    for (const word of text.split(/(?<= )/)) this.delta({ content: word });
    this.delta({}, "stop");
    this.usage(20, text.split(" ").length, 16);
    this.end();
  }

  text(text: string): void {
    this.response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
    this.response.end(text);
  }

  refuse(status: number, message: string, headers: Record<string, string> = {}): void {
    this.response.writeHead(status, { "content-type": "application/json", ...headers });
    this.response.end(JSON.stringify({ error: { message, type: "error", param: null, code: null } }));
  }
}

export class MockServer {
  /** Chat requests, in the order they came. */
  readonly asked: Asked[] = [];
  readonly paths: string[] = [];
  models = ["demo"];
  key: string | undefined;
  answer: Answering = (reply) => reply.say("Hello there.");
  /** Answers GET /metrics. */
  count: (reply: Stream) => void = (reply) => reply.text(metricsText());

  private constructor(private readonly server: Server) {}

  static async start(): Promise<MockServer> {
    const server = createServer();
    const mock = new MockServer(server);
    server.on("request", (request, response) => void mock.handle(request, response));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return mock;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "/", this.url).pathname;
    this.paths.push(path);
    if (path !== "/metrics" && !path.startsWith("/v1/")) return servePage(path, response);
    const reply = new Stream(response);
    const { authorization } = request.headers;
    if (this.key !== undefined && authorization !== `Bearer ${this.key}`) {
      return reply.refuse(
        401,
        authorization === undefined ? "no API key was sent" : "this API key is not known",
      );
    }
    if (path === "/metrics") return this.count(reply);
    if (path === "/v1/models") {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(
        JSON.stringify({ object: "list", data: this.models.map((id) => ({ id, object: "model" })) }),
      );
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
    const asked = { method: request.method ?? "", path, authorization, body };
    this.asked.push(asked);
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    await this.answer(reply, asked, gone.signal);
  }
}

function servePage(path: string, response: ServerResponse): void {
  const name = path === "/" ? "index.html" : path.slice(1);
  if (!readdirSync(DIST).includes(`${name}.gz`)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    "content-type": TYPES[name.split(".").at(-1) ?? ""] ?? "application/octet-stream",
    "content-encoding": "gzip",
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
  });
  response.end(readFileSync(new URL(`${name}.gz`, DIST)));
}
