#!/usr/bin/env python3
"""Runs the program from outside, as users and scripts do.

  tools/cli_test.py PROGRAM [TEST ...]

Checks exit codes, that standard output stays clean, what --json holds, what bad input leads to, and that the
same logits come out whatever --cache is and however the work is cut. It needs no model: it has the program make
a tiny one; where ../shared is there, the trained stories260K is run too. Python's standard library only.
"""
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from xml.etree import ElementTree

import plan_check
import serve_testing
from serve_testing import is_sanitized

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = ROOT / ".." / "shared" / "models" / "families"
STORIES = ROOT / ".." / "shared" / "models" / "stories260K" / "stories260K.gguf"
PROGRAM = None
TIMEOUT_S = 120


def run(*arguments, stdin=b"", env=None, **more):
    """The finished process; its output as bytes."""
    return subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, timeout=TIMEOUT_S,
                          env={**os.environ, "NO_COLOR": "1", **(env or {})}, **more)


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cairn-cli-")
        cls.tmp = Path(cls.folder.name)
        cls.model = cls.tmp / "tiny.gguf"
        done = run("model", "synth", "--shape", "tiny-llama", "--type", "q8_0", "--seed", 3, cls.model)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def ok(self, *arguments, **more):
        done = run(*arguments, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def fails(self, code, *arguments, says=None, **more):
        """Fails with this code (or one of them), in words, and prints nothing on standard output."""
        done = run(*arguments, **more)
        codes = code if isinstance(code, tuple) else (code,)
        self.assertIn(done.returncode, codes, (done.stdout, done.stderr))
        self.assertEqual(done.stdout, b"")
        error = done.stderr.decode()
        self.assertRegex(error, r"(?m)^cairn: .")
        if says is not None:
            self.assertIn(says, error)
        return error

    def generate(self, *arguments, model=None, **more):
        threads = [] if "-t" in arguments else ["-t", 1]  # a busy machine makes two threads wait for each other
        out = self.ok("generate", "-m", model or self.model, "--json", *threads, *arguments, **more)
        self.assertEqual(out.count(b"\n"), 1)
        return json.loads(out)

    def long_model(self):
        """One that can talk for minutes."""
        path = self.tmp / "long.gguf"
        if not path.exists():
            self.ok("model", "synth", "--shape", "tiny-llama", "--context", 200000, path)
        return path

    # ---- help and usage

    def test_teaches(self):
        for arguments in ([], ["--help"], ["help"]):
            self.assertIn(b'cairn generate -p "Once upon a time"', self.ok(*arguments))
        self.assertRegex(self.ok("--version"), rb"^cairn \d+\.\d+\.\d+\n$")
        for command in ("generate", "chat", "tokenize", "model", "plan", "verify", "bench"):
            self.assertIn(b"Example", self.ok(command, "--help"))

    def test_bad_usage(self):
        self.fails(2, "generat", says="did you mean generate?")
        self.fails(2, "generate", "--tmep", "0", says="did you mean --temp?")
        self.fails(2, "generate", says="-p TEXT")
        self.fails(2, "generate", "-p", "a", "-f", "b", says="two prompts")
        self.fails(2, "generate", "-p", "a", "--isa", "sse9", says="sse9")
        self.fails(2, "generate", "-p", "a", "--cache", "half", says="paged")
        self.fails(2, "generate", "-p", "a", "--kv", "f8", says="f16")
        self.fails(2, "generate", "-p", "a", "-t", "0", says="-t")
        self.fails(2, "generate", "-p", "a", "--prompt-tokens", "1,x", says="'x'")
        self.fails(2, "model", "synth", "--shape", "nothing", self.tmp / "x", says="tiny-llama")
        self.fails(2, "generate", "-m", self.model, "-p", "a", "--top-p", "2", says="top-p")
        self.fails(2, "generate", "-m", self.model, "-p", "a", "--logit-bias", "99999999=1", says="99999999")
        self.fails(2, "generate", "-m", self.model, "-p", "a", "-c", 10 ** 8, says="made for 1 to")

    # ---- models

    def test_bad_models(self):
        self.fails(1, "generate", "-m", self.tmp / "none.gguf", "-p", "a", says="none.gguf")
        self.fails(1, "generate", "-p", "a", env={"CAIRN_DEMO_MODEL": "/nowhere/x"}, says="CAIRN_DEMO_MODEL")
        data = self.model.read_bytes()
        bad = self.tmp / "bad.gguf"
        for content in (b"", b"GG", data[:100], data[:len(data) // 2], data[:-1], b"XXXX" + data[4:],
                        b"#!/bin/sh\necho hello\n" * 99):
            bad.write_bytes(content)
            for command in (["generate", "-p", "a"], ["model"], ["tokenize", "-p", "a"]):
                error = self.fails(1, *command, "-m", bad)
                self.assertEqual(error.count("\n"), 1, error)
        empty = self.tmp / "empty-folder"
        empty.mkdir()
        self.fails(1, "generate", "-m", empty, "-p", "a", says="config.json")
        self.fails((1, 2), "generate", "-m", "/dev/null", "-p", "a", says="/dev/null")
        renamed = self.tmp / "renamed.gguf"
        renamed.write_bytes(data.replace(b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0llama",
                                         b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0lemma"))
        if renamed.read_bytes() != data:
            self.fails(1, "generate", "-m", renamed, "-p", "a", says="lemma")

    def test_describes_a_model(self):
        text = self.ok("model", "-m", self.model).decode()
        for word in ("llama", "parameters", "context", "q8_0", "chat template", "KV bytes", "tokenizer"):
            self.assertIn(word, text)
        facts = json.loads(self.ok("model", "-m", self.model, "--json"))
        self.assertTrue(facts["runs_here"])
        config = facts["config"]
        row = 2 * config["layer_count"] * config["kv_head_count"] * config["head_dim"]
        costs = facts["kv_bytes_per_position"]
        self.assertEqual((costs["f32"], costs["f16"]), (4 * row, 2 * row))
        self.assertGreater(costs["f16"], costs["int8"])
        self.assertGreater(costs["int8"], costs["int4"])
        self.assertEqual(facts["file_bytes"], self.model.stat().st_size)
        self.assertEqual(sum(t["element_count"] for t in facts["tensor_types"]), facts["parameter_count"])
        self.assertEqual(self.ok("model", "-m", self.model, "--path").decode(), f"{self.model}\n")
        self.assertIn(b"general.architecture = ", self.ok("model", "-m", self.model, "--metadata"))
        self.assertIn("general.architecture", json.loads(self.ok("model", "-m", self.model, "--metadata", "--json")))

    def test_finds_the_demo_model(self):
        named = {"CAIRN_DEMO_MODEL": str(self.model)}
        self.assertEqual(self.ok("model", "--path", env=named).decode(), f"{self.model}\n")

    def test_synth_repeats_itself(self):
        again, other = self.tmp / "again.gguf", self.tmp / "other.gguf"
        done = run("model", "synth", "--shape", "tiny-llama", "--type", "q8_0", "--seed", 3, again)
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        self.ok("model", "synth", "--shape", "tiny-llama", "--type", "q8_0", "--seed", 4, other)
        self.assertEqual(again.read_bytes(), self.model.read_bytes())
        self.assertNotEqual(other.read_bytes(), self.model.read_bytes())
        self.fails((1, 2), "model", "synth", "--shape", "tiny-llama", self.tmp / "no" / "such" / "folder",
                   says="No such file")

    # ---- prompts

    def test_bad_prompts(self):
        self.fails(2, "generate", "-m", self.model, "-p", "", says="empty")
        self.fails(2, "generate", "-m", self.model, "-p", "-", says="empty")
        self.fails(2, "generate", "-m", self.model, "--prompt-tokens", "", says="empty")
        self.fails(2, "generate", "-m", self.model, "--prompt-tokens", "1,999999", says="999999")
        self.fails(2, "generate", "-m", self.model, "-p", "-", stdin=b"caf\xe9", says="UTF-8")
        self.fails(2, "generate", "-m", self.model, "-p", b"caf\xe9".decode(errors="surrogateescape"), says="UTF-8")
        self.fails(1, "generate", "-m", self.model, "-f", self.tmp / "none.txt", says="none.txt")
        error = self.fails(2, "generate", "-m", self.model, "-c", 16, "-p", "word " * 100, says="context")
        self.assertIn("16", error)

    def test_prompts_come_from_anywhere(self):
        text = "Once upon a time"
        file = self.tmp / "prompt.txt"
        file.write_text(text + "\n")
        one = self.generate("-p", text, "-n", 4, "--temp", 0)
        ids = ",".join(map(str, one["prompt_token_ids"]))
        others = [self.generate("-p", "-", "-n", 4, "--temp", 0, stdin=text.encode()),
                  self.generate("-p", "-", "-n", 4, "--temp", 0, stdin=text.encode() + b"\n"),
                  self.generate("-f", file, "-n", 4, "--temp", 0),
                  self.generate("--prompt-tokens", ids, "-n", 4, "--temp", 0)]
        for other in others:
            for key in ("prompt_token_ids", "tokens", "text", "logits_sha256"):
                self.assertEqual(other[key], one[key])

    # ---- generating

    def test_json_holds_what_scripts_read(self):
        one = self.generate("-p", "Hello", "-n", 5, "--temp", 0, "--ignore-eos")
        self.assertEqual(one["prompt_tokens"], len(one["prompt_token_ids"]))
        self.assertEqual(len(one["tokens"]), 5)
        self.assertEqual(one["finish_reason"], "length")
        self.assertRegex(one["logits_sha256"], "^[0-9a-f]{64}$")
        self.assertEqual(one["sampled_steps"], 5)
        for key in ("ttft_ms", "tpot_ms", "kv_bytes", "kv_pool_bytes", "peak_rss_bytes"):
            self.assertGreater(one[key], 0, key)
        self.assertGreaterEqual(one["kv_pool_bytes"], one["kv_bytes"])

    def test_text_and_statistics_stay_apart(self):
        done = run("generate", "-m", self.model, "-p", "Hello", "-n", 5, "--temp", 0, "--ignore-eos")
        self.assertEqual(done.returncode, 0, done.stderr)
        one = self.generate("-p", "Hello", "-n", 5, "--temp", 0, "--ignore-eos")
        text = one["text"]
        self.assertEqual(done.stdout.decode(), text if text.endswith("\n") or not text else text + "\n")
        error = done.stderr.decode()
        for word in ("TTFT", "TPOT", "tokens/s", "KV", "thread", "context", "paged", "f16", "seed"):
            self.assertIn(word, error)
        self.assertNotIn("\r", error)
        self.assertNotIn("\x1b", error)

    def test_seeds_decide(self):
        hot = ("-p", "Hello", "-n", 12, "--temp", 1.5, "--top-k", 0, "--top-p", 1, "--min-p", 0, "--ignore-eos")
        first = self.generate(*hot, "--seed", 5)
        self.assertEqual(self.generate(*hot, "--seed", 5)["tokens"], first["tokens"])
        self.assertNotEqual(self.generate(*hot, "--seed", 6)["tokens"], first["tokens"])
        told = self.generate(*hot)
        self.assertEqual(self.generate(*hot, "--seed", told["settings"]["seed"])["tokens"], told["tokens"])

    def test_bias_bends_tokens_but_not_the_digest(self):
        plain = self.generate("-p", "Hello", "-n", 1, "--temp", 0, "--ignore-eos")
        token = plain["tokens"][0]
        bent = self.generate("-p", "Hello", "-n", 1, "--temp", 0, "--ignore-eos", "--logit-bias", f"{token}=-inf")
        self.assertNotEqual(bent["tokens"][0], token)
        self.assertEqual(bent["logits_sha256"], plain["logits_sha256"])

    def test_the_cache_and_the_cut_change_nothing(self):
        models = [self.model] + ([STORIES] if STORIES.exists() else [])
        for model in models:
            base = ("-p", "Once upon a time there was a little girl", "-n", 40, "--temp", 0, "--ignore-eos", "-c", 128)
            for kv in ("f32", "f16", "bf16"):
                truth = self.generate(*base, "--kv", kv, "--cache", "none", "-t", 1, model=model)
                self.assertEqual(len(truth["tokens"]), 40)
                ways = [("--cache", cache, "-t", 2) for cache in ("growing", "contiguous", "paged")]
                ways += [("--prefill-chunk", chunk) for chunk in (1, 7, 64)] if kv == "f16" else []
                for way in ways:
                    other = self.generate(*base, "--kv", kv, *way, model=model)
                    self.assertEqual(other["logits_sha256"], truth["logits_sha256"], (model.name, kv, way))
                    self.assertEqual(other["tokens"], truth["tokens"])

    def test_guessing_ahead_changes_nothing(self):
        prompt = "one two three four, one two three four, one two three"
        guessed = 0
        for options in (["--temp", 0], ["--temp", 0.8, "--seed", 3], ["--temp", 0, "--kv", "int8"],
                        ["--temp", 0, "--kv", "k=int8:channel,v=f16,window=20"], ["--temp", 0, "--cache", "growing"]):
            asked = ["-p", prompt, "-n", 100, "--ignore-eos", *options]
            plain = self.generate(*asked)
            ahead = self.generate(*asked, "--speculate", "lookup")
            self.assertEqual(plain["tokens"], ahead["tokens"], options)
            self.assertEqual(plain["logits_sha256"], ahead["logits_sha256"], options)
            self.assertEqual(plain["draft_tokens"], 0)
            self.assertEqual([one["settings"]["speculate"] for one in (plain, ahead)], ["off", "lookup"])
            self.assertLessEqual(ahead["accepted_draft_tokens"], ahead["draft_tokens"])
            guessed += ahead["draft_tokens"]
        self.assertGreater(guessed, 0)
        self.fails(2, "generate", "-p", "x", "--cache", "none", "--speculate", "lookup", says="need a cache")
        self.fails(2, "generate", "-p", "x", "--draft-model", "", says="names no file")
        self.fails(2, "generate", "-p", "x", "-n", 2, "--beams", 2, "--speculate", "lookup", says="--beams")
        # Another vocabulary is no draft, which --check-config says before a server starts.
        self.fails(2, "serve", "--draft-model", self.model, "--check-config", says="another vocabulary")

    @unittest.skipUnless(shutil.which("qemu-x86_64"), "qemu-x86_64 is not installed: no older processor is emulated")
    def test_a_processor_with_avx2_alone(self):
        haswell = ["qemu-x86_64", "-cpu", "Haswell", PROGRAM]
        if subprocess.run([*haswell, "--version"], capture_output=True).returncode != 0:
            self.skipTest("this build does not run under qemu-user (a sanitizer, or no x86-64 program)")
        arguments = ["generate", "-m", str(self.model), "-p", "ab", "-n", "8", "--temp", "0", "-t", "1"]
        for isa in ([], ["--isa", "scalar"]):
            done = subprocess.run([*haswell, *arguments, *isa], capture_output=True, timeout=TIMEOUT_S)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, self.ok(*arguments, "--isa", isa[1] if isa else "avx2"))

    @unittest.skipUnless(STORIES.exists(), "../shared is not there: stories260K is not run")
    def test_stories_equal_the_reference_program(self):
        for path in sorted((STORIES.parent / "golden").glob("stories260K.p*.json")):
            golden = json.loads(path.read_text())
            got = self.generate("--prompt-tokens", ",".join(map(str, golden["prompt_ids"])), "-n", 64, "--temp", 0, "--kv", "f32",
                                "--ignore-eos", model=STORIES)
            self.assertEqual(got["tokens"], golden["greedy_ids"][:64], path.name)

    @unittest.skipUnless(FAMILIES.is_dir(), "../shared is not there: its families are not run")
    def test_every_family_runs_from_both_kinds_of_file(self):
        for model in sorted([*FAMILIES.glob("*/model.gguf"), *FAMILIES.glob("*/hf")]):
            base = ("--prompt-tokens", "5,9,20,7", "-n", 6, "--temp", 0, "--ignore-eos", "-c", 64)
            truth = self.generate(*base, "--cache", "none", model=model)
            self.assertEqual(self.generate(*base, model=model)["logits_sha256"], truth["logits_sha256"], model)
            self.assertTrue(json.loads(self.ok("model", "-m", model, "--json"))["runs_here"])

    # ---- several texts

    def test_samples_that_fail_show_what_there_is_of_them(self):
        # Two blocks of 32 positions: no sample can have 200 tokens.
        few = ("generate", "-m", self.model, "-p", "Hello", "--ignore-eos", "--kv-memory", "40KiB", "-n", 200, "-t", 1)
        done = run(*few, "--samples", 3)
        self.assertEqual(done.returncode, 1, done.stderr)
        for i in (1, 2, 3):
            self.assertRegex(done.stdout, rb"(?m)^\[%d of 3\]...." % i)
        self.assertIn(b"cairn: texts 1, 2 and 3 of 3 failed: the cache's memory is full at position 64: ask for more "
                      b"--kv-memory or", done.stderr)
        self.assertIn(b" prompt tokens", done.stderr)  # the statistics
        done = run(*few, "--samples", 3, "--json")
        self.assertEqual(done.returncode, 1, done.stderr)
        for one in json.loads(done.stdout)["continuations"]:
            self.assertEqual(one["finish_reason"], "error")
            self.assertIn("--kv-memory", one["error"])
            self.assertGreater(len(one["tokens"]), 20)
        enough = self.generate("-p", "Hello", "--ignore-eos", "-n", 20, "--samples", 3)
        self.assertFalse(any("error" in one for one in enough["continuations"]))

    def test_a_text_that_fails_shows_what_there_is_of_it(self):
        few = ("generate", "-m", self.model, "-p", "Hello", "--ignore-eos", "--kv-memory", "40KiB", "-n", 200, "-t", 1)
        done = run(*few)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertGreater(len(done.stdout), 20)
        self.assertRegex(done.stderr, rb"(?s)TTFT.*failed\ncairn: the cache's memory is full .*--kv-memory")
        done = run(*few, "--json")
        self.assertEqual(done.returncode, 1, done.stderr)
        one = json.loads(done.stdout)
        self.assertEqual(one["finish_reason"], "error")
        self.assertIn("--kv-memory", one["error"])
        self.assertGreater(len(one["tokens"]), 20)

    def test_sizes_that_nothing_would_keep_are_refused(self):
        for cache in ("none", "contiguous"):
            self.fails(2, "generate", "-m", self.model, "-p", "a", "--cache", cache, "--kv-memory", "1MiB",
                       says=f"--cache {cache}")
        self.generate("-p", "a", "-n", 2, "--cache", "growing", "--kv-memory", "1MiB")
        for many in ("--samples", "--beams"):
            self.fails(2, "generate", "-m", self.model, "-p", "a", many, 100000, says=many)
            self.fails(2, "generate", "-m", self.model, "-p", "a", many, 0, says=many)

    def test_samples_are_written_in_their_order_and_as_each_alone(self):
        hot = ("-p", "Hello", "-n", 12, "--temp", 1.5, "--ignore-eos", "--seed", 5)
        many = self.generate(*hot, "--samples", 4)
        self.assertEqual(len({tuple(one["tokens"]) for one in many["continuations"]}), 4)
        self.assertEqual(many["continuations"][0]["tokens"], self.generate(*hot)["tokens"])
        self.assertEqual(many["token_count"], 48)
        self.assertGreater(many["tokens_per_second"], 0)
        self.assertGreater(many["ttft_ms"], 0)
        done = run("generate", "-m", self.model, *hot, "--samples", 4, "-t", 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = "".join(f"[{i + 1} of 4]" + one["text"] + ("" if one["text"].endswith("\n") else "\n")
                           for i, one in enumerate(many["continuations"]))
        self.assertEqual(done.stdout.decode(), expected)
        self.assertRegex(done.stderr, rb"prompt tokens, TTFT .*; 4 texts, 48 tokens \([\d.]+ tokens/s\)")

    def test_several_texts_take_memory_for_their_tokens(self):
        # The context of 200,000 positions would take gigabytes for each.
        for many in (["--samples", 8], ["--beams", 8]):
            out = self.generate("-p", "Hello", "-n", 20, "-c", 200000, "--ignore-eos", *many, model=self.long_model())
            self.assertEqual([len(one["tokens"]) for one in out["continuations"]], [20] * 8)
            self.assertLess(out["kv_bytes"], 1 << 20)
            if not is_sanitized():
                self.assertLess(out["peak_rss_bytes"], 200 << 20)

    def beams(self, *arguments):
        return self.generate("-p", "Hello", "-n", 8, "--beams", 4, *arguments)["continuations"]

    def test_beams_keep_what_was_asked_for(self):
        free = self.beams("--ignore-eos")
        self.assertEqual([len(one["tokens"]) for one in free], [8] * 4)
        likelihoods = [one["log_probability"] for one in free]
        self.assertEqual(likelihoods, sorted(likelihoods, reverse=True))
        first = free[0]["tokens"][0]
        for one in self.beams("--ignore-eos", "--logit-bias", f"{first}=-inf"):
            self.assertNotIn(first, one["tokens"])
        stop = next(c for one in free for c in one["text"] if c.isascii() and c.isalpha())
        stopped = self.beams("--ignore-eos", "--stop", stop)
        self.assertTrue(any(one["finish_reason"] == "stop string" for one in stopped))
        for one in stopped:
            self.assertNotIn(stop, one["text"])
        penalised = self.beams("--ignore-eos", "--frequency-penalty", 50)[0]["tokens"]
        self.assertEqual(len(set(penalised)), len(penalised))
        rewarded = self.beams("--ignore-eos", "--frequency-penalty", -50)[0]["tokens"]
        self.assertLess(len(set(rewarded)), len(rewarded))
        for drawn in (["--temp", 0.5], ["--top-k", 3], ["--top-p", 0.5], ["--min-p", 0.5], ["--seed", 3]):
            self.fails(2, "generate", "-m", self.model, "-p", "a", "--beams", 2, *drawn, says=drawn[0])
        full = self.generate("-p", "Hello", "-n", -1, "-c", 16, "--beams", 2, "--ignore-eos")["continuations"]
        self.assertEqual(full[0]["finish_reason"], "context full")

    def test_interrupted_texts_show_what_there_is_of_them(self):
        for many, words in ((["--beams", 2], b"log p"), (["--samples", 2], b"2 of 2")):
            done = subprocess.Popen([PROGRAM, "generate", "-m", str(self.long_model()), "-p", "a", "-n", "190000", "-c",
                                     "200000", "--ignore-eos", *map(str, many)], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
            self.assertTrue(done.stderr.readline())  # the model is loaded
            time.sleep(1)
            done.send_signal(signal.SIGINT)
            out, error = done.communicate(timeout=TIMEOUT_S)
            self.assertEqual(done.returncode, 130, error)
            self.assertRegex(out, rb"(?s)\[1 of 2.*\].+\n\[2 of 2")
            self.assertIn(words, out)
            self.assertRegex(error, rb"2 texts, \d+ tokens \([\d.]+ tokens/s\)")

    # ---- how a text ends

    def test_a_full_context_is_not_its_length(self):
        full = self.generate("-p", "Hello", "-n", -1, "-c", 16, "--temp", 0, "--ignore-eos")
        self.assertEqual(full["finish_reason"], "context full")
        self.assertEqual(full["prompt_tokens"] + len(full["tokens"]), 17)  # the last one is never run
        exact = self.generate("-p", "Hello", "-n", len(full["tokens"]), "-c", 16, "--temp", 0, "--ignore-eos")
        self.assertEqual((exact["finish_reason"], exact["tokens"]), ("length", full["tokens"]))
        done = run("generate", "-m", self.model, "-p", "Hello", "-n", 100, "-c", 16, "--temp", 0, "--ignore-eos")
        self.assertIn(b"the context is full", done.stderr)

    def test_a_larger_context_is_advised_only_where_there_is_one(self):
        most = json.loads(self.ok("model", "-m", self.model, "--json"))["config"]["context_length"]
        ids = ",".join(["5"] * (most + 1))
        error = self.fails(2, "generate", "-m", self.model, "--prompt-tokens", ids, "-c", most, says="made for no more")
        self.assertNotIn("larger", error)
        self.fails(2, "generate", "-m", self.model, "--prompt-tokens", ids, "-c", 16, says=f"--context (at most {most})")

    def test_a_text_without_end(self):
        most = json.loads(self.ok("model", "-m", self.model, "--json"))["config"]["context_length"]
        plan = ("--kv", "sinks=4,window=60", "--temp", 0, "--ignore-eos")
        endless = self.generate("-p", "Hello", "--endless", "-n", most + 100, *plan)
        self.assertEqual((len(endless["tokens"]), endless["finish_reason"]), (most + 100, "length"))
        self.assertIsNone(endless["settings"]["context"])
        # The same as a cache that keeps all, and in memory that does not depend on the length.
        kept = self.generate("-p", "Hello", "-c", most + 200, "-n", most + 100, "--cache", "contiguous", *plan)
        self.assertEqual((kept["tokens"], kept["logits_sha256"]), (endless["tokens"], endless["logits_sha256"]))
        short = self.generate("-p", "Hello", "--endless", "-n", 200, *plan)
        self.assertEqual(short["kv_pool_bytes"], endless["kv_pool_bytes"])
        self.assertLess(endless["kv_bytes"], kept["kv_bytes"] / 4)

    def test_a_text_without_end_is_refused_with_a_reason(self):
        self.fails(2, "generate", "-m", self.model, "-p", "x", "--endless", "--kv", "f16", says="layer 0 keeps all")
        self.fails(2, "generate", "-m", self.model, "-p", "x", "--endless", "-c", 64, says="--context")
        self.fails(2, "generate", "-m", self.model, "-p", "x", "--endless", "--cache", "none", says="paged")
        self.fails(2, "generate", "-m", self.model, "-p", "x", "--endless", "--samples", 2, says="-n")
        self.fails(2, "generate", "-m", self.model, "-p", "x", "--endless", "--beams", 2, says="-n")
        empty = self.tmp / "empty.txt"
        empty.write_text("")
        self.fails(2, "bench", "stream", "-m", self.model, "-f", empty, says="no text")
        self.fails(2, "generate", "-m", self.model, "-p", "x", "--endless", "--kv", "window=1000000",
                   says="more than the")
        gpt2 = self.tmp / "gpt2.gguf"
        self.ok("model", "synth", "--shape", "tiny-gpt2", gpt2)
        self.fails(2, "generate", "-m", gpt2, "-p", "x", "--endless", "--kv", "window=20", says="table of")
        self.fails(2, "generate", "-m", self.model, "-p", "x", "--kv", "sinks=4", says="window")

    def test_benches_count_what_windows_keep(self):
        gemma = self.tmp / "gemma3.gguf"
        mistral = self.tmp / "mistral.gguf"
        self.ok("model", "synth", "--shape", "tiny-gemma3", gemma)
        self.ok("model", "synth", "--shape", "tiny-mistral", mistral)
        for arguments in (("-m", gemma), ("-m", mistral), ("-m", self.model, "--kv", "window=20"),
                          ("-m", self.model, "--kv", "layer 0: int8; rest: sinks=4,window=70")):
            cost = json.loads(self.ok("bench", "shared", "-t", 1, "-c", 700, "--json", *arguments))
            self.assertEqual(cost["used_bytes"], cost["expected_bytes"], arguments)
            rows = json.loads(self.ok("bench", "cache", "-t", 1, "--lengths", "40,200", "--json", *arguments))["lengths"]
            self.assertTrue(all(row["formulas_agree"] for row in rows), (arguments, rows))

    def test_bench_stream(self):
        text = self.tmp / "stream.txt"
        text.write_text("Words that go on for a while. " * 20)
        parts = json.loads(self.ok("bench", "stream", "-m", self.model, "-f", text, "-n", 200, "-t", 1, "--json", "--kv",
                                   "sinks=4,window=40"))["stream"]
        self.assertEqual([part["tokens"] for part in parts], [20 * (1 + i % 10) for i in range(20)])
        self.assertEqual({part["kv"] for part in parts}, {"sinks=4,window=40", "without sinks"})
        self.assertTrue(all(part["perplexity"] > 1 for part in parts))
        self.assertEqual(len({part["used_bytes"] for part in parts[6:10]}), 1)
        self.fails(2, "bench", "stream", "-m", self.model, "-n", 10, "--kv", "f16", says="keeps all")

    def test_bench_rounds_and_depths(self):
        of_tiny = ("-m", self.model, "-t", 1, "--json")
        speed = json.loads(self.ok("bench", "speed", *of_tiny, "--rounds", 1))
        self.assertGreater(speed["decode_ms"], 0)
        deep = json.loads(self.ok("bench", "depth", *of_tiny, "--depths", "64,0,64", "--kv", "f16"))
        self.assertEqual([(row["depth"], row["kv"]) for row in deep["depths"]], [(0, "f16"), (64, "f16")])
        self.fails(2, "bench", "depth", *of_tiny, "--depths", 64, "-c", 639, says="at least 640 positions")
        self.fails(2, "bench", "depth", *of_tiny, "--depths", 1000000, says="--extend-context")

    def test_bench_growth(self):
        short = ("bench", "growth", "-m", self.model, "-t", 1, "-c", 320, "--index-blocks", 1000)
        plot = self.tmp / "growth.svg"
        plot.write_text("an older plot")
        result = json.loads(self.ok(*short, "--plot", plot, "--json"))
        self.assertEqual(result["threads"], 1)
        points = {}
        for point in result["points"]:
            points.setdefault((point["what"], point["by"], point["unit"]), []).append(point)
            self.assertLessEqual(0, point["least"])
            self.assertLessEqual(point["least"], point["median"])
            self.assertLessEqual(point["median"], point["most"])
        self.assertEqual({key: [point["x"] for point in of_key] for key, of_key in points.items()},
                         {("a token", "depth (positions)", "ms"): [0, 256],
                          ("a step", "sequences", "ms"): [1, 2, 4, 8, 16, 32],
                          ("a token of it", "sequences", "ms"): [1, 2, 4, 8, 16, 32],
                          ("a known prompt of 50 blocks", "blocks in the index", "us"): [1000],
                          ("an unknown one", "blocks in the index", "us"): [1000],
                          ("a new block", "blocks in the index", "us"): [1000],
                          ("a token", "threads", "ms"): [1],
                          ("a token of a prompt of 256", "threads", "ms"): [1]})
        drawn = ElementTree.parse(plot).getroot()
        self.assertEqual(len(drawn.findall("{http://www.w3.org/2000/svg}circle")), len(result["points"]))
        self.assertIn("tiny.gguf", "".join(drawn.itertext()))
        rows = self.ok(*short, "--csv").decode().splitlines()
        self.assertEqual(rows[0], "what,by,x,median,least,most,unit")
        self.assertEqual(len(rows), 1 + len(result["points"]))
        # What cannot be written is refused before a model is looked for.
        nowhere = ("bench", "growth", "-m", self.tmp / "none.gguf", "--plot")
        self.fails(2, *nowhere, self.tmp / "no" / "growth.svg", says="growth.svg")
        self.fails(2, *nowhere, self.tmp, says="no regular file")
        self.fails(1, *nowhere, plot, says="none.gguf")
        ElementTree.parse(plot)  # is as it was
        self.assertEqual([path.name for path in self.tmp.iterdir() if "growth" in path.name], ["growth.svg"])
        self.fails(2, "bench", "growth", "-m", self.model, "-c", 319, "--index-blocks", 1000, says="--context")

    # ---- words

    def test_options_are_checked_before_the_model_is_loaded(self):
        nowhere = ("generate", "-m", self.tmp / "none.gguf", "-p", "a")
        for wrong in (["--top-p", 2], ["--temp", -1], ["--stop", ""], ["--samples", 0], ["--repeat-penalty", 0],
                      ["--samples", 2, "--beams", 2], ["--beams", 2, "-n", 0]):
            self.fails(2, *nowhere, *wrong)
        # What needs the vocabulary, too: the file's last byte, of its weights, is never read.
        cut = self.tmp / "unread.gguf"
        cut.write_bytes(self.model.read_bytes())
        for wrong in (["--logit-bias", "99999999=1"], ["-c", 10 ** 8]):
            self.fails(2, "generate", "-m", cut, "-p", "a", *wrong)

    def test_other_programs_words(self):
        plain = self.generate("-p", "Hello", "-n", 6, "--temp", 0.7, "--seed", 3, "-c", 64, "--kv", "f16")
        alias = self.generate("-p", "Hello", "--n-predict", 6, "--temperature", 0.7, "-s", 3, "--ctx-size", 64, "--kv",
                              "fp16")
        self.assertEqual(alias["tokens"], plain["tokens"])
        self.assertEqual(self.generate("-p", "Hello", "-n", 6, "--seed", 3, "--top-k", -1)["tokens"],
                         self.generate("-p", "Hello", "-n", 6, "--seed", 3, "--top-k", 0)["tokens"])
        self.fails(2, "generate", "-p", "a", "-ngl", 99, says="processor alone")
        self.fails(2, "generate", "-p", "a", "--kv", "q8_0", says="int8")
        self.fails(2, "run", says="cairn generate")
        self.assertEqual(self.ok("help", "generate"), self.ok("generate", "--help"))
        self.fails(2, "help", "generat", says="did you mean generate?")

    def test_line_ends_of_two_characters(self):
        crlf, lf = self.tmp / "crlf.txt", self.tmp / "lf.txt"
        crlf.write_bytes(b"one\r\ntwo\r\n")
        lf.write_bytes(b"one\r\ntwo")
        ids = self.generate("-f", crlf, "-n", 1, "--temp", 0)["prompt_token_ids"]
        self.assertEqual(self.generate("-f", lf, "-n", 1, "--temp", 0)["prompt_token_ids"], ids)
        for file in (crlf, lf):
            self.assertEqual(json.loads(self.ok("tokenize", "-m", self.model, "-f", file, "--json"))["tokens"], ids)
        text = json.loads(self.ok("tokenize", "-m", self.model, "-f", crlf, "--json"))["text"]
        self.assertEqual(text, "one\r\ntwo")

    def test_numbers_in_json_are_plain(self):
        out = self.ok("generate", "-m", self.model, "-p", "a", "-n", 2, "--json").decode()
        self.assertIn('"temperature":0.8', out)
        self.assertNotRegex(out, r":-?\d+(\.\d+)?E")

    def test_a_dumb_terminal_gets_no_commands(self):
        pid, master = self.on_a_terminal("generate", "-m", self.model, "-p", "Hello", "-n", 3, "--ignore-eos",
                                         env={"TERM": "dumb"})
        seen = self.read_until(master, b"its length\r\n")
        self.assertNotIn(b"\x1b", seen)
        self.assertIn(b"Hello", seen)
        self.assertEqual(self.exit_code(pid), 0)

    # ---- made models

    def test_synth_overwrites_nothing_in_silence(self):
        path = self.tmp / "made.gguf"
        made = ("model", "synth", "--shape", "tiny-llama", path)
        self.ok(*made, "--seed", 1)
        before = path.read_bytes()
        self.fails(2, *made, "--seed", 2, says="--force")
        self.assertEqual(path.read_bytes(), before)
        self.ok(*made, "--seed", 2, "--force")
        self.assertNotEqual(path.read_bytes(), before)
        self.fails(2, "model", "synth", "--shape", "tiny-llama", self.tmp, says="exists already")

    def test_interrupted_synth_leaves_nothing(self):
        folder = self.tmp / "stopped"
        folder.mkdir()
        done = subprocess.Popen([PROGRAM, "model", "synth", "--shape", "tinyllama-1.1b", str(folder / "big.gguf")],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + TIMEOUT_S
        while not list(folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        done.send_signal(signal.SIGINT)
        _, error = done.communicate(timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, 130, error)
        self.assertIn(b"not written", error)
        self.assertEqual(list(folder.iterdir()), [])

    # ---- tokens

    def test_a_tokenizer_needs_no_weights(self):
        folder = self.tmp / "tokenizer-alone"
        folder.mkdir()
        (folder / "tokenizer.json").write_text(json.dumps({
            "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None,
            "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}))
        for path in (folder, folder / "tokenizer.json"):
            self.assertEqual(self.ok("tokenize", "-m", path, "-p", "abab", "--ids"), b"2,2\n")
        # A character without a token is left out, as the library does that such files are made for.
        self.assertEqual(self.ok("tokenize", "-m", folder, "-p", "a\u00e4b", "--ids"), b"2\n")
        self.fails(1, "generate", "-m", folder, "-p", "ab", says="config.json")

    def test_tokenizes_and_back(self):
        text = "Once upon a time, äöü!"
        facts = json.loads(self.ok("tokenize", "-m", self.model, "-p", text, "--json"))
        self.assertEqual(facts["text"], text)
        self.assertEqual(len(facts["tokens"]), len(facts["pieces"]))
        ids = self.ok("tokenize", "-m", self.model, "-p", "-", "--ids", stdin=text.encode()).decode().strip()
        self.assertEqual([int(i) for i in ids.split(",")], facts["tokens"])
        self.assertEqual(self.ok("tokenize", "-m", self.model, "--decode", ids).decode(), text + "\n")
        self.assertEqual(self.ok("tokenize", "-m", self.model, "-p", text).decode().count("\n"), len(facts["tokens"]) + 1)
        self.fails(2, "tokenize", "-m", self.model, "--decode", "99999999", says="99999999")
        self.fails(2, "tokenize", "-m", self.model, "--decode", "1", "-p", "x")
        self.fails(2, "tokenize", "-m", self.model, says="-p TEXT")

    # ---- memory, before and while

    def plan(self, *arguments):
        out = self.ok("plan", "--json", *arguments)
        self.assertEqual(out.count(b"\n"), 1)
        return json.loads(out)

    def test_plans_published_shapes(self):
        for preset, context, sequences, kv_bytes in (
                ("gpt2", 1024, 1, 37748736), ("gpt2", 4096, 1, 144 << 20), ("llama2-7b", 4096, 1, 2 << 30),
                ("llama2-70b", 4096, 1, 5 << 28), ("gpt3", 2048, 1, 9663676416), ("gpt3", 4096, 1, 18 << 30),
                ("gpt3", 2048, 8, 77309411328), ("opt-30b", 1024, 128, 180388626432)):
            facts = self.plan("--preset", preset, "--context", context, "--sequences", sequences, "--kv", "f16")
            self.assertEqual(facts["kv_bytes"], kv_bytes)
            self.assertEqual(facts["kv_bytes_per_token"] * context * sequences, kv_bytes)
            self.assertEqual(facts["total_bytes"], sum(facts[part + "_bytes"] for part in (
                "weights", "kv", "work", "tokenizer", "program")))
            self.assertIs(facts["fits"], facts["total_bytes"] <= facts["available_bytes"])
        whole = self.plan("--preset", "qwen3-8b", "--context", 40960, "--kv", "f32", "--kv-heads", 32)
        self.assertEqual(whole["kv_bytes"], 45 << 30)
        self.assertEqual(self.plan("--preset", "qwen3-8b", "--context", 40960, "--kv", "f32")["kv_bytes"], 45 << 28)
        shared = self.plan("--preset", "llama3-8b", "--context", 2112, "--sequences", 32, "--shared-prefix", 2048)
        self.assertEqual(shared["kv_bytes"], (64 + 32 * 2) * 32 * shared["kv_bytes_per_token"])
        text = self.ok("plan", "--preset", "qwen3-8b").decode()
        explained = self.ok("plan", "--preset", "qwen3-8b", "--explain").decode()
        for words in ("estimate", "exact", "GiB"):
            self.assertIn(words, text)
            self.assertIn(words, explained)
        for lesson in ("81.12", "does not pay", "encoders"):
            self.assertIn(lesson, explained)
            self.assertNotIn(lesson, text)

    def test_plans_from_a_config_alone(self):
        path = self.tmp / "config.json"
        path.write_text(json.dumps({
            "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
            "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 100, "max_position_embeddings": 256}))
        facts = self.plan("--config", path)
        self.assertEqual(facts["kv_bytes_per_token"], 2 * 2 * 2 * 16 * 2)
        self.fails(2, "plan", "--config", path, "--context", 257, says="made for 1 to 256")
        path.write_text("{")
        self.fails(1, "plan", "--config", path, says="JSON")

    def test_bad_plans(self):
        self.fails(2, "plan", "--preset", "lama2-7b", says="did you mean llama2-7b?")
        self.fails(2, "plan", "--preset", "gpt2", "--kv", "layers 0-12: int8; rest: f16", says="no layer 12")
        self.fails(2, "plan", "--preset", "gpt2", "--kv", "int5", says="column 1")
        self.fails(2, "plan", "--preset", "gpt2", "--context", 0, says="--context")
        self.fails(2, "plan", "--preset", "gpt2", "--context", 10 ** 12, says="--context")
        self.fails(2, "plan", "--preset", "gpt2", "--sequences", 10 ** 9, says="sequences")
        self.fails(2, "plan", "--preset", "gpt2", "--kv-heads", 5, says="1, 2, 3, 4, 6, 12")
        self.fails(2, "plan", "-m", self.model, "--context", 10 ** 8, says="made for 1 to")
        self.fails(1, "plan", "-m", self.tmp / "none.gguf", says="none.gguf")

    def test_the_plan_is_what_the_process_takes(self):
        """Two of the shapes in tools/plan_check.py; a prompt of a prefill chunk, and the context filled."""
        if is_sanitized():
            self.skipTest("a sanitizer takes memory of its own")
        for shape, plans in (("smollm2-135m", ("f16", "int4", "int8,sinks=4,window=60")), ("llama-110m", ("f32", "k=int8,v=int4"))):
            path = self.tmp / (shape + ".gguf")
            self.ok("model", "synth", "--shape", shape, "--type", "q4_0", path)
            for kv in plans:
                size = ("-c", 160, "--prefill-chunk", 128, "--kv", kv, "-t", 2)
                facts = self.plan("-m", path, *size)
                run_facts = self.generate("-n", 4, "--temp", 0, "--ignore-eos", *size, "--prompt-tokens",
                                          plan_check.prompt_of(157), model=path)
                peak = run_facts["peak_rss_bytes"]
                self.assertEqual(run_facts["kv_pool_bytes"], facts["kv_bytes"] + facts["resume_bytes"])
                self.assertTrue(plan_check.is_near(facts["total_bytes"], peak), (shape, kv, facts, peak))
            path.unlink()

    # ---- memory, outputs that break, signals

    def test_a_cache_that_fits_nowhere_is_refused(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
        base = ("generate", "-m", self.long_model(), "-p", "a", "-n", 1, "-t", 1)
        if run(*base, preexec_fn=limit).returncode != 0:
            self.skipTest("this build does not run in 600 MiB of addresses (a sanitizer)")
        big = self.tmp / "big.gguf"
        self.ok("model", "synth", "--shape", "tiny-llama", "--context", 4000000, big)
        for cache in ("paged", "contiguous", "none"):
            error = self.fails(1, "generate", "-m", big, "-p", "a", "-n", 1, "-c", 4000000, "--cache", cache,
                               preexec_fn=limit)
            self.assertIn("--context", error)


    @unittest.skipUnless(os.path.exists("/dev/full"), "there is no /dev/full here")
    def test_a_full_disk_is_told(self):
        for command in (["generate", "-m", self.model, "-p", "a", "-n", "5", "--ignore-eos"],
                        ["generate", "-m", self.model, "-p", "a", "-n", "5", "--json"],
                        ["model", "-m", self.model], ["tokenize", "-m", self.model, "-p", "a"], ["--help"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([PROGRAM, *map(str, command)], stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT_S)
            self.assertEqual(done.returncode, 1, command)
            self.assertIn(b"No space left", done.stderr)

    def test_a_closed_pipe_is_no_crash(self):
        done = subprocess.Popen([PROGRAM, "generate", "-m", str(self.model), "-p", "a", "-n", "100", "--ignore-eos"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        done.stdout.close()
        error = done.stderr.read()
        done.stderr.close()
        self.assertEqual(done.wait(TIMEOUT_S), 1)
        self.assertIn(b"broken pipe", error)

    def test_interrupted_generation_ends_with_its_statistics(self):
        done = subprocess.Popen([PROGRAM, "generate", "-m", str(self.long_model()), "-p", "a", "-n", "190000", "-c", "200000",
                                 "--ignore-eos"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertTrue(done.stdout.read(1))
        done.send_signal(signal.SIGINT)
        _, error = done.communicate(timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, 130, error)
        self.assertIn(b"stopped", error)

    def test_interrupted_checks_and_benches_print_what_there_is(self):
        text = self.tmp / "long.txt"
        text.write_text("A bird sang in the old tree. " * 20000)
        model = ["-m", self.long_model(), "-t", 1, "--isa", "scalar"]
        for arguments, printed in ((["verify", "-n", 2000], b"The check was stopped"),
                                   (["bench", "cache", "--lengths", "10,100000"], b"without"),
                                   (["bench", "codecs", "-f", text, "-c", 200, "--kv", "f16"], b"divergence")):
            done = subprocess.Popen([PROGRAM, *map(str, arguments + model)], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, bufsize=0)  # so that reading a line takes no more
            told = b""
            while b": about " not in told:  # it says how long it will take
                line = done.stderr.readline()
                self.assertTrue(line, (arguments, told))
                told += line
            if arguments[1] == "cache":  # its first rows are there long before the others
                self.assertTrue(done.stdout.readline())
            done.send_signal(signal.SIGINT)
            out, error = done.communicate(timeout=TIMEOUT_S)
            self.assertEqual(done.returncode, 130, (arguments, error))
            self.assertIn(printed, out, arguments)

    def test_an_interrupted_bench_growth_leaves_the_plot_that_was_there(self):
        plot = self.tmp / "kept.svg"
        plot.write_text("an older plot")
        done = subprocess.Popen([PROGRAM, "bench", "growth", "-m", self.long_model(), "-t", "1", "--isa", "scalar", "-c",
                                 "200000", "--index-blocks", "1000", "--plot", plot], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, bufsize=0)
        told = b""
        while b": about " not in told:
            line = done.stderr.readline()
            self.assertTrue(line, told)
            told += line
        done.send_signal(signal.SIGINT)
        _, error = done.communicate(timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, 130, error)
        self.assertIn(b"kept.svg is not written", error)
        self.assertEqual(plot.read_text(), "an older plot")
        self.assertEqual([path.name for path in self.tmp.iterdir() if "kept.svg" in path.name], ["kept.svg"])

    # ---- chat

    def test_chats_over_a_pipe(self):
        done = run("chat", "-m", self.model, "--temp", "0", "-n", "8", "--ignore-eos", stdin=b"Hello there\n\nAnd you?\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        error = done.stderr.decode()
        self.assertEqual(len(re.findall(r"prompt tokens", error)), 2, error)
        self.assertRegex(error, r"\(\d+ from the cache\)")
        self.assertNotIn(b">", done.stdout.splitlines()[0][:2])

    def explained(self, *arguments, **more):
        """The lines that --explain prints: one for each prompt, and for each layer group with a window."""
        done = run(arguments[0], "-m", self.model, "--temp", 0, "-n", 8, "--ignore-eos", "--explain", *arguments[1:],
                   **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line for line in done.stderr.decode().splitlines() if line.startswith("cache: ")]

    def test_explains_what_windows_let_go(self):
        ids = plan_check.prompt_of(230)
        def windows(*arguments):
            return self.explained("generate", "--prompt-tokens", ids, "--prefill-chunk", 32, *arguments)[1:]
        self.assertEqual(windows(), [])
        [line] = windows("--kv", "sinks=4,window=40")
        said = re.match(r"cache: layers 0-\d see the first 4 and the last 40 positions: 0 to 31 and (\d+) to (\d+) are "
                        r"there; (\d+) blocks? w\w+ let go meanwhile$", line)
        self.assertIsNotNone(said, line)
        begin, last, passed = map(int, said.groups())
        self.assertEqual(last, 230 + 8 - 2)  # the last token is never fed back
        self.assertLessEqual(begin, last - 40 + 1)
        self.assertEqual(begin, 32 * (1 + passed))
        [line] = windows("--kv", "layer 0: window=40; rest: int8")
        self.assertRegex(line, r"^cache: layer 0 sees the last 40 positions: \d+ to 236 are there; ")
        for kept, words in (("contiguous", "0 to 236 are there; no block"), ("none", "none is kept; no block")):
            [line] = windows("--kv", "window=40", "--cache", kept)
            self.assertIn(words, line)

    def test_explains_a_prompt_that_nothing_is_known_of(self):
        [short] = self.explained("generate", "-p", "Hi")
        self.assertRegex(short, r"^cache: 0 of \d prompt tokens found; what is kept is found by full blocks of 32 tokens")
        [long] = self.explained("generate", "-p", "one two three " * 30)
        self.assertRegex(long, r"^cache: 0 of \d\d+ prompt tokens found; no known text begins as it does$")
        for unshared in (["--no-sharing"], ["--cache", "growing"]):
            [line] = self.explained("generate", "-p", "one two three " * 30, *unshared)
            self.assertIn("shares no prefixes", line)
        self.fails(2, "generate", "-m", self.model, "-p", "Hello", "--explain", "--samples", 2, says="--explain")

    def test_explains_each_turn_of_a_chat(self):
        first, second = self.explained("chat", stdin=b"Hello there\nAnd you?\n")
        self.assertRegex(first, r"^cache: 0 of \d+ prompt tokens found; ")
        found, asked = map(int, re.match(r"cache: (\d+) of (\d+) prompt tokens found; they are rows of this "
                                         r"conversation", second).groups())
        self.assertTrue(0 < found < asked, second)

    def test_explains_a_chat_whose_cache_shares_nothing(self):
        for unshared in (["--cache", "growing"], ["--cache", "contiguous"], ["--no-sharing"]):
            first, second = self.explained("chat", *unshared, stdin=b"Hello there\nAnd you?\n")
            self.assertIn("this cache shares no prefixes", first)
            self.assertRegex(second, r"they are rows of this conversation.*; this cache shares no prefixes")

    def test_explains_where_a_prompt_differs(self):
        # The second conversation leaves the session only the template's first rows; the third finds the first's blocks.
        text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
        lines = [text, "/reset", "Something else, as long as that and longer", "/reset",
                 text.replace("thirteen", "million")]
        _, other, again = self.explained("chat", "-c", 512, stdin="\n".join(lines).encode())
        self.assertIn("they are rows of this conversation", other)
        words = re.match(r"cache: (\d+) of \d+ prompt tokens found; the nearest known text differs at position (\d+): "
                         r"'[^']*' \(\d+\) there, '[^']*' \(\d+\) in this prompt$", again)
        self.assertIsNotNone(words, again)
        found, differs = map(int, words.groups())
        self.assertEqual(found, differs // 32 * 32)
        self.assertGreater(found, 0)

    def test_explains_what_was_evicted(self):
        # The memory holds one context: 4 blocks. The second conversation needs one of the two that the first has filled.
        text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
        other = "Something else, as long as that and longer, so that it takes the same memory as the first"
        *_, again = self.explained("chat", "-c", 128, stdin="\n".join([text, "/reset", other, "/reset", text]).encode())
        self.assertRegex(again, r"^cache: 32 of \d+ prompt tokens found; the next block was evicted \d+ steps ago, "
                                r"when 1 block was needed and 2 were idle$")

    def test_chat_tells_a_script_of_a_full_context(self):
        done = run("chat", "-m", self.model, "-c", "16", "-n", "4", stdin=b"word " * 100 + b"\n")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, b"")

    def on_a_terminal(self, *arguments, env=None):
        pid, master = pty.fork()
        if pid == 0:
            os.execve(PROGRAM, [PROGRAM, *map(str, arguments)],
                      {**os.environ, "NO_COLOR": "1", "TERM": "xterm", **(env or {})})
        self.addCleanup(os.close, master)
        return pid, master

    def exit_code(self, pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_chat_on_a_terminal(self):
        pid, master = self.on_a_terminal("chat", "-m", self.model, "--temp", 0, "-n", 4, "--ignore-eos")
        self.read_until(master, b"> ")
        os.write(master, b"Hello\n")
        self.assertIn(b"prompt tokens", self.read_until(master, b"> "))
        os.write(master, b"\x03")
        self.assertIn(b"Ctrl-D", self.read_until(master, b"> "))
        os.write(master, b"/reset\n")
        self.assertIn(b"new conversation", self.read_until(master, b"> "))
        os.write(master, b"\x04")
        self.assertEqual(self.exit_code(pid), 0)

    def test_interrupting_a_chat(self):
        pid, master = self.on_a_terminal("chat", "-m", self.long_model(), "-c", 200000, "--ignore-eos")
        self.read_until(master, b"> ")
        os.write(master, b"Hello\n")
        self.read_until(master, b"Hello\r\n", piece=1)  # not past it: the reply may come in the same breath
        os.read(master, 1)  # a bar or the reply
        os.write(master, b"\x03")
        self.assertRegex(self.read_until(master, b"> "), b"; stopped")  # the reply, not the program
        os.write(master, b"\x03")
        self.assertIn(b"Ctrl-D", self.read_until(master, b"> "))
        os.write(master, b"\x03")
        self.assertEqual(self.exit_code(pid), 0)

    def test_a_terminal_shows_the_prompt_and_then_the_text(self):
        pid, master = self.on_a_terminal("generate", "-m", self.model, "-p", "Hello", "-n", 3, "--ignore-eos")
        seen = self.read_until(master, b"its length\r\n")
        self.assertIn(b"\rloading", seen)
        self.assertIn(b"\x1b[KHello", seen)
        self.assertEqual(self.exit_code(pid), 0)

    def read_until(self, master, end, piece=4096):
        """What a terminal shows until its last bytes are `end` (a prompt that waits)."""
        seen, deadline = b"", time.monotonic() + TIMEOUT_S
        while not seen.endswith(end):
            ready = select.select([master], [], [], max(0, deadline - time.monotonic()))[0]
            self.assertTrue(ready, seen)
            self.assertLess(time.monotonic(), deadline, seen)
            seen += os.read(master, piece)
        return seen


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = serve_testing.PROGRAM = str(Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=1)
