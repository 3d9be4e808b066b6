"""A llama-family decoder: RMSNorm, grouped-query attention with RoPE, SwiGLU, tied embeddings."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    vocab: int = 4096
    dim: int = 384
    layers: int = 6
    heads: int = 6
    kv_heads: int = 2
    ffn: int = 1024
    context: int = 4096
    theta: float = 500000.0  # slower rotation than 10000: far keys stay comparable over the whole context

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads


class Model(nn.Module):
    """Weights are f32; products and activations bf16; the residual stream f32. `ops` is ops_plain or ops_fused."""

    def __init__(self, config: Config, ops):
        super().__init__()
        self.config, self.ops = config, ops
        c = config
        shapes = {"qkv": ((c.heads + 2 * c.kv_heads) * c.head_dim, c.dim), "out": (c.dim, c.dim),
                  "gate_up": (2 * c.ffn, c.dim), "down": (c.dim, c.ffn)}
        self.emb = nn.Parameter(torch.randn(c.vocab, c.dim) * 0.04)
        self.norms = nn.Parameter(torch.ones(2 * c.layers + 1, c.dim))
        self.mats = nn.ParameterDict()
        for i in range(c.layers):
            for name, (rows, cols) in shapes.items():
                # Branches start at zero, so that each block is the identity at first.
                std = 0.0 if name in ("out", "down") else 0.7 * cols ** -0.5
                self.mats[f"{i}_{name}"] = nn.Parameter(torch.randn(rows, cols) * std)
        self.active = list(range(c.layers))  # the blocks that run: the others are still the identity
        freqs = c.theta ** (-torch.arange(0, c.head_dim, 2).double() / c.head_dim)
        self.register_buffer("freqs", freqs, persistent=False)

    def grow(self, layers: int) -> None:
        """Runs `layers` blocks, every second one first. A new block's branches are zero, so that growing changes nothing at
        first, and the tokens before it cost less."""
        n = self.config.layers
        self.active = sorted([*range(0, n, 2), *range(1, n, 2)][:layers])

    def hidden(self, ids: Tensor, pos: Tensor) -> Tensor:
        """Normed hidden states [batch * t, dim] for ids and positions [batch, t], both int32."""
        c, ops = self.config, self.ops
        h, delta = nn.functional.embedding(ids.flatten().long(), self.emb), None
        for i in self.active:
            h, x = ops.add_norm(h, delta, self.norms[2 * i])
            x = ops.attention(ops.linear(x, self.mats[f"{i}_qkv"]), pos, self.freqs, c.heads, c.kv_heads)
            h, x = ops.add_norm(h, ops.linear(x, self.mats[f"{i}_out"]), self.norms[2 * i + 1])
            delta = ops.linear(ops.swiglu(ops.linear(x, self.mats[f"{i}_gate_up"])), self.mats[f"{i}_down"])
        return ops.add_norm(h, delta, self.norms[2 * c.layers])[1]

    def loss(self, ids: Tensor, pos: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(sum of weight * loss, loss of each token [batch, t])."""
        total, each = self.ops.cross_entropy(self.hidden(ids, pos), self.emb, target.flatten(), weight.flatten())
        return total, each.view(ids.shape)
