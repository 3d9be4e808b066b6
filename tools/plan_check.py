#!/usr/bin/env python3
"""What `cairn plan` predicts against what the process took, for six models and five KV plans.

  tools/plan_check.py [PROGRAM]     default: build/cairn

Each model is made (random weights of a real shape), its context is filled behind a prompt of a prefill chunk, and the
peak that the system reports (VmHWM) is held against the plan's total: within 2 % or 16 MiB, whichever is more. The
bytes of the KV pool must be equal. Needs 3 GiB of disk and of memory, and some minutes. Exit code 1 where one is not.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

MODELS = (("tinyllama-1.1b", "q8_0"), ("qwen3-0.6b", "q4_k"), ("gemma-2b-like", "q4_0"), ("gpt2-124m", "f16"),
          ("smollm2-135m", "bf16"), ("llama-110m", "f32"))
PLANS = ("f16", "int8", "k=int8,v=int4", "layers 0-3: f32; rest: int4", "sinks=4,window=252")
CONTEXT = 1024
CHUNK = 512
PROMPT = 900
MIB = 1 << 20


def prompt_of(count):
    """So many token ids, as --prompt-tokens takes them."""
    return ",".join(str(3 + 11 * i % 400) for i in range(count))


def is_near(planned_bytes, peak_bytes):
    return abs(planned_bytes - peak_bytes) < max(0.02 * planned_bytes, 16 * MIB)


def facts(program, *arguments):
    done = subprocess.run([program, *map(str, arguments), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def check(program, path, name, kv):
    """Prints a row; whether plan and process agree."""
    size = ("-m", path, "-c", CONTEXT, "--prefill-chunk", CHUNK, "--kv", kv, "-t", 2)
    plan = facts(program, "plan", *size)
    run = facts(program, "generate", *size, "--prompt-tokens", prompt_of(PROMPT), "-n", CONTEXT - PROMPT, "--temp", 0,
                "--ignore-eos")
    planned, peak = plan["total_bytes"], run["peak_rss_bytes"]
    kv_bytes = plan["kv_bytes"] + plan["resume_bytes"]
    same_pool = kv_bytes == run["kv_pool_bytes"]
    near = is_near(planned, peak)
    print(f"{name:24} {kv:28} {kv_bytes:>12,} {'equal' if same_pool else run['kv_pool_bytes']:>8} "
          f"{planned / MIB:9.1f} {peak / MIB:9.1f} {(peak - planned) / MIB:+7.1f} {'' if near else 'TOO FAR'}", flush=True)
    return same_pool and near


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "build/cairn"
    if program.startswith("-"):
        sys.exit(__doc__.strip())
    print(f"{'model':24} {'kv':28} {'KV bytes':>12} {'in pool':>8} {'plan MiB':>9} {'VmHWM MiB':>9} {'gap':>7}")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for shape, kind in MODELS:
            path = pathlib.Path(folder) / "model.gguf"
            subprocess.run([program, "model", "synth", "--shape", shape, "--type", kind, path], check=True,
                           capture_output=True)
            for kv in PLANS:
                good = check(program, path, f"{shape} {kind}", kv) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
