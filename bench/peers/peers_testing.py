"""For peers_test.py: programs that answer as Cairn, llama-bench, node and npm do, without their work or a network."""
import json
import os
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import machine
import peers

# As `llama-bench -o json` prints it, by the example in llama.cpp's own documentation (tools/llama-bench/README.md).
BENCH_ROW = {
    "build_commit": "8cf427ff", "build_number": 5163, "cpu_info": "AMD Ryzen 7 7800X3D 8-Core Processor",
    "gpu_info": "", "backends": "CPU", "model_filename": "models/Qwen2.5-7B-Instruct-Q4_K_M.gguf",
    "model_type": "qwen2 7B Q4_K - Medium", "model_size": 4677120000, "model_n_params": 7615616512, "n_batch": 2048,
    "n_ubatch": 512, "n_threads": 8, "cpu_mask": "0x0", "cpu_strict": False, "poll": 50, "type_k": "f16",
    "type_v": "f16", "n_gpu_layers": 99, "split_mode": "layer", "main_gpu": 0, "no_kv_offload": False,
    "flash_attn": False, "tensor_split": "0.00", "use_mmap": True, "embeddings": False, "n_prompt": 512, "n_gen": 0,
    "n_depth": 0, "test_time": "2025-04-24T11:58:50Z", "avg_ns": 72135640, "stddev_ns": 1453752,
    "avg_ts": 7100.002165, "stddev_ts": 140.341520,
    "samples_ns": [74601900, 71632900, 71745200, 72951700, 70745500],
    "samples_ts": [6863.1, 7147.55, 7136.37, 7115.79, 7237.21]}

# One row for each prompt, reply and depth that it is asked for: 1 ms a token, and 1 ms more for 512 of depth.
FAKE_LLAMA_BENCH = """
import json, sys
words = dict(zip(sys.argv[1::1], sys.argv[2::1]))
depths = [int(d) for d in words.get("-d", "0").split(",")]
rows = []
for depth in depths:
    for prompt, tokens in ((int(words["-p"]), 0), (0, int(words["-n"]))):
        if prompt + tokens:
            ns = (prompt + tokens) * (1 + depth // 512) * 1000000
            rows.append({**ROW, "n_prompt": prompt, "n_gen": tokens, "n_depth": depth, "samples_ns": [ns, 9 * ns, ns]})
print("load_backend: loaded CPU backend from /opt/x/libggml-cpu-haswell.so", file=sys.stderr)
print(json.dumps(rows))
"""

FAKE_BATCHED_BENCH = """
print("main: n_kv_max = 4096, n_batch = 2048")
print("|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |")
print("|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|")
print("|  2048 |     40 |   32 |   3328 |    0.570 |  1304.68 |    8.455 |   242.23 |   10.024 |   408.60 |")
"""

# Twice as fast as the peer above: 0.5 ms a token, whatever the depth.
FAKE_CAIRN = """
import json, sys
words = sys.argv[1:]
if words == ["--version"]:
    print("cairn 0.1.0")
elif words[0] == "generate":
    print(json.dumps({"settings": {"isa": "avx2", "threads": 2, "family": "llama"}}))
elif words[1] == "speed":
    print(json.dumps({"isa": "avx2", "threads": 2, "read_bytes_per_s": 20e9, "decode_share": 0.9, "decode_ms": 0.5,
                      "prefill_tokens": 512, "prefill_ms": 256.0}))
elif words[1] == "depth":
    context = int(words[words.index("-c") + 1])
    rows = [{"depth": d, "token_ms": 0.5, "prefill_ms": 256.0} for d in (0, 512, 2048, 8192) if d + 576 <= context]
    print(json.dumps({"depths": rows}))
elif words[1] == "shared":
    print(json.dumps({"prefix_tokens": 2048, "sequences": 32, "all_step_ms": 100.0}))
"""


class Folder(unittest.TestCase):
    """Tests in an empty folder, with nothing else on the PATH and a model that has a model's first bytes."""

    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = Path(made.name)
        self.model = self.write("model.gguf", "GGUF rest")
        self.path = self.folder / "path"
        self.path.mkdir()
        old = os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", old)
        os.environ["PATH"] = str(self.path)
        self.others_take(0.0)

    def others_take(self, share):
        """Whatever else this machine does meanwhile."""
        patch = unittest.mock.patch.object(machine.Elsewhere, "share", return_value=share)
        patch.start()
        self.addCleanup(patch.stop)

    def write(self, name, text):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def program(self, name, text):
        """A program of this Python text."""
        file = self.write(name, f"#!{sys.executable}\nROW = {BENCH_ROW!r}\n{text}")
        file.chmod(0o755)
        return file

    def fakes(self):
        """The options for Cairn and a built llama.cpp that are fakes."""
        self.program("llama/build/bin/llama-bench", FAKE_LLAMA_BENCH)
        self.program("llama/build/bin/llama-batched-bench", FAKE_BATCHED_BENCH)
        return ["-m", self.model, "--cairn", self.program("cairn", FAKE_CAIRN), "--peer", self.folder / "llama"]

    def work(self, phases=("decode", "prefill"), depths=(512,), isa=None, flash="auto"):
        return peers.Work(str(self.model), 2, isa, flash, list(phases), list(depths))


def job_of(folder, **more):
    """What npm_driver.mjs takes, of an addon that is the JavaScript below."""
    addon = folder / "addon.cjs"
    addon.write_text(FAKE_ADDON)
    return json.dumps({"addon": str(addon), "backends": str(folder), "model": "m.gguf", "threads": 2,
                       "flash_attention": "auto", **more})


# The addon's interface as far as the driver uses it: a batch of one token takes 2 ms by llama.cpp's count, any
# other 0.25 ms a token. It refuses rows that do not continue their sequence.
FAKE_ADDON = r"""
let log = () => {};
const lengths = new Map();
exports.setLogger = (call) => (log = (text, level = 4) => setImmediate(() => call(level, text)));
exports.setLoggerLogLevel = () => {};
exports.loadBackends = (path) => path && log(`load_backend: loaded CPU backend from ${path}/libggml-cpu-haswell.so\n`);
exports.init = async () => {};
exports.systemInfo = () => "CPU : AVX = 1 | AVX2 = 1 | AVX512 = 0 | ";
exports.AddonModel = class {
  constructor(path) { this.path = path; }
  async init() {
    if (this.path === "m.gguf") return true;
    log("llama_model_load: error loading model: unknown model architecture: 'new'\n", 2);
    log("llama_model_load_from_file_impl: failed to load model\n", 2);
    return false;
  }
  getModelDescription() { return "llama 1B Q8_0"; }
};
exports.AddonContext = class {
  constructor(model, options) {
    if (options.kvCacheKeyType !== 1 || options.kvCacheValueType !== 1) throw new Error("not f16");
    this.options = options;
    this.one = this.many = 0;
  }
  async init() { log("resolve_fused_ops: Flash Attention enabled\n"); return true; }
  getThreads() { return this.options.threads; }
  initBatch(size) { this.size = size; this.rows = 0; }
  addToBatch(sequence, at, tokens) {
    if ((lengths.get(sequence) ?? 0) !== at) throw new Error(`sequence ${sequence} does not go on at ${at}`);
    lengths.set(sequence, at + tokens.length);
    if (at + tokens.length > this.options.contextSize / this.options.sequences) throw new Error("no room");
    this.rows += tokens.length;
  }
  async decodeBatch() {
    if (this.rows !== this.size) throw new Error("a batch of another size");
    if (this.rows === 1) this.one += 2; else this.many += this.rows / 4;
  }
  removeTokenCellsFromSequence(sequence, from) { lengths.set(sequence, from); }
  async copySequenceStateFromOtherSequence(target, source) { lengths.set(target, lengths.get(source)); }
  printTimings() {
    log(`llama_perf_context_print:        load time =      99.00 ms\n`);
    log(`llama_perf_context_print: prompt eval time =    ${this.many.toFixed(2)} ms /  2048 tokens\n`);
    log(`llama_perf_context_print:        eval time =      ${this.one.toFixed(2)} ms /    64 runs\n`);
    log(`llama_perf_context_print:       total time =    1319.93 ms /  2112 tokens\n`);
    this.one = this.many = 0;
  }
};
"""
