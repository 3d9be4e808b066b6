"""Writes and reads the part of GGUF v3 that the demo model uses: scalars, strings, arrays; F32 and Q8_0 tensors.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""
from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

ALIGN = 32
F32, Q8_0 = 0, 8
_U32, _I32, _FLOAT, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_SCALARS = {_U32: "<I", _I32: "<i", _FLOAT: "<f", _BOOL: "<?"}


def quantize_q8_0(x: np.ndarray) -> bytes:
    """Blocks of 32 as ggml's quantize_row_q8_0: f16 scale amax / 127, then values rounded half away from zero."""
    blocks = x.astype(np.float32).reshape(-1, 32)
    d = np.abs(blocks).max(1) / np.float32(127)
    inverse = np.divide(np.float32(1), d, out=np.zeros_like(d), where=d > 0)
    scaled = blocks * inverse[:, None]
    q = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int8)
    out = np.zeros(len(blocks), dtype=[("d", "<f2"), ("q", "i1", 32)])
    out["d"], out["q"] = d, q
    return out.tobytes()


def dequantize_q8_0(raw: bytes, shape: tuple[int, ...]) -> np.ndarray:
    blocks = np.frombuffer(raw, dtype=[("d", "<f2"), ("q", "i1", 32)])
    return (blocks["d"].astype(np.float32)[:, None] * blocks["q"].astype(np.float32)).reshape(shape)


def _string(s: str) -> bytes:
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(v: Any) -> tuple[int, bytes]:
    if isinstance(v, bool):
        return _BOOL, struct.pack("<?", v)
    if isinstance(v, int):
        return _U32, struct.pack("<I", v)
    if isinstance(v, float):
        return _FLOAT, struct.pack("<f", v)
    if isinstance(v, str):
        return _STRING, _string(v)
    if isinstance(v, np.ndarray):
        kind = {"f": _FLOAT, "i": _I32}[v.dtype.kind]
        return _ARRAY, struct.pack("<IQ", kind, len(v)) + v.astype("<f4" if kind == _FLOAT else "<i4").tobytes()
    return _ARRAY, struct.pack("<IQ", _STRING, len(v)) + b"".join(map(_string, v))


def write(path: Path, meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    """Matrices as Q8_0, vectors as F32."""
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(meta))]
    for key, v in meta.items():
        kind, raw = _value(v)
        head += [_string(key), struct.pack("<I", kind), raw]
    data = b""
    for name, x in tensors.items():
        kind = Q8_0 if x.ndim == 2 else F32
        dims = x.shape[::-1]  # innermost first
        head += [_string(name), struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, len(data))]
        data += quantize_q8_0(x) if kind == Q8_0 else x.astype("<f4").tobytes()
        data += b"\0" * (-len(data) % ALIGN)
    raw = b"".join(head)
    path.write_bytes(raw + b"\0" * (-len(raw) % ALIGN) + data)


class _Cursor:
    def __init__(self, raw: bytes):
        self.raw, self.at = raw, 0

    def take(self, form: str) -> Any:
        values = struct.unpack_from(form, self.raw, self.at)
        self.at += struct.calcsize(form)
        return values[0] if len(values) == 1 else values

    def string(self) -> str:
        n = self.take("<Q")
        self.at += n
        return self.raw[self.at - n:self.at].decode()

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            kind, n = self.take("<IQ")
            return [self.value(kind) for _ in range(n)]
        return self.take(_SCALARS[kind])


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata, and tensors as f32."""
    c = _Cursor(path.read_bytes())
    magic, version, tensor_count, meta_count = c.take("<4sIQQ")
    assert (magic, version) == (b"GGUF", 3)
    meta = {}
    for _ in range(meta_count):
        key = c.string()
        meta[key] = c.value(c.take("<I"))
    infos = []
    for _ in range(tensor_count):
        name, n = c.string(), c.take("<I")
        shape = tuple(c.take("<Q") for _ in range(n))[::-1]
        infos.append((name, shape, c.take("<I"), c.take("<Q")))
    start = -(-c.at // ALIGN) * ALIGN
    tensors = {}
    for name, shape, kind, offset in infos:
        count = int(np.prod(shape))
        size = count // 32 * 34 if kind == Q8_0 else count * 4
        raw = c.raw[start + offset:start + offset + size]
        tensors[name] = dequantize_q8_0(raw, shape) if kind == Q8_0 else np.frombuffer(raw, "<f4").reshape(shape)
    return meta, tensors
