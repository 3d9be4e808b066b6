#!/usr/bin/env python3
"""Runs every command that README.md and docs/ name, in a short form, and compares the figures that do not depend on the
machine: bytes, counts and ratios of them.

  tools/doc_commands_test.py PROGRAM [TEST ...]

A command stands in `code` or in an indented block, and begins with cairn, build/cairn, ./dev, ctest, cmake or
tools/. Files that a document only imagines (tl.gguf, book.txt, FILE) are made here. Python's standard library only.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = None
TIMEOUT_S = 600
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
STARTS = ("cairn", "./dev", "ctest", "cmake", "tools/", "python3 tools/")
VERBS = ("generate", "chat", "tokenize", "model", "plan", "verify", "bench")
UNITS = {"B": 1, "MiB": 1 << 20, "GiB": 1 << 30, "MB": 10 ** 6, "GB": 10 ** 9}


# ---- reading documents

def commands_of(text):
    """Commands in the order of the text; one that is wrapped is joined."""
    found = []
    for line in re.findall(r"(?m)^ {4,}(\S.*)$", text):
        found.append(line)
    prose = re.sub(r"(?m)^ {4,}\S.*$", "", text)
    found += [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", prose)]
    commands = []
    for command in found:
        command = re.sub(r"^\$ ", "", command.strip()).removeprefix("build/")
        command = re.split(r" {2,}", command)[0]  # a comment behind it
        if command.startswith(STARTS) and re.match(r"\S+ \S", command):
            commands.append(command)
    return commands


def all_commands():
    return [(path, command) for path in DOCUMENTS for command in commands_of(path.read_text())]


def program_commands():
    """The words behind `cairn`, of commands of the program."""
    for path, command in all_commands():
        if not command.startswith("cairn "):
            continue
        words = shlex.split(command.split(" > ")[0])[1:]
        if re.fullmatch("[a-z]+", words[0]):
            yield path.name, command, words


def section(text, heading):
    """From a heading to the next one."""
    begin = text.index(heading)
    end = text.find("\n#", begin + len(heading))
    return text[begin:end if end >= 0 else None]


def table_rows(text):
    """Cells of each row of the tables in a text."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if not set("".join(row)) <= set("-: ")]


def numbers_of(text):
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


def agrees(said, unit, count):
    """Whether a figure, in its unit and to its digits, is this count of bytes."""
    decimals = len(said.partition(".")[2])
    return abs(float(said.replace(",", "")) - count / UNITS[unit]) <= 0.5000001 * 10 ** -decimals


def byte_figures(text):
    return re.findall(r"(\d[\d,]*(?:\.\d+)?) (B|MiB|GiB|MB|GB)\b", text)


# ---- running

def run(words, stdin=b""):
    return subprocess.run([PROGRAM, *map(str, words)], input=stdin, capture_output=True, timeout=TIMEOUT_S)


class DocCommandsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cairn-docs-")
        cls.tmp = Path(cls.folder.name)
        cls.model = cls.tmp / "tiny.gguf"
        made = run(["model", "synth", "--shape", "tiny-llama", "--context", 4096, "--type", "q8_0", cls.model])
        assert made.returncode == 0, made.stderr
        cls.text = cls.tmp / "text.txt"
        cls.text.write_text(re.sub(r"[^A-Za-z .,\n]", "", (ROOT / "README.md").read_text())[:1500])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def ok(self, words, **more):
        return self.check_done(words, run(words, **more))

    def check_done(self, words, done):
        self.assertEqual(done.returncode, 0, (words, done.stderr.decode()[-2000:]))
        return done.stdout.decode()

    def plan(self, words):
        return json.loads(self.ok([*words, "--json"]))

    def with_files(self, words):
        """Imagined files become real ones; placeholders go."""
        made = []
        for before, word in zip(["", *words], words):
            if word in ("…", "...") or (before == "--isa" and word == "…"):
                if made and made[-1].startswith("-"):
                    made.pop()
                continue
            if before in ("-m", "--model"):
                word = str(self.model)
            elif before in ("-f", "--file"):
                word = str(self.text)
            elif before == "--config":
                word = str(self.config())
            elif before == "--kv-disk":
                word = tempfile.mkdtemp(dir=self.tmp)  # commands run at once, and a folder is one's
            elif word == "PLAN":
                word = "int4"
            elif word.endswith(".gguf"):
                word = str(self.tmp / "made.gguf")
            made.append(word)
        return made

    def config(self):
        path = self.tmp / "config.json"
        path.write_text(json.dumps({"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64,
                                    "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100,
                                    "max_position_embeddings": 512}))
        return path

    def short_form(self, words):
        """The command with little to do, and what it reads from standard input; None: only its options are checked."""
        words = self.with_files(words)
        verb = words[0]
        if "--kv-remote" in words:
            return None
        if verb == "generate":
            if not {"-p", "-f", "--prompt", "--prompt-tokens"} & set(words):
                words += ["-p", "Once"]
            return [*self.without(words, "-n"), "-n", "4"], b""
        if verb == "tokenize" and not {"-p", "-f", "--decode"} & set(words):
            return [*words, "-p", "Once"], b""
        if verb == "chat":
            return [*words, "-n", "4"], b"Hello\n"
        if verb == "model" and "synth" in words:
            return self.replaced(words, "--shape", "tiny-llama"), b""
        if verb == "verify":
            if "--families" in words or words == ["verify"] or "-m" in words:
                shape = [] if "-m" in words else ["-m", self.model]
                words = self.without([w for w in words if w != "--families"], "--isa")
                return [*words, *shape, "-n", "8", "--isa", "scalar", "-t", "1"], b""
        if verb == "bench":
            return self.short_bench(words)
        if verb in ("plan", "model", "tokenize"):
            return words, b""
        return None

    def short_bench(self, words):
        subject = words[1] if len(words) > 1 and not words[1].startswith("-") else None
        tiny = [] if "-m" in words or subject == "scheduler" else ["-m", self.model]
        if subject == "cache":
            return [*self.without(self.without(words, "--lengths"), "-c"), *tiny, "--lengths", "20,100"], b""
        if subject == "codecs":
            tiny += [] if "-f" in words else ["-f", self.text]
            return [*self.without(self.without(words, "-n"), "-c"), *tiny, "-n", "300", "-c", "128"], b""
        if subject == "depth":
            return [*self.without(self.without(words, "-c"), "--depths"), *tiny, "-c", "600"], b""
        if subject == "stream":
            tiny += [] if "-f" in words else ["-f", self.text]
            return [*self.without(self.without(words, "-n"), "--kv"), *tiny, "-n", "100", "--kv", "sinks=4,window=40"], b""
        if subject == "tiers":
            return [*self.without([w for w in words if w != "--extend-context"], "-c"), *tiny, "-c", "200"], b""
        if subject == "pace":
            return [*self.without([w for w in words if w != "--extend-context"], "-c"), *tiny, "-c", "160"], b""
        if subject == "growth":
            words = self.without(self.without(self.without(words, "-c"), "--plot"), "--index-blocks")
            return [*words, *tiny, "-c", "320", "--index-blocks", "1000", "--plot", self.tmp / "growth.svg"], b""
        if subject in ("constrained", "speed", "shared", "scheduler", "speculate"):
            return [*words, *tiny], b""
        return None

    @staticmethod
    def without(words, option):
        if option not in words:
            return list(words)
        at = words.index(option)
        return [*words[:at], *words[at + 2:]]

    @staticmethod
    def replaced(words, option, value):
        at = words.index(option)
        return [*words[:at + 1], value, *words[at + 2:]]

    # ---- every command

    def test_every_command_runs(self):
        runs = {}  # of each short form; several commands may have one
        with ThreadPoolExecutor(os.cpu_count()) as at_once:  # none needs what another makes
            for document, command, words in program_commands():
                with self.subTest(document=document, command=command):
                    short = self.short_form(words)
                    if short is None or words[0] not in VERBS:
                        self.check_options(words)
                    elif (key := tuple(map(str, short[0]))) not in runs:
                        runs[key] = document, command, at_once.submit(run, *short)
        for key, (document, command, made) in runs.items():
            with self.subTest(document=document, command=command):
                self.check_done(key, made.result())
        self.assertGreater(len(runs), 15)

    def check_options(self, words):
        has_pages = words[0] in ("cache", "key", "bench") and len(words) > 1 and not words[1].startswith("-")
        names = words[:2] if has_pages else words[:1]
        page = self.ok([*names, "--help"])
        for option in (word.split("=")[0] for word in words if word.startswith("-")):
            self.assertRegex(page, rf"(?<![\w-]){re.escape(option)}\b", words)

    def kept_folder(self):
        """Where a run kept the blocks of a text."""
        folder = Path(tempfile.mkdtemp(dir=self.tmp)) / "kept"
        self.ok(["generate", "-m", self.model, "-f", self.text, "-n", "1", "--kv-disk", folder])
        return folder

    def test_cache_commands_on_what_a_run_kept(self):
        kept = self.kept_folder()
        keys = self.tmp / "keys.txt"
        self.ok(["key", "new", "alice", "--file", keys])
        name = json.loads(self.ok(["cache", "list", "--kv-disk", kept, "--json"]).splitlines()[0])["name"][:12]
        exported = self.tmp / "made.cairnkv"
        self.ok(["cache", "export", "--kv-disk", kept, "--name", name, "-o", exported])
        commands = {command: words for document, command, words in program_commands()
                    if words[0] == "cache" and len(words) > 2}  # others are only named
        self.assertGreater(len(commands), 12)
        for command, words in commands.items():
            with self.subTest(command=command):
                is_only_named = not any(word.startswith("-") for word in words)
                if "--kv-remote" in words or is_only_named:
                    self.check_options(words)
                    continue
                folder = Path(tempfile.mkdtemp(dir=self.tmp)) / "copy"
                shutil.copytree(kept, folder)
                real = {"--kv-disk": folder, "-m": self.model, "-f": self.text, "--name": name, "--api-keys": keys,
                        "-o": folder.parent / "out.cairnkv"}
                made = [real.get(before, exported if word.endswith(".cairnkv") else word)
                        for before, word in zip(["", *words], words)]
                self.ok([*made, "--yes"] if "--all" in words else made)

    def test_tests_and_tools_that_documents_name_exist(self):
        sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*_test.cc"))
        cmake = "\n".join(path.read_text() for path in [*(ROOT / "cmake").glob("*.cmake"), ROOT / "CMakeLists.txt"])
        helped = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout
        presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
        for path, command in all_commands():
            words = command.split()
            with self.subTest(document=path.name, command=command):
                if words[0] == "./dev":
                    self.assertIn(f"./dev {words[1].strip('.,;')}", helped + "./dev help")
                if words[0] in ("./dev", "ctest") and "-R" in words:
                    name = words[words.index("-R") + 1]
                    self.assertTrue(f"({name}" in sources or name in cmake, name)
                if words[0] == "cmake" and "--preset" in words:
                    self.assertIn(words[words.index("--preset") + 1], [preset["name"] for preset in presets])
                if "tools/" in words[0] or words[0] == "python3":
                    tool = words[0] if "tools/" in words[0] else words[1]
                    self.assertTrue((ROOT / tool).exists(), tool)

    # ---- figures of docs/theory.md

    def theory(self):
        return (ROOT / "docs" / "theory.md").read_text()

    def test_bytes_beside_plan_commands(self):
        rows = [(row, commands) for row in table_rows(self.theory())
                if (commands := [c for c in commands_of(" ".join(row)) if c.startswith("cairn plan")])]
        self.assertGreaterEqual(len(rows), 9)
        for row, commands in rows:
            plan = self.plan(shlex.split(commands[0])[1:])
            counts = [plan["kv_bytes"], plan["weights_bytes"] or 0,
                      *(codec["kv_bytes"] for codec in plan["codecs"]),
                      *(codec["kv_bytes_without_scales"] for codec in plan["codecs"]),
                      *(saving["kv_bytes"] for saving in plan["savings"])]
            figures = byte_figures(" ".join(cell for cell in row if "`" not in cell))
            self.assertTrue(figures, row)
            with self.subTest(row=row):
                said, unit = figures[0]
                self.assertTrue(agrees(said, unit, plan["kv_bytes"]), (figures[0], plan["kv_bytes"]))
                for said, unit in figures:
                    self.assertTrue(any(agrees(said, unit, count) for count in counts), (said, unit, counts))

    def test_the_table_of_two_readings(self):
        text = section(self.theory(), "### One table, two readings")
        command = next(c for c in commands_of(text) if c.startswith("cairn plan"))
        printed = {line.split()[0]: numbers_of(line.partition(" ")[2])
                   for line in self.ok(shlex.split(command)[1:]).splitlines() if re.match("(FP|INT)[0-9]+ ", line)}
        rows = [row for row in table_rows(text) if row[0] in printed]
        self.assertEqual(len(rows), 4)
        for row in rows:
            self.assertEqual(numbers_of(" ".join(row[1:])), printed[row[0]], row)

    def test_what_windows_keep(self):
        text = section(self.theory(), "### What windows keep")
        groups, forgetting = [shlex.split(c)[1:] for c in commands_of(text) if c.startswith("cairn plan")]
        printed = self.ok(groups)
        table = re.findall(r"(?m)^    (\S.*)$", text)
        self.assertEqual(len(table), 3)
        for line in table:
            self.assertIn(line, printed)
        plan, flat = self.plan(groups), self.plan(forgetting)
        without = plan["saved"][0]["kv_bytes_without"]
        said = [agrees(*said, count) for said, count in
                zip(byte_figures(text), (plan["resume_bytes"], without, flat["kv_bytes"]), strict=True)]
        self.assertEqual(said, [True] * 3)
        self.assertIn(f"save {100 * plan['saved'][0]['saves_bytes'] / without:.0f} %", text)

    def test_blocks_of_a_shared_prefix(self):
        text = section(self.theory(), "### A prefix that many share")
        command = next(c for c in commands_of(text) if c.startswith("cairn plan"))
        shared = self.plan(shlex.split(command)[1:])["shared_prefix"]
        sentence = re.sub(r"\s+", " ", text)
        self.assertIn(f"{shared['shared_blocks']} blocks for the prefix and {shared['blocks_of_each']} for each: "
                      f"{shared['blocks']} instead of {shared['blocks_without_sharing']:,}", sentence)

    def test_counted_scores(self):
        text = section(self.theory(), "## What it saves")
        said = {int(numbers_of(row[0])[0]): numbers_of(" ".join(row[1:]))
                for row in table_rows(text) if row[0][:1].isdigit()}
        formulas = {n: [sum(t * t for t in range(n + 1)), sum(t * (t + 1) // 2 for t in range(n + 1)),
                        n * (n + 1) // 2] for n in said}
        self.assertEqual(said, formulas)
        rows = json.loads(self.ok(["bench", "cache", "-m", self.model, "--lengths", "100,500", "--json"]))["lengths"]
        for row in rows:
            n = row["tokens"]
            self.assertTrue(row["formulas_agree"], row)
            self.assertEqual((row["whole_square_scores"], row["without_scores"], row["with_scores"]),
                             (sum(t * t for t in range(n + 1)), sum(t * (t + 1) // 2 for t in range(n + 1)),
                              n * (n + 1) // 2))
            self.assertEqual((row["without_positions"], row["with_positions"]), (n * (n + 1) // 2, n))

    # ---- figures of README.md and docs/kv.md

    def test_bytes_that_a_token_reads_at_depth(self):
        readme = (ROOT / "README.md").read_text()
        rows = [row for row in table_rows(readme) if re.fullmatch(r"[\d.]+ MB", row[1])]
        self.assertGreaterEqual(len(rows), 3)
        shape = ["plan", "--layers", 22, "--heads", 32, "--kv-heads", 4, "--head-dim", 64]  # TinyLlama's
        codecs = {codec["kv"]: codec["kv_bytes_per_token"] for codec in self.plan(shape)["codecs"]}
        for row in rows:
            said, unit = byte_figures(row[1])[0]
            format_name = re.match(r"(?:k=)?(\w+)", row[0])[1]  # of one format's codecs, all take as much
            self.assertTrue(agrees(said, unit, codecs[format_name] * 16384), (row, codecs[format_name] * 16384))

    def test_bits_and_bytes_of_codecs(self):
        """The table of docs/kv.md: what each plan takes on the demo model."""
        text = section((ROOT / "docs" / "kv.md").read_text(), "### What they cost")
        rows = re.findall(r"(?m)^    (\S+)  +(\d+\.\d)  +(\d+)  +(\d+)  ", text)
        self.assertGreaterEqual(len(rows), 14)
        short = ["bench", "codecs", "-f", self.text, "-n", "40", "-c", "64", "--json"]
        made = json.loads(self.ok([*short, "--every-codec"]))
        found = {row["kv"]: row for row in made["codecs"]}
        elements = 2 * 6 * 2 * 64
        for plan, bits, bytes_of_token, open_bytes in rows:
            self.assertEqual(int(bytes_of_token), found[plan]["position_bytes"], plan)
            self.assertEqual(int(open_bytes), found[plan]["open_bytes"], plan)
            self.assertEqual(float(bits), round(int(bytes_of_token) * 8 / elements + 1e-9, 1), plan)

    def test_divergence_on_a_text_that_every_clone_has(self):
        """Its last digits belong to the machine."""
        text = section((ROOT / "docs" / "kv.md").read_text(), "### What they cost")
        made = json.loads(self.ok(["bench", "codecs", "-f", ROOT / "LICENSE", "--f32-weights", "--kv", "int4:channel:hadamard",
                                   "--json"]))["codecs"][0]
        self.assertIn(f"{made['positions']:,} predictions", text)
        [(perplexity, divergence)] = re.findall(r"(?m)^    int4:channel:hadamard  +(\d+\.\d{4})  +(0\.\d+)  ", text)
        self.assertAlmostEqual(made["perplexity"], float(perplexity), delta=0.005 * float(perplexity))
        self.assertAlmostEqual(made["divergence"], float(divergence), delta=0.02 * float(divergence))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
