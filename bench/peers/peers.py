#!/usr/bin/env python3
"""Measures Cairn beside llama.cpp: the same model, the same shapes, in turn, on this machine.

Pairs of measurements run one after the other (llama.cpp, Cairn, llama.cpp, ...), each a process of its own that warms
up and takes medians. The result is the median of the pairs' ratios, with their spread. README.md says what is fair
in it and what is not.
"""
import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections import namedtuple
from pathlib import Path

import machine
import npm_peer
import pairs as pairs_
import plot
import report
import shapes
from bench_peer import BenchPeer
from cairn_side import Cairn, program_of
from npm_peer import NpmPeer
from processes import Failure

KV = "f16"
INTERRUPTED = 130

# What is asked of both sides.
Work = namedtuple("Work", "model threads isa flash phases depths")

EPILOG = """\
phases:
  decode    16 tokens behind an empty context: how fast a reply comes
  prefill   a prompt of 512 tokens
  depth     both again behind 512, 2,048, ... positions, up to --depth
  start     from starting the program to the first token
  many      32 sequences behind one prefix of 2,048 tokens, all tokens together

examples:
  bench/peers/peers.py -m tinyllama.gguf
  bench/peers/peers.py -m tinyllama.gguf -t 2 --phases decode,depth --depth 8192 --csv out.csv --plot out.svg
  bench/peers/peers.py -m tinyllama.gguf --isa avx2                   both sides limited to AVX2
  bench/peers/peers.py -m tinyllama.gguf --peer ~/llama.cpp/build     a llama.cpp that you built, by its llama-bench

The peer from npm is installed once, into --work; that needs Node.js 20 or later, and the network. Nothing else may run
on the machine meanwhile. Ctrl-C ends it, and what there is by then is reported. Exit code: 0 done, 1 failed, 2 bad
usage, 130 stopped by Ctrl-C.
"""


def default_work():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cairn" / "peers"


def positive(text):
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def phases_of(text):
    asked = [word.strip() for word in text.split(",")]
    for word in asked:
        if word not in shapes.PHASES:
            raise argparse.ArgumentTypeError(f"there is no phase '{word}'; the phases are {', '.join(shapes.PHASES)}")
    return asked


def parser():
    options = argparse.ArgumentParser(prog="peers.py", description=__doc__, epilog=EPILOG,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    add = options.add_argument
    add("-m", "--model", required=True, metavar="FILE", help="GGUF file, which both sides load")
    add("-t", "--threads", type=positive, metavar="N", help="threads of both (default: all usable physical cores)")
    add("--rounds", type=positive, default=5, metavar="N", help="pairs of each phase (default: 5)")
    add("--phases", type=phases_of, default=["decode", "prefill", "start"], metavar="A,B,...",
        help="what is measured (default: decode,prefill,start); all are below")
    add("--depth", type=int, choices=shapes.DEPTHS, default=8192,
        help="deepest context of the phase depth (default: 8192)")
    add("--isa", choices=("avx2", "avx512", "amx", "neon"),
        help="instruction set of Cairn, and the latest that the peer from npm may use (default: each side's best)")
    add("--peer", default="npm", metavar="npm|PATH",
        help="npm: the llama.cpp that node-llama-cpp ships built; or the path of a built llama.cpp, or of its "
             "llama-bench (default: npm)")
    add("--flash-attention", choices=("auto", "on", "off"), default="auto",
        help="of the peer (default: auto, its own choice); off may be faster behind many positions")
    add("--npm-version", default=npm_peer.VERSION, metavar="V",
        help=f"of node-llama-cpp (default: {npm_peer.VERSION}, for which this was written)")
    add("--work", type=Path, default=default_work(), metavar="DIR",
        help="where the peer from npm is installed (default: ~/.cache/cairn/peers)")
    add("--cairn", metavar="PROGRAM", help="default: build/cairn here, else the one on the PATH")
    add("--csv", metavar="FILE", help="write each pair's figures")
    add("--plot", metavar="FILE", help="draw the result, as SVG")
    add("--json", action="store_true", help="print one JSON object on standard output, nothing else")
    return options


class Progress:
    """A line on a terminal's standard error, written over; silent elsewhere."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.begin = time.monotonic()
        self.shows = sys.stderr.isatty()

    def at(self, what):
        self._write(f"{self.done} of {self.total} pairs{self._left()}: {what}")

    def first(self, what):
        """Something before the first pair, which is not counted into how long a pair takes."""
        self._write(what)
        self.begin = time.monotonic()

    def clear(self):
        self._write("")

    def _write(self, line):
        if self.shows:
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    def _left(self):
        if self.done == 0:
            return ""
        seconds = (time.monotonic() - self.begin) / self.done * (self.total - self.done)
        return f", about {seconds / 60:.0f} min left" if seconds >= 60 else f", about {seconds:.0f} s left"


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


def check_model(path):
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise Failure(f"the model {path} cannot be read: {error.strerror}") from None
    if magic != b"GGUF":
        raise Failure(f"{path} is no GGUF file, which is what llama.cpp reads")


def check_place(path):
    """That a result can be written there, before it is measured for an hour."""
    if path is None:
        return
    parent = Path(path).absolute().parent
    if not path or Path(path).is_dir():
        raise Failure(f"{path or 'a file without a name'} cannot be written: give the name of a file")
    if not parent.is_dir():
        raise Failure(f"{path} cannot be written: there is no folder {Path(path).parent}")
    if not os.access(path if Path(path).exists() else parent, os.W_OK):
        raise Failure(f"{path} cannot be written: permission denied")


def facts_of(peer, cairn, progress):
    """What each side is; and a warning where the machine is not free, before it is measured for an hour."""
    elsewhere = machine.Elsewhere()
    found = []
    try:
        for side in (peer, cairn):
            progress.first(f"loading the model, {side.name}")
            found.append(side.facts())
    finally:
        progress.first("")
    busy = elsewhere.share()
    if busy is not None and busy > report.BUSY:
        say(f"other programs take {busy:.0%} of the processors: figures will be wrong, and may take very long to come")
    return found


def measure(peer, cairn, rounds, tasks, wanted, progress, into):
    """Appends each pair to `into`, so that an end before time loses none."""
    try:
        for number in range(1, rounds + 1):
            for task in tasks:
                elsewhere = machine.Elsewhere()
                progress.at(f"{task}, {peer.name}")
                of_peer = peer.measure(task)
                progress.at(f"{task}, {cairn.name}")
                of_cairn = cairn.measure(task)
                busy = elsewhere.share()
                into += [pairs_.Pair(number, key, of_peer[key], of_cairn[key], busy)
                         for key in wanted if key in of_peer and key in of_cairn]
                progress.done += 1
    finally:
        progress.clear()


def median_of(values):
    return pairs_.range_of(values).median if values else None


def write_csv(path, setting, pairs, metrics):
    with open(path, "w", encoding="utf-8", newline="") as file:
        pairs_.write_csv(file, pairs, metrics, setting)


def write_plot(path, setting, pairs, metrics):
    Path(path).write_text(plot.svg(setting, pairs_.summaries(pairs, metrics)), encoding="utf-8")


def write_results(options, setting, pairs, metrics):
    """What can be written is, whatever else cannot: it was measured for an hour."""
    if options.json:
        print(json.dumps(report.as_json(setting, pairs, metrics)), flush=True)
    else:
        print(report.text(setting, pairs, metrics), end="", flush=True)
    problems = []
    for path, write in ((options.csv, write_csv), (options.plot, write_plot)):
        try:
            if path is not None:
                write(path, setting, pairs, metrics)
        except OSError as error:
            problems.append(f"{path} cannot be written: {error.strerror}")
    if problems:
        raise Failure("; ".join(problems))


def compare(options):
    """Measures and reports; the exit code."""
    check_model(options.model)
    check_place(options.csv)
    check_place(options.plot)
    work = Work(options.model, options.threads or machine.usable_cores(), options.isa, options.flash_attention,
                options.phases, [depth for depth in shapes.DEPTHS if depth <= options.depth])
    cairn = Cairn(program_of(options.cairn), work)
    if options.peer == "npm":
        peer = NpmPeer(work, options.work.absolute(), options.npm_version, say)
    else:
        peer = BenchPeer(work, options.peer)
    tasks = shapes.tasks(work.phases)
    progress = Progress(options.rounds * len(tasks))
    of_peer, of_cairn = facts_of(peer, cairn, progress)
    setting = {"model": Path(work.model).name, "threads": work.threads, "kv": KV, "rounds": options.rounds,
               "machine": machine.facts(), "peer": of_peer, "cairn": of_cairn}
    metrics = shapes.metrics(work.phases, work.depths)
    pairs = []
    failure = code = None
    try:
        measure(peer, cairn, options.rounds, tasks, metrics, progress, pairs)
    except Failure as early:
        failure = early
    except KeyboardInterrupt:
        code = INTERRUPTED
    setting["read_bytes_per_s"] = median_of(cairn.bandwidths)
    setting["decode_share"] = median_of(cairn.shares)
    if pairs:
        write_results(options, setting, pairs, metrics)
    if failure is not None:
        raise failure
    return code or 0


def stop(*_):
    raise KeyboardInterrupt


def main(words=None):
    options = parser().parse_args(words)
    signal.signal(signal.SIGTERM, stop)  # so that what runs is ended too
    try:
        return compare(options)
    except Failure as failure:
        say(failure)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the report has gone
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
