"""The operations of the model for a CPU with AMX or AVX-512 bf16: amx.c and fused.c, with gradients by hand.

Each call uses one thread; training runs several micro batches side by side, which keeps going at a fair pace
when something else wants the cores, where products split over threads would wait for each other.
"""
from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import threading
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd import Function

EPS = 1e-5
BLOCK = 128  # query positions of one score matrix: small enough to skip most of the masked half
BF16 = torch.bfloat16


def _load() -> ctypes.CDLL:
    """Compiles amx.c and fused.c once for each version of their text."""
    sources = [Path(__file__).with_name(n) for n in ("amx.c", "fused.c")]
    name = hashlib.sha256(b"".join(s.read_bytes() for s in sources)).hexdigest()[:16]
    lib = Path.home() / ".cache" / "cairn-train" / f"fused-{name}.so"
    if not lib.exists():
        lib.parent.mkdir(parents=True, exist_ok=True)
        part = lib.with_suffix(f".{os.getpid()}")
        # Without start files: those of -Ofast would make the whole process flush denormals.
        subprocess.run(["gcc", "-Ofast", "-march=native", "-mprefer-vector-width=512", "-shared", "-fPIC", "-nostartfiles",
                        *map(str, sources), "-o", str(part), "-lm"], check=True)
        part.rename(lib)
    found = ctypes.CDLL(str(lib))
    if found.amx_request() != 0:
        raise OSError("this machine has no AMX")
    return found


_lib = _load()


def _call(name: str, *args: Tensor | int | float | None) -> None:
    plain = []
    for a in args:
        if isinstance(a, Tensor):
            assert a.is_contiguous()
            a = ctypes.c_void_p(a.data_ptr())
        elif isinstance(a, float):
            a = ctypes.c_float(a)
        plain.append(a)
    getattr(_lib, name)(*plain)


_packed: dict[int, tuple[int, Tensor, Tensor]] = {}
_pack_lock = threading.Lock()


def _pack(w: Tensor) -> tuple[Tensor, Tensor]:
    """bf16 copies of a weight in tile order, for x w^T and for dy w; made again after each update."""
    with _pack_lock:
        version, *both = _packed.get(w.data_ptr(), (None,))
        if version != w._version:
            half = w.detach().to(BF16)
            both = torch.empty_like(half), torch.empty_like(half)
            _call("pack_weight", *w.shape, 1, half, both[0])
            _call("pack_weight", *w.shape, 0, half, both[1])
            _packed[w.data_ptr()] = (w._version, *both)
        return both


def _product(x: Tensor, packed: Tensor, n: int) -> Tensor:
    y = torch.empty(x.shape[0], n, dtype=BF16)
    _call("matmul", x.shape[0], n, x.shape[1], x, packed, y)
    return y


def _weight_grad(dy: Tensor, x: Tensor) -> Tensor:
    dw = torch.zeros(dy.shape[1], x.shape[1])
    _call("matmul_grad", x.shape[0], *dw.shape, dy, x, dw)
    return dw


class _Linear(Function):
    @staticmethod
    def forward(ctx, x, w):
        forward, ctx.backward_pack = _pack(w)
        ctx.save_for_backward(x)
        return _product(x, forward, w.shape[0])

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved_tensors
        dy = dy.contiguous()
        return _product(dy, ctx.backward_pack, x.shape[1]), _weight_grad(dy, x)


class _AddNorm(Function):
    @staticmethod
    def forward(ctx, h, delta, w):
        n, d = h.shape
        out = h if delta is None else torch.empty_like(h)
        y, rstd = torch.empty(n, d, dtype=BF16), torch.empty(n)
        _call("add_norm_forward", n, d, EPS, h, delta, w, out, y, rstd)
        ctx.save_for_backward(out, w, rstd)
        ctx.has_delta = delta is not None
        return (h.view_as(h) if delta is None else out), y

    @staticmethod
    def backward(ctx, dout, dy):
        x, w, rstd = ctx.saved_tensors
        dh, dw = torch.empty_like(x), torch.zeros_like(w)
        ddelta = torch.empty_like(x, dtype=BF16) if ctx.has_delta else None
        _call("add_norm_backward", *x.shape, x, w, rstd, dy.contiguous(), dout.contiguous(), dh, ddelta, dw)
        return dh, ddelta, dw


class _SwiGLU(Function):
    @staticmethod
    def forward(ctx, gate_up):
        n, f = gate_up.shape[0], gate_up.shape[1] // 2
        y = torch.empty(n, f, dtype=BF16)
        _call("swiglu_forward", n, f, gate_up, y)
        ctx.save_for_backward(gate_up)
        return y

    @staticmethod
    def backward(ctx, dy):
        gate_up, = ctx.saved_tensors
        out = torch.empty_like(gate_up)
        _call("swiglu_backward", *dy.shape, gate_up, dy.contiguous(), out)
        return out


class _Attention(Function):
    @staticmethod
    def forward(ctx, qkv, pos, table, hq, hk):
        batch, t = pos.shape
        hd = qkv.shape[1] // (hq + 2 * hk)
        assert t % BLOCK == 0 and hd == 64
        rows, blocks = hq // hk * BLOCK, t // BLOCK
        split = (batch, t, hq, hk, hd, BLOCK)
        attend = (batch * hk, t, BLOCK, rows, hd ** -0.5)
        q = torch.empty(blocks, batch * hk, rows, hd, dtype=BF16)
        k, v = (torch.empty(batch * hk, t, hd, dtype=BF16) for _ in range(2))
        _call("split_heads", *split, 0, qkv, pos, table, q, k, v)
        out, p = torch.empty_like(q), torch.empty(batch * hk, rows * BLOCK * blocks * (blocks + 1) // 2, dtype=BF16)
        _call("attention_forward", *attend, q, k, v, p, out)
        merged = torch.empty(batch * t, hq * hd, dtype=BF16)
        _call("merge_heads", *split, 0, out, merged)
        ctx.save_for_backward(pos, table, q, k, v, p)
        ctx.split, ctx.attend = split, attend
        return merged

    @staticmethod
    def backward(ctx, dmerged):
        pos, table, q, k, v, p = ctx.saved_tensors
        batch, t, hq, hk, hd, _ = ctx.split
        dout, dq = torch.empty_like(q), torch.empty_like(q)
        _call("merge_heads", *ctx.split, 1, dout, dmerged.contiguous())
        dk, dv = torch.zeros(k.shape), torch.zeros(k.shape)
        work, packs = torch.empty(q.shape[2] * t, dtype=BF16), torch.empty(2 * t * hd, dtype=BF16)
        _call("attention_backward", *ctx.attend, q, k, v, p, dout, work, packs, dq, dk, dv)
        dqkv = torch.empty(batch * t, (hq + 2 * hk) * hd, dtype=BF16)
        _call("split_heads", *ctx.split, 1, dqkv, pos, table, dq, dk.to(BF16), dv.to(BF16))
        return dqkv, None, None, None, None


class _CrossEntropy(Function):
    @staticmethod
    def forward(ctx, x, emb, target, weight):
        forward, backward = _pack(emb)
        logits, loss = _product(x, forward, emb.shape[0]), torch.empty(x.shape[0])
        _call("cross_entropy", *logits.shape, logits, target, weight, loss)
        # Both gradients now, so that the largest tensor of the step dies here. The loss is never scaled.
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(_product(logits, backward, x.shape[1]), _weight_grad(logits, x))
        ctx.mark_non_differentiable(loss)
        return (loss * weight).sum(), loss

    @staticmethod
    def backward(ctx, _scale, _loss):
        return (*ctx.saved_tensors, None, None)


_tables: dict[tuple[float, int], Tensor] = {}


def _table(freqs: Tensor, size: int = 8192) -> Tensor:
    """(cos, sin) pairs for each position; angles are formed in double."""
    key = (float(freqs[-1]), len(freqs))
    if key not in _tables:
        angle = torch.arange(size).double()[:, None] * freqs.double()
        _tables[key] = torch.stack([angle.cos(), angle.sin()], -1).flatten(1).float().contiguous()
    return _tables[key]


def linear(x: Tensor, w: Tensor) -> Tensor:
    return _Linear.apply(x, w)


def add_norm(h: Tensor, delta: Tensor | None, w: Tensor) -> tuple[Tensor, Tensor]:
    return _AddNorm.apply(h, delta, w)


def swiglu(gate_up: Tensor) -> Tensor:
    return _SwiGLU.apply(gate_up)


def attention(qkv: Tensor, pos: Tensor, freqs: Tensor, hq: int, hk: int) -> Tensor:
    return _Attention.apply(qkv, pos, _table(freqs), hq, hk)


def cross_entropy(x: Tensor, emb: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    return _CrossEntropy.apply(x, emb, target, weight)
