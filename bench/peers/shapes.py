"""What is measured: the same shapes on both sides, those of `cairn bench speed`, `depth` and `shared`.

Both programs must be asked for the same, so no shape is written down twice.
"""
from collections import namedtuple

PHASES = ("decode", "prefill", "depth", "start", "many")

DECODE_TOKENS = 16  # of a round, behind an empty context
PROMPT_TOKENS = 512
ROUNDS = 5  # inside one process, behind one that warms up: medians

DEPTHS = (512, 2048, 8192, 16384)
DEPTH_TOKENS = 4
DEPTH_PROMPT_ROUNDS = 3

MANY_SEQUENCES = 32
MANY_PREFIX = 2048
MANY_TAIL = 33
MANY_TOKENS = 8

START_PROMPT = 16

# A figure that both sides have: how it is called, and its unit. More tokens/s are better, and fewer s.
Metric = namedtuple("Metric", "label unit")


def metrics(phases, depths):
    """Metric by key, in the order of the report."""
    found = {}
    if "decode" in phases:
        found["decode"] = Metric("decode", "tokens/s")
    if "prefill" in phases:
        found["prefill"] = Metric(f"prefill of {PROMPT_TOKENS}", "tokens/s")
    for depth in depths if "depth" in phases else ():
        found[f"decode@{depth}"] = Metric(f"decode behind {depth:,}", "tokens/s")
        found[f"prefill@{depth}"] = Metric(f"prefill of {PROMPT_TOKENS} behind {depth:,}", "tokens/s")
    if "many" in phases:
        found["many"] = Metric(f"{MANY_SEQUENCES} behind one prefix of {MANY_PREFIX:,}", "tokens/s")
    if "start" in phases:
        found["start"] = Metric("start to first token", "s")
    return found


def tasks(phases):
    """What a process is started for: decode and prefill share one, as in `cairn bench speed`."""
    found = ["speed"] if {"decode", "prefill"} & set(phases) else []
    return found + [phase for phase in ("depth", "many", "start") if phase in phases]


def token_ids(count):
    """Ids that every vocabulary has; they vary, as a text's do. npm_driver.mjs has the same."""
    return [3 + i * 7919 % 250 for i in range(count)]
