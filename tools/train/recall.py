"""Synthetic recall: facts planted in story text, and asked for later by the opening words of the same sentence.

Nothing in the text says what a new fact's value is, so the only way to answer is to look back for it.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ADJECTIVES = """red blue green yellow black white brown grey golden silver tiny big small old young brave clever happy
sad lazy quick quiet loud gentle proud funny sleepy hungry lucky wise kind silly shiny lonely merry""".split()
ANIMALS = """fox dog cat bear wolf lion mouse rabbit horse cow pig goat sheep duck goose hen frog fish owl crow eagle
bee ant snake turtle tiger monkey elephant deer squirrel hedgehog donkey""".split()
NAMES = """Anna Ben Lily Tom Sara Max Mia Sam Jack Emma Tim Lucy Bob Jane Peter Mary John Alice Billy Rose Daisy George
Harry Nora Oscar Ruby Leo Ella Henry Amy Fred Polly Kate Will Grace Hugh Molly Dan Ivy Paul""".split()
THINGS = """box house castle garden boat tower cave chest bag door bridge ship tree hat drum lamp bottle cup shop
wagon barn well mill tent school""".split()
WORDS = """apple river candle button thunder pepper window feather marble pumpkin lantern cherry pillow rocket
bubble cotton saddle ribbon copper meadow basket ladder whistle carpet anchor honey pebble tulip velvet walnut
acorn kettle needle orange paper sugar violin wheel barrel clover""".split()
COLOURS = "red blue green yellow black white brown grey golden silver purple pink orange".split()
TOWNS = """London Paris Rome Egypt China India Spain France Greece Russia Norway Canada Boston Dublin Scotland
Holland Turkey Japan Africa Berlin""".split()
FOODS = "bread cheese soup cake honey fish rice apples pears plums nuts eggs milk butter pie berries jam beans".split()

ASK_WEIGHT = 4.0  # of an answer in the loss: few tokens, and the point of the lesson

# {k}: the key that tells one fact of a kind from another; the value follows the opening words.
TEMPLATES: list[tuple[str, str, str]] = [
    ("The secret code of {k} is", "beast", "number"),
    ("The secret number of {k} is", "beast", "number"),
    ("The phone number of {k} is", "name", "number"),
    ("The number on the door of {k} is", "thing", "number"),
    ("The magic word of {k} is", "any", "word"),
    ("The password of {k} is", "any", "word"),
    ("The favourite colour of {k} is", "any", "colour"),
    ("The name of {k} is", "beast", "name"),
    ("The best friend of {k} is", "any", "name"),
    ("The favourite food of {k} is", "any", "food"),
    ("{K} lives in", "name", "town"),
    ("{K} was born in", "any", "town"),
    ("{K} hid the key in the", "any", "place"),
    ("Inside {k} there is a", "thing", "word"),
]


@dataclass(frozen=True)
class Fact:
    opening: str  # "The secret code of the red fox is"
    value: str  # " 4071"


def _key(rng: np.random.Generator, kind: str) -> str:
    if kind == "any":
        kind = ("beast", "name")[rng.integers(2)]
    if kind == "name":
        return str(rng.choice(NAMES))
    return f"the {rng.choice(ADJECTIVES)} {rng.choice(ANIMALS if kind == 'beast' else THINGS)}"


def _value(rng: np.random.Generator, kind: str) -> str:
    if kind == "number":
        return str(rng.integers(10 ** (digits := int(rng.integers(2, 6))) // 10, 10 ** digits))
    if kind == "place":
        return f"{rng.choice(ADJECTIVES)} {rng.choice(THINGS)}"
    lists = {"word": WORDS, "colour": COLOURS, "name": NAMES, "food": FOODS, "town": TOWNS}
    return str(rng.choice(lists[kind]))


def make_fact(rng: np.random.Generator, template: tuple[str, str, str] | None = None) -> Fact:
    opening, key_kind, value_kind = template or TEMPLATES[rng.integers(len(TEMPLATES))]
    key = _key(rng, key_kind)
    return Fact(opening.format(k=key, K=key[0].upper() + key[1:]), " " + _value(rng, value_kind))


def make_facts(rng: np.random.Generator, count: int) -> list[Fact]:
    """Facts with different openings, often of one kind, so that the key must be read and not only the kind."""
    one_kind = TEMPLATES[rng.integers(len(TEMPLATES))] if rng.random() < 0.5 else None
    facts: dict[str, Fact] = {}
    for _ in range(count):
        f = make_fact(rng, one_kind)
        facts.setdefault(f.opening, f)
    return list(facts.values())


def plant(rng: np.random.Generator, tok, filler: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Plants facts and asks in `filler`; returns ids, loss weights and where the first ask stands.

    `reach` in (0, 1] bounds how far from the facts the asks may stand, as a part of the filler.
    """
    facts = make_facts(rng, int(rng.integers(1, 7)))
    asks = [facts[i] for i in rng.integers(len(facts), size=int(rng.integers(2, 14)))]
    n = len(filler)
    start = rng.random() * (1 - reach) * n
    span = reach * n
    middle = start + span * rng.uniform(0.0, 0.8)
    spots = [*np.sort(rng.uniform(start, middle, len(facts))), *np.sort(rng.uniform(middle, start + span, len(asks)))]
    ends = np.flatnonzero(np.isin(filler, tok.sentence_ends)) + 1
    ids, weights, at, first_ask = [], [], 0, 0
    for j, (fact, spot) in enumerate(zip(facts + asks, spots)):
        cut = int(ends[min(np.searchsorted(ends, spot), len(ends) - 1)]) if len(ends) else int(spot)
        cut = max(cut, at)
        ids += [filler[at:cut]]
        weights += [np.ones(cut - at, np.float32)]
        at = cut
        opening, value = tok.encode(fact.opening), tok.encode(fact.value[1:])
        asked = j >= len(facts)
        if j == len(facts):
            first_ask = sum(map(len, ids))
        ids += [np.array(opening + value + [tok.ids["."]])]
        # A new value cannot be foretold, so learning its likelihood is worth little; an asked one is the point.
        weights += [np.array([0.3] * len(opening) + [ASK_WEIGHT if asked else 0.1] * len(value) + [1.0 if asked else 0.3],
                             np.float32)]
    ids += [filler[at:]]
    weights += [np.ones(n - at, np.float32)]
    return np.concatenate(ids), np.concatenate(weights), first_ask


def drill(rng: np.random.Generator, filler: np.ndarray) -> np.ndarray:
    """Shuffled tokens, said again and again: no grammar helps here, only looking back does. Without it the heads that
    copy form late, since stories alone reward them little."""
    n = len(filler)
    return np.resize(rng.permutation(filler)[:rng.integers(8, max(9, min(100, n // 2)))], n)


def repeat(rng: np.random.Generator, filler: np.ndarray) -> np.ndarray:
    """Writes a span of the filler again somewhere later: the plainest lesson in looking back."""
    n = len(filler)
    length = int(rng.integers(12, max(13, min(160, n // 2))))
    start = int(rng.integers(0, n - 2 * length + 1))
    later = int(rng.integers(start + length, n - length + 1))
    out = filler.copy()
    out[later:later + length] = filler[start:start + length]
    return out
