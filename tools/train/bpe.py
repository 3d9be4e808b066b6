"""Byte-fallback BPE of the SentencePiece kind: trainer and encoder.

The encoder joins the adjacent pair whose joined piece has the highest score, leftmost on ties, until no
pair is a piece; whatever is left and not a piece becomes bytes. A piece holds the space mark only at its
front, so no join crosses a word's start, and words can be encoded separately and cached.
"""
from __future__ import annotations

import heapq
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

SPACE = "\u2581"
UNK, BOS, EOS = 0, 1, 2
FIRST_BYTE = 3  # <0x00> has id 3, as in every llama vocabulary
FIRST_PIECE = FIRST_BYTE + 256

# Letters, one digit, or a run of other marks, each with the space mark that may stand before it. A digit
# keeps the space mark, so that a number after a word starts with a digit and not with a bare space.
_PRE = re.compile(rf"{SPACE}?[A-Za-z]+|{SPACE}?[0-9]|{SPACE}?[^A-Za-z0-9{SPACE}]+|{SPACE}")
_WORD = re.compile(rf"{SPACE}?[^{SPACE}\n]+|{SPACE}|\n")


def count_words(text: str) -> Counter[str]:
    """Counts the units inside which pieces may form."""
    counts: Counter[str] = Counter()
    for word, n in Counter(_WORD.findall(SPACE + text.replace(" ", SPACE))).items():
        if word != "\n":
            for unit in _PRE.findall(word):
                counts[unit] += n
    return counts


def train(counts: Counter[str], vocab_size: int, min_char_count: int = 50) -> list[tuple[str, float]]:
    """Returns (piece, score) for ids FIRST_PIECE and up: joins in the order they were found, then characters."""
    chars: Counter[str] = Counter()
    for word, n in counts.items():
        for c in word:
            chars[c] += n
    alphabet = [c for c, n in chars.most_common() if n >= min_char_count]
    known = set(alphabet)
    words = [(list(w), n) for w, n in counts.items() if n > 1 and all(c in known for c in w)]

    pairs: dict[tuple[str, str], int] = defaultdict(int)
    where: dict[tuple[str, str], set[int]] = defaultdict(set)
    for i, (symbols, n) in enumerate(words):
        for pair in zip(symbols, symbols[1:]):
            pairs[pair] += n
            where[pair].add(i)
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(heap)

    joined: dict[str, None] = {}
    wanted = vocab_size - FIRST_PIECE - len(alphabet)
    while len(joined) < wanted and heap:
        count, pair = heapq.heappop(heap)
        if pairs.get(pair, 0) != -count:
            continue  # an old entry: the pair's count has changed since
        joined.setdefault("".join(pair))
        for i in where.pop(pair):
            _join(words[i], pair, i, pairs, where, heap)
        pairs.pop(pair, None)
    pieces = [*joined, *alphabet]
    return [(piece, -float(rank)) for rank, piece in enumerate(pieces)]


def _join(word, pair, index, pairs, where, heap) -> None:
    """Joins `pair` in one word and moves the counts of its neighbours."""
    symbols, n = word
    old = Counter(zip(symbols, symbols[1:]))
    out: list[str] = []
    i = 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    symbols[:] = out
    new = Counter(zip(out, out[1:]))
    for p in old.keys() | new.keys():
        change = (new[p] - old[p]) * n
        if change:
            pairs[p] += change
            heapq.heappush(heap, (-pairs[p], p))
        if new[p]:
            where[p].add(index)


class Tokenizer:
    def __init__(self, pieces: list[tuple[str, float]]):
        self.tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *(p for p, _ in pieces)]
        self.scores = [0.0] * FIRST_PIECE + [s for _, s in pieces]
        self.ids = {p: FIRST_PIECE + i for i, (p, _) in enumerate(pieces)}
        self.sentence_ends = [FIRST_BYTE + ord("\n"), *(self.ids[p] for p in (".", "!", "?", '."', '!"', '?"') if p in self.ids)]
        self._cache: dict[str, list[int]] = {}

    @staticmethod
    def load(path: Path) -> "Tokenizer":
        return Tokenizer([(p, s) for p, s in json.loads(path.read_text())])

    @staticmethod
    def of_gguf(meta: dict) -> "Tokenizer":
        """The tokenizer in the metadata of a file that export_gguf.py wrote."""
        return Tokenizer(list(zip(meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.scores"]))[FIRST_PIECE:])

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str, *, prefix: bool = True) -> list[int]:
        """Ids of a text without <s>; `prefix` puts the space in front that llama models expect."""
        marked = (SPACE if prefix else "") + text.replace(" ", SPACE)
        ids: list[int] = []
        for word in _WORD.findall(marked):
            found = self._cache.get(word)
            if found is None:
                found = self._cache[word] = self._encode_word(word)
            ids += found
        return ids

    def _encode_word(self, word: str) -> list[int]:
        symbols = list(word)
        while len(symbols) > 1:
            scored = [(self.scores[self.ids[s]], -i) for i, s in
                      enumerate(a + b for a, b in zip(symbols, symbols[1:])) if s in self.ids]
            if not scored:
                break
            i = -max(scored)[1]
            symbols[i:i + 2] = [symbols[i] + symbols[i + 1]]
        ids: list[int] = []
        for s in symbols:
            ids += [self.ids[s]] if s in self.ids else [FIRST_BYTE + b for b in s.encode()]
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text, without special tokens and without the one space that `encode` put in front."""
        raw = b"".join(bytes([i - FIRST_BYTE]) if i < FIRST_PIECE else self.tokens[i].encode()
                       for i in ids if i >= FIRST_BYTE)
        text = raw.decode(errors="replace").replace(SPACE, " ")
        return text[1:] if text.startswith(" ") else text

    def check(self) -> None:
        """Every piece must be reached by encoding its own text; a dead piece would waste an embedding row."""
        dead = [p for p, i in self.ids.items() if self._encode_word(p) != [i]]
        assert not dead, f"unreachable pieces: {dead[:20]}"
