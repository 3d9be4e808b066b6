// Drives the llama.cpp that node-llama-cpp ships as a built Node addon, and measures it: node npm_driver.mjs JOB
//
// JOB is JSON of npm_peer.py: {addon, backends, model, threads, flash_attention, task}, and the task's shape.
// Standard output: one JSON object a line, {"event": "first_token" | "done" | "failed", ...}.
//
// It calls the addon itself, not the package's JavaScript above it: batches go into llama_decode as llama-bench's do,
// nothing samples, and no chat, grammar or context logic runs in between. The times are llama.cpp's own
// (llama_perf_context: graph and evaluation), so what Node takes from one call to the next is not in them.
import { createRequire } from "node:module";

const bornMs = performance.now(); // since the process began: what Node itself took to get here
const job = JSON.parse(process.argv[2]);
const CHUNK = 512; // prompt tokens in a batch, of both programs
const F16 = 1; // ggml's number of the type

const say = (event, facts = {}) => process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1]; // of an odd number
const tick = () => new Promise((done) => setTimeout(done, 1));

// Ids that every vocabulary has; they vary, as a text's do.
const varied = (count, first = 0) =>
  Uint32Array.from({ length: count }, (_, i) => 3 + (((first + i) * 7919) % 250));

let log = ""; // all that llama.cpp has said
let complaints = ""; // what of it was an error
const ERROR = 2; // levels of the addon's log
const INFO = 4;
let addon;

async function loadAddon() {
  addon = createRequire(import.meta.url)(job.addon);
  addon.setLogger((level, text) => {
    log += text;
    if (level === ERROR) complaints += text;
  });
  addon.setLoggerLogLevel(INFO); // what it tells about itself and its times
  addon.loadBackends(); // what is linked in; then the best of the folder's CPU builds that this processor can run
  addon.loadBackends(job.backends);
  await addon.init();
}

async function loadModel() {
  const model = new addon.AddonModel(job.model, { gpuLayers: 0, useMmap: true });
  if (!(await model.init())) throw new Error("llama.cpp could not load the model");
  return model;
}

// Keys and values in f16.
async function makeContext(model, positions, { sequences = 1, batch = CHUNK } = {}) {
  const context = new addon.AddonContext(model, {
    contextSize: positions * sequences,
    batchSize: batch,
    sequences,
    threads: job.threads,
    flashAttention: { auto: "auto", on: true, off: false }[job.flash_attention],
    kvCacheKeyType: F16,
    kvCacheValueType: F16,
    performanceTracking: true,
  });
  if (!(await context.init())) {
    throw new Error(
      `llama.cpp could not make a context of ${sequences} x ${positions} positions: is there memory?`,
    );
  }
  return context;
}

// One llama_decode of these rows: [sequence, first position, tokens]. Logits of the last token of each.
async function decode(context, rows) {
  context.initBatch(rows.reduce((sum, [, , tokens]) => sum + tokens.length, 0));
  for (const [sequence, at, tokens] of rows) {
    context.addToBatch(sequence, at, tokens, Uint32Array.of(tokens.length - 1));
  }
  await context.decodeBatch();
}

// Milliseconds that llama.cpp counted since the last call, of batches of one token and of larger ones.
async function timings(context) {
  const from = log.length;
  context.printTimings(); // and sets them to zero
  for (let waited = 0; !/total time =/.test(log.slice(from)); ++waited) {
    if (waited === 5000) throw new Error("this build of llama.cpp does not print its times as its peers do");
    await tick(); // the log comes through Node's queue
  }
  const after = (name) => {
    const found = log.slice(from).match(new RegExp(`: +${name} time = +([0-9.]+) ms`));
    if (found === null) throw new Error(`this build of llama.cpp prints no ${name} time`);
    return Number(found[1]);
  };
  return { one: after("eval"), many: after("prompt eval") };
}

async function fill(context, sequence, from, to) {
  for (let at = from; at < to; at += CHUNK) {
    await decode(context, [[sequence, at, varied(Math.min(CHUNK, to - at), at)]]);
  }
}

// Milliseconds of a token, over `count` tokens one after the other behind `depth` positions.
async function tokenMs(context, depth, count) {
  await timings(context);
  for (let i = 0; i < count; ++i) await decode(context, [[0, depth + i, varied(1, depth + i)]]);
  const { one } = await timings(context);
  context.removeTokenCellsFromSequence(0, depth, -1);
  return one / count;
}

async function promptMs(context, depth, count) {
  await timings(context);
  await fill(context, 0, depth, depth + count);
  const { many } = await timings(context);
  context.removeTokenCellsFromSequence(0, depth, -1);
  return many;
}

const tasks = {
  // What this llama.cpp is, and that it takes the model.
  async facts() {
    const model = await loadModel();
    const context = await makeContext(model, CHUNK);
    await timings(context); // the log has come as far as this
    return {
      system_info: addon.systemInfo().trim(),
      library: log.match(/loaded CPU backend from \S*?([^\s/\\]+)\s/)?.[1] ?? null,
      flash_attention: log.match(/Flash Attention (\w+)/)?.[1] ?? null,
      model: model.getModelDescription(),
      threads: context.getThreads(),
    };
  },

  // As cairn bench speed: rounds of some tokens behind an empty context and a prompt; the first warms up.
  async speed({ rounds, tokens, prompt }) {
    const context = await makeContext(await loadModel(), CHUNK * 2);
    const decodes = [];
    const prefills = [];
    for (let round = 0; round <= rounds; ++round) {
      if (tokens > 0) decodes.push(await tokenMs(context, 0, tokens));
      if (prompt > 0) prefills.push(await promptMs(context, 0, prompt));
    }
    return {
      decode_ms: tokens > 0 ? median(decodes.slice(1)) : null,
      prefill_ms: prompt > 0 ? median(prefills.slice(1)) : null,
    };
  },

  // As cairn bench depth: at each depth rounds of some tokens, and prompts behind it.
  async depth({ depths, rounds, tokens, prompt, prompt_rounds }) {
    const context = await makeContext(await loadModel(), depths.at(-1) + 2 * CHUNK);
    const list = [];
    let filled = 0;
    for (const depth of depths) {
      await fill(context, 0, filled, depth);
      filled = depth;
      await tokenMs(context, depth, 1); // the first builds the graph
      const decodes = [];
      const prefills = [];
      for (let round = 0; round < rounds; ++round) decodes.push(await tokenMs(context, depth, tokens));
      for (let round = 0; round < prompt_rounds; ++round)
        prefills.push(await promptMs(context, depth, prompt));
      list.push({ depth, decode_ms: median(decodes), prefill_ms: median(prefills) });
    }
    return { depths: list };
  },

  // As cairn bench shared: every sequence has the prefix and a tail of its own, then all decode a token a step.
  // The addon gives each sequence a cache of its own, so the prefix is computed once and copied into the others.
  async many({ prefix, sequences, tail, rounds, tokens }) {
    const positions = prefix + tail + (rounds + 1) * tokens;
    const whole = Math.ceil(positions / 256) * 256; // llama.cpp's own unit
    const context = await makeContext(await loadModel(), whole, { sequences });
    await fill(context, 0, 0, prefix);
    for (let i = 1; i < sequences; ++i) await context.copySequenceStateFromOtherSequence(i, 0);
    for (let i = 0; i < sequences; ++i) await decode(context, [[i, prefix, varied(tail, 1000 * i)]]);
    const steps = [];
    let at = prefix + tail;
    for (let step = 0; step < (rounds + 1) * tokens; ++step, ++at) {
      await timings(context);
      await decode(
        context,
        Array.from({ length: sequences }, (_, i) => [i, at, varied(1, 77 * i + at)]),
      );
      if (step >= tokens) steps.push((await timings(context)).many);
    }
    steps.sort((a, b) => a - b);
    return { step_ms: steps[steps.length >> 1] };
  },

  // From nothing to the first token.
  async start({ prompt }) {
    const context = await makeContext(await loadModel(), CHUNK);
    await decode(context, [[0, 0, varied(prompt)]]);
    say("first_token", { node_ms: bornMs });
    return {};
  },
};

try {
  await loadAddon();
  say("done", await tasks[job.task](job));
} catch (error) {
  await tick(); // what llama.cpp said of it is on its way
  say("failed", { message: error.message, reason: complaints.trim().split("\n")[0] || null });
}
process.stdout.write("", () => process.exit(0)); // without taking the model apart
