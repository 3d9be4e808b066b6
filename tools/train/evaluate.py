"""Measures a GGUF file: validation loss, recall by distance, and sample texts. Weights are those of the file."""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bpe import BOS, EOS, Tokenizer
from corpus import ROOT, WORK
from export_gguf import load_model
from model import Model
from recall import make_facts
from train import pick_ops

PAD = 128  # the fused attention works on whole blocks of positions
DISTANCES = (0, 64, 128, 256, 512, 1000, 2000, 3500)
PROMPTS = ("Once upon a time, there was a little dog named Max.", "One day, a girl named Lily went to the forest.",
           "User: Tell me a story about a cat.\nStory:",
           "The secret code of the red fox is 4071. Once upon a time there was a small bird. It could not fly. "
           "The bird was sad. The secret code of the red fox is")


@torch.no_grad()
def logits(model: Model, ids: list[int], at: list[int]) -> Tensor:
    """Logits after the positions `at`; what follows them cannot be seen, so padding is harmless."""
    padded = torch.tensor([ids + [EOS] * (-len(ids) % PAD)], dtype=torch.int32)
    pos = torch.arange(padded.shape[1], dtype=torch.int32)[None]
    return model.hidden(padded, pos)[at].float() @ model.emb.t()


@torch.no_grad()
def valid_loss(model: Model, valid: np.ndarray, t: int) -> float:
    """Mean loss over windows of t tokens, each after <s>."""
    rows = (len(valid) - 1) // t
    ids = torch.tensor(np.concatenate([np.full((rows, 1), BOS), valid[1:rows * t + 1].reshape(rows, t)], 1), dtype=torch.int32)
    pos, weight = torch.arange(t, dtype=torch.int32)[None], torch.full((1, t), 1 / t)
    return float(np.mean([float(model.loss(r[None, :-1].contiguous(), pos, r[None, 1:].contiguous(), weight)[0]) for r in ids]))


def recalls(model: Model, tok: Tokenizer, valid: np.ndarray, rng: np.random.Generator, distance: int, others: int) -> bool:
    """One trial: facts, `distance` tokens of unseen story, the first words of one fact; is each token of its value the
    best one? That is what greedy decoding would write."""
    facts = make_facts(rng, 1 + others)
    asked = facts[rng.integers(len(facts))]
    start = int(rng.integers(len(valid) - distance - 64))
    filler = valid[start:start + distance + 48].tolist()
    ids = [BOS, *filler[:48]]
    for f in facts:
        ids += tok.encode(f.opening + f.value + ".")
    ids += filler[48:] + tok.encode(asked.opening)
    value = tok.encode(asked.value[1:])
    at = list(range(len(ids) - 1, len(ids) - 1 + len(value)))
    return logits(model, ids + value, at).argmax(1).tolist() == value


def sample(model: Model, tok: Tokenizer, prompt: str, n: int, temperature: float, seed: int) -> str:
    """Continues a prompt; temperature 0 is greedy. Recomputes all positions for each token: short texts only."""
    ids, draw = [BOS, *tok.encode(prompt)], torch.Generator().manual_seed(seed)
    for _ in range(n):
        last = logits(model, ids, [len(ids) - 1])[0]
        best = int(last.argmax()) if temperature == 0 else int(
            torch.multinomial((last / temperature).softmax(0), 1, generator=draw))
        if best == EOS:
            break
        ids.append(best)
    return tok.decode(ids)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--model", type=Path, default=ROOT / "models" / "cairn-demo.gguf")
    args.add_argument("--work", type=Path, default=WORK)
    args.add_argument("--trials", type=int, default=200, help="for each distance")
    args.add_argument("--others", type=int, nargs="*", default=(0, 3), help="other facts beside the asked one")
    args.add_argument("--distances", type=int, nargs="*", default=DISTANCES)
    args.add_argument("--tokens", type=int, default=120, help="length of the samples")
    a = args.parse_args()
    torch.set_num_threads(1)
    model, tok = load_model(a.model, pick_ops("cpu"))
    valid = np.fromfile(a.work / "valid.u16", dtype=np.uint16).astype(np.int32)
    for t in (256, 1024):
        loss = valid_loss(model, valid, t)
        print(f"validation, windows of {t}: loss {loss:.4f}, perplexity {np.exp(loss):.2f}", flush=True)
    for prompt in PROMPTS if a.tokens else ():
        for temperature in (0.0, 0.7):
            print(f"--- temperature {temperature}\n{sample(model, tok, prompt, a.tokens, temperature, 1)}", flush=True)
    for distance in a.distances:
        for others in a.others:
            rng = np.random.default_rng([7, distance, others])
            hits = sum(recalls(model, tok, valid, rng, distance, others) for _ in range(a.trials))
            print(f"recall at {distance:4} tokens, {1 + others} facts: {hits / a.trials:6.1%} of {a.trials}", flush=True)


if __name__ == "__main__":
    main()
