"""Compares fused.c with plain PyTorch on a small random model: loss and every gradient."""
from __future__ import annotations

import torch

import ops_fused
import ops_plain
from model import Config, Model


def main() -> None:
    torch.manual_seed(1)
    config = Config(vocab=512, layers=2)
    models = [Model(config, ops) for ops in (ops_plain, ops_fused)]
    for name, p in models[0].named_parameters():
        if name.endswith(("out", "down")):
            p.data.normal_(std=0.05)
    models[1].load_state_dict(models[0].state_dict())
    ids = torch.randint(0, 512, (2, 513), dtype=torch.int32)
    pos = (torch.arange(512, dtype=torch.int32) * 3).repeat(2, 1)
    for m in models:
        m.loss(ids[:, :-1].contiguous(), pos, ids[:, 1:].contiguous(), torch.full((2, 512), 1 / 1024))[0].backward()
    for (name, a), b in zip(models[0].named_parameters(), models[1].parameters()):
        error = float((a.grad.float() - b.grad.float()).norm() / a.grad.float().norm())
        print(f"{name:16} {error:.4f}")
        assert error < 0.03, name


if __name__ == "__main__":
    main()
