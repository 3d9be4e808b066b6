import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "../src/api/metrics";
import { cacheSections, inBytes } from "../src/state/cache_figures";
import { metricsText, TIERS } from "./support/metrics_text";

test("samples are read by name and labels", () => {
  const text = [
    '# HELP a Words: {with} "anything" 3',
    "#",
    "",
    "a 1",
    'b{x="1",y="2"} 2.5e+3 1700000000000',
    'b{ x = "1" , y="3", } .5',
    "\tc:d_9  -1\t",
    'e{le="+Inf"} +Inf',
    "f -Inf",
    "g NaN",
    "g2 Nan",
    "h{}7",
    "",
  ].join("\n");
  const metrics = new Metrics(text);
  assert.equal(metrics.sum("a"), 1);
  assert.equal(metrics.sum("b", { y: "2" }), 2500);
  assert.equal(metrics.sum("b", { x: "1", y: "3" }), 0.5);
  assert.equal(metrics.sum("b", { x: "1" }), 2500.5);
  assert.equal(metrics.sum("b", { z: "1" }), undefined);
  assert.equal(metrics.sum("c:d_9"), -1);
  assert.equal(metrics.sum("e", { le: "+Inf" }), Infinity);
  assert.equal(metrics.sum("f"), -Infinity);
  assert.equal(metrics.sum("g"), NaN);
  assert.equal(metrics.sum("g2"), NaN);
  assert.equal(metrics.sum("h"), 7);
  assert.equal(metrics.sum("HELP"), undefined);
  assert.equal(new Metrics("").sum("a"), undefined);
});

test("escapes of a label's value", () => {
  const metrics = new Metrics('a{x="q\\"q",y="b\\\\n",z="l\\nl, {k=\\"v\\"} ü"} 1\n');
  assert.equal(metrics.sum("a", { x: 'q"q', y: "b\\n", z: 'l\nl, {k="v"} ü' }), 1);
});

test("what is not in the format is refused as a whole", () => {
  for (const line of [
    "a",
    "a ",
    "1a 1",
    "a-b 1",
    "a 1 2 3",
    "a 1 x",
    "a 0x10",
    "a 1_0",
    "a 1e",
    "a inf",
    "a --1",
    "a{ 1",
    "a{x} 1",
    "a{x=1} 1",
    'a{x="1} 1',
    "a{x='1'} 1",
    'a{x="\\t"} 1',
    'a{x="\\N"} 1',
    'a{x="1" y="2"} 1',
    'a{,x="1"} 1',
    'a{x="1",,} 1',
    'a{x="1",x="2"} 1',
    'a{1x="1"} 1',
    'a{x="1"} 1 {',
    "a 1\r",
    "<html>",
  ]) {
    assert.throws(() => new Metrics(`b 1\n${line}\n`), /cannot be read/, JSON.stringify(line));
  }
  assert.throws(() => new Metrics("a 1\nb 12"), /cannot be read/); // the number may have been longer
});

test("hostile lines take linear time", () => {
  for (const piece of ['x="1",', "\\\\", '"', "a ", " ", "1"]) {
    for (const end of ["\n", "} 1\n", '"} 1 !\n']) {
      const start = performance.now();
      for (const line of [`a{${piece.repeat(30_000)}${end}`, `a${piece.repeat(30_000)}${end}`]) {
        try {
          new Metrics(line);
        } catch {
          // refused or not: soon
        }
      }
      assert.ok(performance.now() - start < 2000, JSON.stringify(piece + end));
    }
  }
});

/** Sections as short texts: "Title: label=words, …", what is marked as trouble with "!". */
function told(changed: Record<string, number> = {}): string[] {
  return cacheSections(new Metrics(metricsText(changed))).map(({ title, rows }) => {
    const lines = rows.map(
      ({ label, words, isTrouble }) => `${label}=${words}${isTrouble === true ? "!" : ""}`,
    );
    return `${title}: ${lines.join("; ")}`;
  });
}

const PROMPTS = "Prompts: Tokens reused=1,204 of 1,310";
const MEMORY =
  "Memory: Blocks held, in use=12; Blocks open, being filled=2; Blocks idle, to be reused=34; Blocks free=1,000; " +
  "Used=550.0 KiB of 12.0 MiB; Blocks evicted=0";

test("a server without tiers shows memory alone", () => {
  assert.deepEqual(told(), [PROMPTS, MEMORY]);
});

test("tiers are shown where the server has them", () => {
  const loads = "Loads: Whole=7; Cut short=2; Computed instead=3; Blocks lost, too fast to write=5";
  const disk =
    "Disk: Used=1.3 GiB of 50.0 GiB; Blocks written=120; Blocks loaded=30; Blocks lost=0; Bad blocks=1!";
  const remote =
    "Remote store: Blocks written=1,234; Blocks loaded=41; Blocks lost=6!; Bad blocks=0; Failures=9!";
  assert.deepEqual(told(TIERS), [PROMPTS, MEMORY, disk, remote, loads]);
  const [, , newDisk, newLoads, ...rest] = told({ 'cairn_kv_disk_bytes{state="limit"}': 1 << 20 });
  assert.match(newDisk ?? "", /^Disk: Used=0 bytes of 1\.0 MiB; Blocks written=0/);
  assert.match(newLoads ?? "", /^Loads: Whole=0/);
  assert.deepEqual(rest, []);
  assert.match(told({ cairn_kv_remote_failures_total: 1 })[2] ?? "", /^Remote store: .*Failures=1!$/);
});

test("bars have the parts that their lines have, and what is free of a disk", () => {
  const [prompts, memory, disk, ...others] = cacheSections(new Metrics(metricsText(TIERS)));
  assert.deepEqual(memory?.bar, [
    { part: "held", amount: 12 },
    { part: "open", amount: 2 },
    { part: "idle", amount: 34 },
    { part: "free", amount: 1000 },
  ]);
  assert.deepEqual(disk?.bar, [
    { part: "idle", amount: 1.25 * 2 ** 30 },
    { part: "free", amount: 48.75 * 2 ** 30 },
  ]);
  assert.ok([prompts, ...others].every((section) => section?.bar.length === 0));
});

test("what is counted for each tenant is summed", () => {
  const [prompts] = cacheSections(
    new Metrics(
      `${metricsText()}cairn_reused_tokens_total{tenant="a"} 1\ncairn_prompt_tokens_total{tenant="b"} 2\n`,
    ),
  );
  assert.equal(prompts?.rows.at(-1)?.words, "1,205 of 1,312");
});

test("metrics of something else are no cache", () => {
  assert.throws(() => cacheSections(new Metrics("go_goroutines 7\n")), /says nothing of its cache/);
});

test("bytes in words", () => {
  const cases: [number, string][] = [
    [0, "0 bytes"],
    [1, "1 byte"],
    [1023, "1,023 bytes"],
    [1024, "1.0 KiB"],
    [1024 ** 2 - 1, "1.0 MiB"],
    [5497558138880, "5.0 TiB"],
    [2 ** 60, "1,048,576.0 TiB"],
  ];
  for (const [bytes, words] of cases) assert.equal(inBytes(bytes), words);
});
