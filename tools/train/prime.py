"""Starts the two kinds of heads that recall needs, in blocks that are still the identity.

Left alone, such heads form after far more tokens than a CPU gives. So two new blocks get a first guess, computed from
the model's own statistics; training goes on from there. The first: heads that look one token back, and write a code of
that token where the residual stream is quiet. The second: heads that look for positions whose previous token is the
present one, and raise the likelihood of the token found there.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from batch import Batcher
from corpus import WORK
from model import Config, Model
from train import pick_ops

CODE = 36  # values of a token's code in one head: the slower RoPE pairs, which far positions leave comparable
HEADS = (0, 3)  # one for each KV head
BACK, MATCH = 0, 2  # blocks, in the order below
ORDER = [1, 0, 3, 2, 4, 5]  # blocks 1, 3 and 5 have not run yet: looking back is done best on the bare embedding


class Probe:
    """Stands in for the operations, and keeps what blocks are given."""

    def __init__(self, ops, model: Model):
        self.ops, self.seen, self.stream = ops, {}, None
        self.names = {id(w): n for n, w in model.mats.items()}

    def __getattr__(self, name):
        return getattr(self.ops, name)

    def linear(self, x: Tensor, w: Tensor) -> Tensor:
        self.seen[self.names.get(id(w))] = x.float()
        return self.ops.linear(x, w)

    def add_norm(self, h, delta, w):
        self.stream, y = self.ops.add_norm(h, delta, w)
        return self.stream, y


def fit(x: Tensor, y: Tensor, what: str) -> Tensor:
    """Ridge regression: rows [outputs, inputs] such that x @ rows.T is near y."""
    a = x.T @ x + 1e-5 * len(x) * x.square().mean() * torch.eye(x.shape[1])
    w = torch.linalg.solve(a, x.T @ y)
    print(f"{what}: explains {1 - float((x @ w - y).square().mean() / (y - y.mean(0)).square().mean().clamp_min(1e-9)):.2f}, "
          f"error {float((x @ w - y).square().mean().sqrt()):.3f}")
    return w.T


def reorder(model: Model, optimizer: dict) -> None:
    """Puts the blocks in ORDER, with their momentum."""
    rows = [2 * i + j for i in ORDER for j in (0, 1)] + [2 * len(ORDER)]
    for norms in (model.norms, *optimizer["adam"]["norms"]):
        norms.copy_(norms[rows].clone())
    for some in (dict(model.mats.items()), optimizer["momentum"]):
        old = {n: w.clone() for n, w in some.items()}
        for n, w in some.items():
            block, name = n.split("_", 1)
            w.copy_(old[f"{ORDER[int(block)]}_{name}"])


def prime(model: Model, ops, ids: Tensor, pos: Tensor) -> None:
    c = model.config
    hd, kv = c.head_dim, c.kv_heads * c.head_dim
    model.grow(c.layers)
    probe = Probe(ops, model)

    def look(block: int) -> Tensor:
        model.ops = probe
        model.hidden(ids, pos)
        model.ops = ops
        return probe.seen[f"{block}_qkv"]

    flat = ids.flatten().long()
    centred = model.emb - model.emb[flat].mean(0)
    spread, basis = torch.linalg.eigh(centred[flat].T @ centred[flat] / len(flat))
    white = basis[:, -192:] / spread[-192:].sqrt()  # the directions that tell tokens apart
    codes = centred @ white @ torch.randn(192, 2 * CODE)
    codes = torch.cat([torch.nn.functional.normalize(z, dim=1) for z in codes.split(CODE, 1)], 1)

    x = look(BACK)
    quiet = torch.linalg.eigh((s := probe.stream - probe.stream.mean(0)).T @ s)[1][:, :2 * CODE]
    loud = float(probe.stream.square().mean().sqrt())
    one = fit(x, torch.ones(len(x), 1), "constant")[0]
    code = fit(x, codes[flat], "own code, first")
    qkv, out = model.mats[f"{BACK}_qkv"], model.mats[f"{BACK}_out"]
    turn = model.freqs.float()
    sharp = (6.0 * hd ** 0.5 / float((1 - turn.cos()).sum())) ** 0.5  # six nats above the neighbours
    ask = torch.stack([turn.cos(), -turn.sin()], 1).flatten() * sharp
    key = torch.stack([torch.ones_like(turn), torch.zeros_like(turn)], 1).flatten() * sharp
    qkv[:c.dim + kv].mul_(0.1)
    for j, head in enumerate(HEADS):
        qkv[head * hd:(head + 1) * hd] = ask[:, None] * one
        qkv[c.dim + j * hd:c.dim + (j + 1) * hd] = key[:, None] * one
        qkv[c.dim + kv + j * hd:][:CODE] = code[j * CODE:(j + 1) * CODE]
        out[:, head * hd:head * hd + CODE] = 3.0 * loud * quiet[:, j * CODE:(j + 1) * CODE]

    x = look(MATCH)
    before = codes[flat].view(*ids.shape, -1).roll(1, 1).flatten(0, 1)
    inner = pos.flatten() > 0
    own, past = fit(x, codes[flat], "own code, second"), fit(x[inner], before[inner], "previous code")
    basis = basis[:, -2 * hd:]
    token = fit(x, centred[flat] @ basis, "token")
    qkv, out = model.mats[f"{MATCH}_qkv"], model.mats[f"{MATCH}_out"]
    strength = (14.0 * hd ** 0.5) ** 0.5
    lift = 5.0 * float(probe.stream.square().mean().sqrt()) / float((centred[flat] @ basis).square().sum(1).mean())
    lift /= float(model.norms[-1].mean()) * len(HEADS) ** 0.5
    qkv[:c.dim + kv].mul_(0.1)
    for j, head in enumerate(HEADS):
        qkv[(head + 1) * hd - CODE:(head + 1) * hd] = strength * own[j * CODE:(j + 1) * CODE]
        end = c.dim + (j + 1) * hd
        qkv[end - CODE:end] = strength * past[j * CODE:(j + 1) * CODE]
        qkv[c.dim + kv + j * hd:c.dim + kv + (j + 1) * hd] = token[j * hd:(j + 1) * hd]
        out[:, head * hd:(head + 1) * hd] = lift * basis[:, j * hd:(j + 1) * hd]


@torch.no_grad()
def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--work", type=Path, default=WORK)
    args.add_argument("--out", type=Path, help="default: the checkpoint itself")
    a = args.parse_args()
    torch.manual_seed(3)
    torch.set_num_threads(1)
    ops = pick_ops("cpu")
    state = torch.load(a.work / "last.pt")
    model = Model(Config(**state["config"]), ops)
    model.load_state_dict(state["model"])
    batcher = Batcher(a.work, 99, Config.context)
    batcher.drill_share = 0.0
    ids, pos, _, _ = batcher.batch(0, 64, 256, 0.0)
    model.requires_grad_(False)
    reorder(model, state["optimizer"])
    tests = {"stories": (ids, pos), "drill": None}
    batcher.drill_share = 1.0
    tests["drill"] = batcher.batch(1, 16, 256, 0.0)

    def report(when: str) -> None:
        _, p, target, w = tests["drill"]
        each = model.loss(*tests["drill"])[1]
        late = float(each[:, 128:].median())
        whole = float(model.loss(ids[:, :-128].contiguous(), pos[:, :-128].contiguous(), ids[:, 1:-127].contiguous(),
                                 torch.full((64, 128), 1 / 8192))[0])
        print(f"{when}: loss {whole:.3f}, median late loss of mixed sequences {late:.3f}")

    model.grow(model.config.layers)
    report("before")
    prime(model, ops, ids, pos)
    report("after")
    state["model"], state["progress"]["layers"] = model.state_dict(), model.config.layers
    torch.save(state, part := a.work / "prime.part")
    part.rename(a.out or a.work / "last.pt")


if __name__ == "__main__":
    main()
