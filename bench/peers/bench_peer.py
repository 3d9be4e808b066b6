"""A llama.cpp that somebody built: measured by its own llama-bench, and by llama-batched-bench where it lies beside."""
import json
import re
import statistics
from pathlib import Path

import processes
import shapes
from processes import Failure

FOLDERS = (".", "bin", "build/bin")  # where a checkout, a build folder and a release have their programs
ON_CPUS = ("CPU", "BLAS", "RPC", "ACCEL")


def program_at(path, name="llama-bench"):
    """The llama-bench that this path means: the program, one beside it, or one in the folder."""
    path = Path(path)
    if path.is_file():
        beside = [path] if path.name == name else [path.parent / name]
    elif path.is_dir():
        beside = [path / folder / name for folder in FOLDERS]
    else:
        raise Failure(f"there is no {path}: --peer takes npm, or the path of a built llama.cpp")
    found = next((program for program in beside if program.is_file()), None)
    if found is None:
        raise Failure(f"there is no {name} at {path}: build it (cmake --build build --target {name})")
    return found


def results(text):
    """What `llama-bench -o json` prints: a list of objects."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(row, dict) for row in found):
        raise Failure(f"llama-bench printed no JSON list: {processes.last_line(text)}")
    return found


def speed_of(rows, prompt, tokens, depth=0):
    """Tokens/s of the test with this shape: of the median of its repetitions."""
    for row in rows:
        if (row.get("n_prompt"), row.get("n_gen"), row.get("n_depth", 0)) == (prompt, tokens, depth):
            if not row.get("samples_ns"):
                break
            return (prompt + tokens) * 1e9 / statistics.median(row["samples_ns"])
    raise Failure(f"llama-bench printed no result of {prompt} + {tokens} tokens behind {depth}: is it too old for -d?")


def batched_speed(text):
    """Tokens/s that all sequences generated together: the column S_TG of the table of llama-batched-bench."""
    header = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if "S_TG t/s" in cells:
            header = cells
        elif header and len(cells) == len(header) and re.fullmatch(r"[0-9.]+", cells[header.index("S_TG t/s")]):
            return float(cells[header.index("S_TG t/s")])
    raise Failure(f"llama-batched-bench printed no table with S_TG: {processes.last_line(text)}")


def library_of(complaints):
    """The CPU build that a llama.cpp with several has loaded, as it says on standard error."""
    found = re.search(r"loaded CPU backend from .*?([^/\\\s]+)\s*$", complaints, re.MULTILINE)
    return found[1] if found else None


# The newest instruction set of the builds that llama.cpp makes for kinds of CPUs.
ISA_OF_BUILD = {"haswell": "avx2", "alderlake": "avx2", "skylakex": "avx512", "cannonlake": "avx512",
                "cascadelake": "avx512", "icelake": "avx512", "cooperlake": "avx512", "zen4": "avx512",
                "sapphirerapids": "amx"}


def isa_of_library(library):
    found = re.search(r"ggml-cpu-(\w+)", library or "")
    return ISA_OF_BUILD.get(found[1]) if found else None


def flash_of(told):
    """In the words of --flash-attention; versions of llama-bench tell it as a truth value, a number or a word."""
    return {True: "on", False: "off", -1: "auto"}.get(told, told)


class BenchPeer:
    name = "llama.cpp"

    def __init__(self, work, path):
        self.work = work
        self.program = program_at(path)
        if "many" in work.phases:
            self.batched = program_at(self.program, "llama-batched-bench")

    def facts(self):
        rows, complaints = self._bench(["-p", shapes.START_PROMPT, "-n", 0, "-r", 1])
        row = rows[0]
        library = library_of(complaints)
        backends = row.get("backends", "CPU")
        return {"name": f"llama.cpp build {row.get('build_number', '?')} ({row.get('build_commit', '?')}), llama-bench",
                "isa": isa_of_library(library), "features": [], "library": library, "backends": backends,
                "uses_more_than_cpus": not set(re.split(r"[,\s]+", backends)) <= set(ON_CPUS),
                "flash_attention": flash_of(row.get("flash_attn")), "model": row.get("model_type"),
                "threads": row.get("n_threads")}

    def measure(self, task):
        return getattr(self, f"_measure_{task}")()

    def _command(self, more):
        return [self.program, *self._options(), "-ctk", "f16", "-ctv", "f16", "-o", "json", *more]

    def _options(self):
        flash = {"auto": [], "on": ["-fa", 1], "off": ["-fa", 0]}[self.work.flash]
        return ["-m", self.work.model, "-t", self.work.threads, "-ngl", 0, *flash]

    def _bench(self, more):
        text, complaints = processes.run("llama-bench", self._command(more))
        return results(text), complaints

    def _measure_speed(self):
        prompt = shapes.PROMPT_TOKENS if "prefill" in self.work.phases else 0
        tokens = shapes.DECODE_TOKENS if "decode" in self.work.phases else 0
        rows, _ = self._bench(["-p", prompt, "-n", tokens, "-r", shapes.ROUNDS])
        found = {}
        if tokens:
            found["decode"] = speed_of(rows, 0, tokens)
        if prompt:
            found["prefill"] = speed_of(rows, prompt, 0)
        return found

    def _measure_depth(self):
        tokens = shapes.DEPTH_TOKENS * shapes.ROUNDS
        rows, _ = self._bench(["-p", shapes.PROMPT_TOKENS, "-n", tokens, "-d", ",".join(map(str, self.work.depths)),
                               "-r", shapes.DEPTH_PROMPT_ROUNDS])
        found = {}
        for depth in self.work.depths:
            found[f"decode@{depth}"] = speed_of(rows, 0, tokens, depth)
            found[f"prefill@{depth}"] = speed_of(rows, shapes.PROMPT_TOKENS, 0, depth)
        return found

    def _measure_many(self):
        tokens = shapes.MANY_TOKENS * shapes.ROUNDS
        positions = shapes.MANY_PREFIX + shapes.MANY_SEQUENCES * (tokens + 1)
        text, _ = processes.run("llama-batched-bench", [
            self.batched, *self._options(), "-c", 2 * positions, "-b", 2048, "-ub", shapes.PROMPT_TOKENS,
            "-npp", shapes.MANY_PREFIX, "-ntg", tokens, "-npl", shapes.MANY_SEQUENCES, "-pps"])
        return {"many": batched_speed(text)}

    def _measure_start(self):
        """The whole process, with a prompt and no warm-up before it."""
        seconds, text = processes.run_to_end("llama-bench", self._command(
            ["-p", shapes.START_PROMPT, "-n", 0, "-r", 1, "--no-warmup"]))
        results(text)
        return {"start": seconds}
