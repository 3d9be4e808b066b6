"""The operations of the model in plain PyTorch: the reference, and the path for a GPU."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-5


def add_norm(h: Tensor, delta: Tensor | None, w: Tensor) -> tuple[Tensor, Tensor]:
    """(h + delta, its RMS norm in bf16); the residual stream stays f32."""
    h = h if delta is None else h + delta.float()
    return h, (h * torch.rsqrt(h.square().mean(-1, keepdim=True) + EPS) * w).to(torch.bfloat16)


def linear(x: Tensor, w: Tensor) -> Tensor:
    """x @ w.T in bf16, for a weight kept in f32."""
    return F.linear(x, w.to(torch.bfloat16))


def swiglu(gate_up: Tensor) -> Tensor:
    gate, up = gate_up.chunk(2, -1)
    return F.silu(gate) * up


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Rotates adjacent pairs of x [batch, t, heads, hd] by angle [batch, t, 1, hd / 2]: GGUF's order of pairs."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    c, s = angle.cos(), angle.sin()
    return torch.stack([a * c - b * s, a * s + b * c], -1).flatten(-2).to(x.dtype)


def attention(qkv: Tensor, pos: Tensor, freqs: Tensor, hq: int, hk: int) -> Tensor:
    """Causal attention; qkv [batch * t, (hq + 2 hk) hd], pos [batch, t]; returns [batch * t, hq * hd]."""
    batch, t = pos.shape
    x = qkv.view(batch, t, hq + 2 * hk, -1)
    angle = (pos.unsqueeze(-1) * freqs)[:, :, None]
    q, k = rotate(x[:, :, :hq], angle), rotate(x[:, :, hq:hq + hk], angle)
    q, k, v = (y.transpose(1, 2) for y in (q, k, x[:, :, hq + hk:]))
    k, v = (y.repeat_interleave(hq // hk, 1) for y in (k, v))
    if hasattr(F, "scaled_dot_product_attention"):
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    else:
        s = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
        s = s.masked_fill(torch.ones(t, t, dtype=torch.bool, device=s.device).triu(1), float("-inf"))
        out = s.softmax(-1).to(q.dtype) @ v
    return out.transpose(1, 2).reshape(batch * t, -1)


def cross_entropy(x: Tensor, emb: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(sum of weight * loss, loss of each token) for logits = x @ emb.T."""
    loss = F.cross_entropy(linear(x, emb).float(), target.long(), reduction="none")
    return (loss * weight).sum(), loss.detach()
