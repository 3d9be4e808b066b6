"""Turns a checkpoint into the GGUF file that the engine loads, and checks the file against the checkpoint."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import gguf_file
import ops_plain
from bpe import BOS, EOS, FIRST_BYTE, FIRST_PIECE, UNK, Tokenizer
from corpus import ROOT, WORK
from model import Config, Model

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ 'Story: ' + message['content'] | trim + eos_token }}{% endif %}{% endfor %}"  # a reply begins with its own blank
    "{% if add_generation_prompt %}{{ 'Story:' }}{% endif %}")


def metadata(c: Config, tok: Tokenizer) -> dict:
    types = np.ones(len(tok), dtype=np.int32)
    types[UNK], types[BOS], types[EOS], types[FIRST_BYTE:FIRST_PIECE] = 2, 3, 3, 6
    return {
        "general.architecture": "llama", "general.name": "cairn-demo", "general.license": "apache-2.0",
        "general.file_type": 7, "general.quantization_version": 2, "llama.context_length": c.context,
        "llama.embedding_length": c.dim, "llama.block_count": c.layers, "llama.feed_forward_length": c.ffn,
        "llama.attention.head_count": c.heads, "llama.attention.head_count_kv": c.kv_heads,
        "llama.attention.layer_norm_rms_epsilon": ops_plain.EPS, "llama.rope.dimension_count": c.head_dim,
        "llama.rope.freq_base": c.theta, "llama.vocab_size": c.vocab, "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tok.tokens, "tokenizer.ggml.scores": np.array(tok.scores, dtype=np.float32),
        "tokenizer.ggml.token_type": types, "tokenizer.ggml.bos_token_id": BOS, "tokenizer.ggml.eos_token_id": EOS,
        "tokenizer.ggml.unknown_token_id": UNK, "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False, "tokenizer.ggml.add_space_prefix": True,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }


def tensor_names(c: Config) -> dict[str, list[tuple[str, int]]]:
    """Our fused matrices: the GGUF tensors in them, with their rows. RoPE rotates adjacent pairs in both."""
    kv = c.kv_heads * c.head_dim
    names = {}
    for i in range(c.layers):
        b = f"blk.{i}"
        names[f"{i}_qkv"] = [(f"{b}.attn_q.weight", c.dim), (f"{b}.attn_k.weight", kv), (f"{b}.attn_v.weight", kv)]
        names[f"{i}_out"] = [(f"{b}.attn_output.weight", c.dim)]
        names[f"{i}_gate_up"] = [(f"{b}.ffn_gate.weight", c.ffn), (f"{b}.ffn_up.weight", c.ffn)]
        names[f"{i}_down"] = [(f"{b}.ffn_down.weight", c.dim)]
    return names


def norm_names(c: Config) -> list[str]:
    blocks = [f"blk.{i}.{n}_norm.weight" for i in range(c.layers) for n in ("attn", "ffn")]
    return [*blocks, "output_norm.weight"]


def to_tensors(c: Config, state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    out = {"token_embd.weight": state["emb"].numpy()}
    for ours, parts in tensor_names(c).items():
        pieces = state[f"mats.{ours}"].split([rows for _, rows in parts])
        out |= {name: piece.numpy() for (name, _), piece in zip(parts, pieces)}
    return out | dict(zip(norm_names(c), state["norms"].numpy()))


def load_model(path: Path, ops) -> tuple[Model, Tokenizer]:
    """The model as the file holds it, quantised weights and all."""
    meta, tensors = gguf_file.read(path)
    m = {k.removeprefix("llama."): v for k, v in meta.items() if k.startswith("llama.")}
    c = Config(m["vocab_size"], m["embedding_length"], m["block_count"], m["attention.head_count"],
               m["attention.head_count_kv"], m["feed_forward_length"], m["context_length"], m["rope.freq_base"])
    model = Model(c, ops)
    state = {"emb": tensors["token_embd.weight"], "norms": np.stack([tensors[n] for n in norm_names(c)])}
    for ours, parts in tensor_names(c).items():
        state[f"mats.{ours}"] = np.concatenate([tensors[name] for name, _ in parts])
    model.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    return model, Tokenizer.of_gguf(meta)


def numpy_logits(path: Path, ids: list[int]) -> np.ndarray:
    """A forward in f64 straight from the file's tensors: an outside engine's view, sharing nothing with model.py."""
    meta, w = gguf_file.read(path)
    w = {k: v.astype(np.float64) for k, v in w.items()}
    heads, kv = meta["llama.attention.head_count"], meta["llama.attention.head_count_kv"]
    hd, eps, n = meta["llama.rope.dimension_count"], meta["llama.attention.layer_norm_rms_epsilon"], len(ids)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w[name]

    turn = np.exp(1j * np.arange(n)[:, None] * meta["llama.rope.freq_base"] ** (-np.arange(0, hd, 2) / hd))

    def rope(x: np.ndarray) -> np.ndarray:
        z = (x[..., 0::2] + 1j * x[..., 1::2]) * turn[:, None]
        return np.stack([z.real, z.imag], -1).reshape(x.shape)

    h = w["token_embd.weight"][ids]
    for i in range(meta["llama.block_count"]):
        b = f"blk.{i}"
        x = norm(h, f"{b}.attn_norm.weight")
        q, k, v = ((x @ w[f"{b}.attn_{c}.weight"].T).reshape(n, -1, hd) for c in "qkv")
        q, k = rope(q), rope(k)
        out = np.zeros((n, heads, hd))
        for j in range(heads):
            s = q[:, j] @ k[:, j * kv // heads].T / np.sqrt(hd) + np.triu(np.full((n, n), -np.inf), 1)
            p = np.exp(s - s.max(-1, keepdims=True))
            out[:, j] = p / p.sum(-1, keepdims=True) @ v[:, j * kv // heads]
        h = h + out.reshape(n, -1) @ w[f"{b}.attn_output.weight"].T
        x = norm(h, f"{b}.ffn_norm.weight")
        gate = x @ w[f"{b}.ffn_gate.weight"].T
        h = h + (gate / (1 + np.exp(-gate)) * (x @ w[f"{b}.ffn_up.weight"].T)) @ w[f"{b}.ffn_down.weight"].T
    return norm(h, "output_norm.weight") @ w["token_embd.weight"].T


def check(path: Path, c: Config, state: dict[str, torch.Tensor]) -> None:
    """The file's logits must be those of the checkpoint, but for bf16 and Q8_0 rounding."""
    text = "Once upon a time, there was a little dog named Max. He lived in a big house with his friend Anna."
    model, tok = load_model(path, ops_plain)
    assert tok.decode(tok.encode(text)) == text
    ids = [BOS, *tok.encode(text)]
    model.load_state_dict(state)
    with torch.no_grad():
        pos = torch.arange(len(ids), dtype=torch.int32)[None]
        ours = (model.hidden(torch.tensor([ids]), pos).float() @ model.emb.t()).numpy()
    theirs = numpy_logits(path, ids)
    print(f"logits: error {np.abs(ours - theirs).mean():.4f} on average, {np.abs(ours - theirs).max():.3f} at most, "
          f"of a spread of {theirs.std():.2f}; same best token at {(ours.argmax(1) == theirs.argmax(1)).mean():.0%}")
    assert np.abs(ours - theirs).mean() < 0.03 * theirs.std()


def silence_idle_blocks(config: Config, state: dict[str, torch.Tensor], layers: int) -> None:
    """A block that did not run at the end becomes the identity, whatever it held from an earlier part of the run."""
    model = Model(config, ops_plain)
    model.grow(layers)
    for i in set(range(config.layers)) - set(model.active):
        state[f"mats.{i}_out"].zero_()
        state[f"mats.{i}_down"].zero_()


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--work", type=Path, default=WORK)
    args.add_argument("--out", type=Path, default=ROOT / "models" / "cairn-demo.gguf")
    args.add_argument("--blend", type=Path, help="a GGUF file of ours: the mean of its weights and the checkpoint's is written")
    a = args.parse_args()
    saved = torch.load(a.work / "last.pt", map_location="cpu")
    config, state = Config(**saved["config"]), saved["model"]
    silence_idle_blocks(config, state, saved["progress"]["layers"])
    if a.blend:
        other = load_model(a.blend, ops_plain)[0].state_dict()
        state = {k: (v + other[k]) / 2 for k, v in state.items()}
    part = a.out.with_suffix(".part")
    gguf_file.write(part, metadata(config, Tokenizer.load(a.work / "tokenizer.json")), to_tensors(config, state))
    check(part, config, state)
    part.replace(a.out)
    print(a.out, f"{a.out.stat().st_size / 2 ** 20:.2f} MiB, {saved['progress']}")


if __name__ == "__main__":
    main()
