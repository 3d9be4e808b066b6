// `cairn serve` itself, started by a test: the program that CAIRN_PROGRAM names, on a free port, with the demo model.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";

const program = process.env["CAIRN_PROGRAM"];

/** Why there is no server, for a test's `skip`; false where there is one. */
export const noProgram: string | false =
  program === undefined || !existsSync(program) ? "CAIRN_PROGRAM names no program" : false;

/** A template by which even the demo model calls tools, if it must. */
export const TOOLS_TEMPLATE = fileURLToPath(new URL("tools.jinja", import.meta.url));

const START_MS = 120_000; // a sanitizer's build takes its time
const STOP_MS = 60_000;
const REST_MS = 120_000;

export class RealServer {
  private constructor(
    private readonly process: ChildProcess,
    /** "http://127.0.0.1:1234" */
    readonly url: string,
    /** Everything that it wrote to standard error. */
    readonly log: string[],
  ) {}

  static async start(...options: string[]): Promise<RealServer> {
    assert.ok(program !== undefined);
    const child = spawn(program, ["serve", "--port", "0", ...options], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const log: string[] = [];
    const lines = createInterface({ input: child.stderr });
    const url = await new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not listening in time:\n${log.join("\n")}`)), START_MS);
      lines.on("line", (line) => {
        log.push(line);
        const found = /listening on (http:\/\/\S+)/.exec(line);
        if (found?.[1] === undefined) return;
        clearTimeout(late);
        resolve(found[1].replace(/\/$/, ""));
      });
      child.on("error", reject);
      child.on("exit", (code) => {
        clearTimeout(late);
        reject(new Error(`ended with ${code} before it listened:\n${log.join("\n")}`));
      });
    });
    return new RealServer(child, url, log);
  }

  openai(apiKey = "none"): OpenAI {
    return new OpenAI({ baseURL: `${this.url}/v1`, apiKey, maxRetries: 0 });
  }

  /** A metric's value, summed over those of its series that have this label (`state="open"`), or over all. */
  async metric(name: string, label = ""): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const values = text
      .split("\n")
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .filter((line) => line.includes(label));
    assert.ok(values.length > 0, `no metric ${name} ${label}`);
    return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  cancelled(): Promise<number> {
    return this.metric("cairn_requests_total", 'outcome="cancelled"');
  }

  /**
   * What `leave` begins and gives up is over at once: nothing runs or waits, no block is held, the requests count as
   * cancelled, and fewer tokens were made than were asked for.
   */
  async givesUp(requests: number, tokens: number, leave: () => Promise<void>): Promise<void> {
    const cancelled = await this.cancelled();
    const generated = await this.metric("cairn_generated_tokens_total");
    await leave();
    await this.becomes("idle", async () => (await this.requestsInside()) === 0);
    const wanted = cancelled + requests;
    await this.becomes(`${wanted} cancelled`, async () => (await this.cancelled()) >= wanted);
    assert.equal(await this.cancelled(), wanted);
    assert.equal(await this.metric("cairn_kv_blocks", 'state="open"'), 0);
    assert.equal(await this.metric("cairn_kv_blocks", 'state="held"'), 0);
    const more = (await this.metric("cairn_generated_tokens_total")) - generated;
    // The demo model writes a thousand tokens a second, and a browser on a busy machine is slower than that.
    assert.ok(more < tokens, `all ${tokens} tokens were made for nobody`);
  }

  private async requestsInside(): Promise<number> {
    return (await this.metric("cairn_running_requests")) + (await this.metric("cairn_waiting_requests"));
  }

  async becomes(what: string, holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + REST_MS;
    while (!(await holds())) {
      assert.ok(Date.now() < end, `never ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** SIGTERM, which must end it cleanly. */
  async stop(): Promise<void> {
    const ended = new Promise<number | null>((resolve) => this.process.once("exit", resolve));
    const late = setTimeout(() => this.process.kill("SIGKILL"), STOP_MS);
    this.process.kill("SIGTERM");
    const code = await ended;
    clearTimeout(late);
    assert.equal(code, 0, this.log.slice(-20).join("\n"));
  }
}

export interface KeysFile {
  readonly path: string;
  readonly remove: () => void;
}

/** A keys file of lines like "alice secret weight=2": it holds the key's hash alone. */
export function keysFile(...lines: string[]): KeysFile {
  const folder = mkdtempSync(join(tmpdir(), "cairn-keys-"));
  const path = join(folder, "keys");
  const written = lines.map((line) => {
    const [name, key, ...rest] = line.split(" ");
    const hash = createHash("sha256")
      .update(key ?? "")
      .digest("hex");
    return [name, `sha256:${hash}`, ...rest].join(" ");
  });
  writeFileSync(path, `${written.join("\n")}\n`, { mode: 0o600 });
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}

/** A prompt of some hundred tokens, so that whole blocks of it are kept. */
export function longPrompt(subject: string): string {
  const lines = Array.from(
    { length: 20 },
    (_, at) => `The ${subject} number ${at} lived in a small house by the old mill.`,
  );
  return `${lines.join(" ")} Tell me a story about the ${subject}.`;
}
