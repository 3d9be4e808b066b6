"""Cairn, measured by its own benches and, for its start, as a whole process."""
import json
from pathlib import Path

import processes
import shapes
from processes import Failure

BUILT = Path(__file__).resolve().parents[2] / "build" / "cairn"


def program_of(asked):
    """The program that was asked for, else the one built here, else the one on the PATH."""
    if asked is not None:
        if not Path(asked).is_file():
            raise Failure(f"there is no program {asked}: give --cairn the path of a built cairn")
        return asked
    if BUILT.is_file():
        return BUILT
    return processes.find("cairn", "build it here (./dev build), or give its path by --cairn")


class Cairn:
    name = "Cairn"

    def __init__(self, program, work):
        self.program = program
        self.work = work
        self.bandwidths = []  # bytes/s, of each `bench speed`
        self.shares = []  # of its bandwidth that decode reached

    def facts(self):
        """What it is; loads the model, which brings its file into memory before anything is timed."""
        version, _ = processes.run(self.name, [self.program, "--version"])
        _, settings = self._start()
        return {"name": version.strip(), "isa": settings["isa"], "threads": settings["threads"],
                "family": settings["family"]}

    def measure(self, task):
        return getattr(self, f"_measure_{task}")()

    def _options(self):
        isa = ["--isa", self.work.isa] if self.work.isa else []
        return ["-m", self.work.model, "-t", self.work.threads, "--kv", "f16", *isa, "--json"]

    def _bench(self, what, *more):
        text, _ = processes.run(f"cairn bench {what}", [self.program, "bench", what, *self._options(), *more])
        return parse(f"cairn bench {what}", text)

    def _measure_speed(self):
        report = self._bench("speed")
        if report["prefill_tokens"] != shapes.PROMPT_TOKENS:
            raise Failure(f"the model's context is too short for a prompt of {shapes.PROMPT_TOKENS} tokens")
        self.bandwidths.append(report["read_bytes_per_s"])
        self.shares.append(report["decode_share"])
        return {"decode": 1e3 / report["decode_ms"], "prefill": shapes.PROMPT_TOKENS * 1e3 / report["prefill_ms"]}

    def _measure_depth(self):
        context = self.work.depths[-1] + shapes.PROMPT_TOKENS + 64  # what the bench wants behind its deepest
        report = self._bench("depth", "-c", context, "--extend-context")
        found = {}
        for row in report["depths"]:
            found[f"decode@{row['depth']}"] = 1e3 / row["token_ms"]
            found[f"prefill@{row['depth']}"] = shapes.PROMPT_TOKENS * 1e3 / row["prefill_ms"]
        return found

    def _measure_many(self):
        report = self._bench("shared", "-c", 2 * shapes.MANY_PREFIX, "--extend-context")
        if (report["prefix_tokens"], report["sequences"]) != (shapes.MANY_PREFIX, shapes.MANY_SEQUENCES):
            raise Failure("this cairn's `bench shared` has another shape: use the script of its own version")
        return {"many": report["sequences"] * 1e3 / report["all_step_ms"]}

    def _start(self):
        ids = ",".join(map(str, shapes.token_ids(shapes.START_PROMPT)))
        command = [self.program, "generate", *self._options(), "--prompt-tokens", ids, "-n", 1, "--temp", 0,
                   "--ignore-eos"]
        seconds, text = processes.run_to_first_line("cairn generate", command)
        return seconds, parse("cairn generate", text)["settings"]

    def _measure_start(self):
        return {"start": self._start()[0]}


def parse(name, text):
    try:
        return json.loads(text)
    except ValueError:
        raise Failure(f"{name} printed no JSON: {processes.last_line(text)}") from None
