"""Trains the demo model; the same command starts, resumes and extends a run.

The learning rate depends on tokens seen alone: warm-up, a flat part, and a short decay to zero at the end of
--tokens. A file `decay` in the work folder, holding a number of tokens, ends the run that many tokens later.
A file `layers` holding a number makes that many blocks run; `shape` holding "rows length", such as "4 1024", changes the micro batch until the run is started anew.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from batch import Batcher
from bpe import BOS
from corpus import WORK
from export_gguf import load_model
from model import Config, Model
from optim import Optimizer
from prime import prime
from recall import ASK_WEIGHT

# Without these glibc returns each large buffer to the system, and every step pays for its pages again.
_MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
           "MALLOC_TOP_PAD_": str(256 << 20), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "ATEN_CPU_CAPABILITY": "avx512"}


@dataclass
class Progress:
    tokens: int = 0
    micro_steps: int = 0
    seconds: float = 0.0
    end: int = 0  # tokens at which the learning rate reaches zero
    decay: int = 0  # length of the decay before that
    layers: int = 0  # blocks that run


def pick_ops(device: str):
    """The fused operations where there is AMX and a compiler, plain PyTorch elsewhere."""
    import ops_plain
    if device != "cpu":
        return ops_plain
    try:
        import ops_fused
        return ops_fused
    except (OSError, subprocess.CalledProcessError) as why:
        print("plain operations:", why)
        return ops_plain


def valid_batch(work: Path, t: int, rows: int) -> tuple[torch.Tensor, ...]:
    ids = np.fromfile(work / "valid.u16", dtype=np.uint16).astype(np.int32)[1:rows * t + 1].reshape(rows, t)
    ids = torch.tensor(np.concatenate([np.full((rows, 1), BOS), ids], 1), dtype=torch.int32)
    pos = torch.arange(t, dtype=torch.int32).repeat(rows, 1)
    return ids[:, :-1].contiguous(), pos, ids[:, 1:].contiguous(), torch.full((rows, t), 1 / (rows * t))


def rate(p: Progress, warmup: int) -> float:
    """Learning rate as a part of its peak."""
    return max(0.0, min(1.0, (p.tokens + 1) / warmup, (p.end - p.tokens) / p.decay))


def save(path: Path, model: Model, optimizer: Optimizer, p: Progress) -> None:
    part = path.with_suffix(".part")
    torch.save({"config": asdict(model.config), "model": model.state_dict(), "optimizer": optimizer.state(),
                "progress": asdict(p)}, part)
    os.replace(part, path)


def train_step(model, optimizer, batcher, p: Progress, a, shape: tuple[int, int], device: str) -> tuple[float, float]:
    """One update of --batch tokens; returns mean loss over all tokens and over asked values."""
    rows, t = shape
    micros = max(1, a.batch // (rows * t))
    widen = min(1.0, max(0.0, p.tokens / a.widen - 0.2))
    names, weights = zip(*model.named_parameters())

    def micro(number: int):
        ids, pos, target, weight = (x.to(device) for x in batcher.batch(number, rows, t, widen))
        total, each = model.loss(ids, pos, target, weight / (rows * t * micros))
        asked = each[weight == ASK_WEIGHT]
        return torch.autograd.grad(total, weights, allow_unused=True), float(each.mean()), float(asked.sum()), len(asked)

    grads, losses, asked, asks = None, 0.0, 0.0, 0
    for g, loss, a_sum, a_count in optimizer.each(micro, range(p.micro_steps, p.micro_steps + micros)):
        grads = list(g) if grads is None else [x if x is None else x.add_(y) for x, y in zip(grads, g)]
        losses, asked, asks = losses + loss / micros, asked + a_sum, asks + a_count
    p.micro_steps += micros
    p.tokens += micros * rows * t
    r = rate(p, a.warmup)
    optimizer.step(dict(zip(names, grads)), a.lr_muon * r, a.lr_adam * r)
    return losses, asked / max(1, asks)


def read_controls(work: Path, model: Model, p: Progress, shape: tuple[int, int]) -> tuple[int, int]:
    """Reads the control files of the work folder; returns rows and length of a micro batch."""
    if (ask := work / "layers").exists():
        p.layers = int(ask.read_text())
        ask.unlink()
    model.grow(p.layers)
    if (ask := work / "decay").exists():
        p.decay = int(ask.read_text())
        p.end = p.tokens + p.decay
        ask.rename(work / "decay.taken")
    if (ask := work / "shape").exists():
        rows, t = map(int, ask.read_text().split())
        return rows, t
    return shape


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, default=WORK)
    args.add_argument("--init", type=Path, help="a GGUF file of ours whose weights a new run starts from")
    args.add_argument("--tokens", type=int, default=40_000_000, help="length of the run")
    args.add_argument("--decay", type=int, default=6_000_000, help="its last tokens, with a falling learning rate")
    args.add_argument("--batch", type=int, default=4096, help="tokens of an update")
    args.add_argument("--shape", type=int, nargs=2, default=(8, 256), help="rows and length of a micro batch")
    args.add_argument("--layers", type=int, default=3, help="blocks that run at first")
    args.add_argument("--warmup", type=int, default=150_000)
    args.add_argument("--widen", type=int, default=1_200_000, help="tokens until recall distances are at their widest")
    args.add_argument("--lr-muon", type=float, default=3.5e-3)
    args.add_argument("--lr-adam", type=float, default=2.5e-2)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--save-every", type=float, default=300, help="seconds")
    a = args.parse_args()
    if any(os.environ.get(k) != v for k, v in _MALLOC.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **_MALLOC})
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    (a.work / "pid").write_text(str(os.getpid()))
    batcher = Batcher(a.work, a.seed, Config.context)
    model, path = Model(Config(vocab=len(batcher.tok)), pick_ops(device)), a.work / "last.pt"
    if path.exists():
        pass  # its weights are read below
    elif a.init:
        given, tok = load_model(a.init, model.ops)
        assert tok.tokens == batcher.tok.tokens, "other tokens: make the token files with corpus.py --tokenizer"
        model.load_state_dict(given.state_dict())
    else:
        prime(model)
    model.to(device)
    # On a CPU each thread runs a micro batch of its own, and takes the next when it is done.
    pool = ThreadPoolExecutor(a.threads, initializer=torch.set_num_threads, initargs=(1,))
    each = pool.map if device == "cpu" else map
    optimizer, p = Optimizer(model, each), Progress(end=a.tokens, decay=a.decay, layers=a.layers)
    if path.exists():
        state = torch.load(path, map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load(state["optimizer"])
        p = Progress(**state["progress"])
        ended_early = (a.work / "decay.taken").exists() and p.tokens < p.end  # a decay in progress continues
        if a.tokens > p.end and not ended_early:
            p.end, p.decay = a.tokens, a.decay
    print(f"{sum(w.numel() for w in model.parameters()):,} parameters on {device}, {p}", flush=True)
    checks, shape, saved = [x.to(device) for x in valid_batch(a.work, 256, 64)], tuple(a.shape), time.time()
    while p.tokens < p.end:
        shape, start = read_controls(a.work, model, p, shape), time.time()
        loss, asked = train_step(model, optimizer, batcher, p, a, shape, device)
        p.seconds += time.time() - start
        if optimizer.steps % 10 == 0:
            print(f"step {optimizer.steps} tokens {p.tokens} loss {loss:.3f} asked {asked:.3f} rate {rate(p, a.warmup):.2f} "
                  f"{a.batch / (time.time() - start):.0f} tokens/s", flush=True)
        if time.time() - saved > a.save_every or p.tokens >= p.end:
            with torch.no_grad():
                print(f"  valid {float(model.loss(*checks)[0]):.4f} at {p.tokens} tokens, {p.seconds:.0f} s", flush=True)
            save(path, model, optimizer, p)
            saved = time.time()


if __name__ == "__main__":
    main()
