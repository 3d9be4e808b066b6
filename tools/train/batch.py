"""Training batches as a pure function of (seed, micro step): a resumed run sees what an unbroken one would."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bpe import BOS, FIRST_BYTE, Tokenizer
from corpus import CHAT_SHARE, SOURCES, TEACHER, TEACHER_SHARE
from recall import drill, plant, repeat

COLLECTIONS = ("tiny", "tiny2", "story", "chat", TEACHER)  # of short documents
NEWLINE = FIRST_BYTE + ord("\n")
RECALL_SHARE = 0.35
REPEAT_SHARE = 0.06
DRILL_SHARE = 0.03
SKIP_SHARE = 0.5  # sequences whose positions jump: far RoPE distances at the price of near ones


class Batcher:
    def __init__(self, work: Path, seed: int, context: int):
        self.seed, self.context, self.drill_share = seed, context, DRILL_SHARE
        self.tok = Tokenizer.load(work / "tokenizer.json")
        shares = {**{s: share for s, (_, _, share) in SOURCES.items()}, "chat": CHAT_SHARE}
        if (work / f"{TEACHER}.u16").exists():
            shares[TEACHER] = TEACHER_SHARE
        self.names = list(shares)
        self.shares = np.array(list(shares.values())) / sum(shares.values())
        self.data = {s: np.fromfile(work / f"{s}.u16", dtype=np.uint16).astype(np.int32) for s in self.names}
        # Stories start where a document starts; books start at any paragraph.
        self.starts = {s: np.flatnonzero(d == BOS) + 1 if s in COLLECTIONS
                       else np.flatnonzero((d[:-1] == NEWLINE) & (d[1:] != NEWLINE)) + 1
                       for s, d in self.data.items()}

    def filler(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n tokens of real text of one source."""
        source = self.names[rng.choice(len(self.names), p=self.shares)]
        data, starts = self.data[source], self.starts[source]
        parts, have = [], 0
        while have < n:  # each document of a collection of stories is drawn alone
            start = starts[rng.integers(len(starts))]
            part = data[start:start + n - have]
            if source in COLLECTIONS:
                ends = np.flatnonzero(part == BOS)
                part = part[:ends[0] + 1] if len(ends) else part
            parts.append(part)
            have += len(part)
        return np.concatenate(parts)

    def sequence(self, rng: np.random.Generator, t: int, progress: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """ids [t + 1], weights of the t targets, positions [t]; `progress` in [0, 1] widens distances."""
        kind, weights, first_ask = rng.random(), np.ones(t, np.float32), 0
        ids = self.filler(rng, t)
        if kind < RECALL_SHARE:
            reach = 1.0 if rng.random() < progress else rng.uniform(0.02, 0.25)
            ids, w, first_ask = plant(rng, self.tok, ids[:max(48, t - 200)] if t > 248 else ids[:t // 4], reach)
            more = t - len(ids)
            if more > 0:
                ids, w = np.concatenate([ids, self.filler(rng, more)]), np.concatenate([w, np.ones(more, np.float32)])
            ids, weights = ids[:t], w[:t]
        elif kind < RECALL_SHARE + REPEAT_SHARE:
            ids = repeat(rng, ids)
        elif kind < RECALL_SHARE + REPEAT_SHARE + self.drill_share:
            ids, progress = drill(rng, ids), 0.0  # near positions only: this is the first step
        pos = np.arange(t, dtype=np.int32)
        if rng.random() < SKIP_SHARE * progress:
            # The first jump stands between the facts and their asks where there are any.
            cuts = [first_ask or int(rng.integers(1, t)), *rng.integers(1, t, size=int(rng.integers(0, 2)))]
            room = int((self.context - t) * rng.random() ** 0.7)
            for cut, part in zip(cuts, rng.dirichlet(np.ones(len(cuts)))):
                pos[cut:] += int(room * part)
        return np.concatenate([[BOS], ids]), weights, pos

    def batch(self, micro_step: int, rows: int, t: int, progress: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """ids, positions, targets (int32) and weights (f32), each [rows, t]."""
        rng = np.random.default_rng([self.seed, micro_step])
        ids, weights, pos = zip(*(self.sequence(rng, t, progress) for _ in range(rows)))
        all_ids = torch.tensor(np.stack(ids), dtype=torch.int32)
        return (all_ids[:, :-1].contiguous(), torch.tensor(np.stack(pos)), all_ids[:, 1:].contiguous(),
                torch.tensor(np.stack(weights)))
