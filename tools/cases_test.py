#!/usr/bin/env python3
"""Runs the program on small files that failed once: ../shared/cases, whose README says what each must do.

  tools/cases_test.py PROGRAM [TEST ...]

Without that folder everything is skipped. Python's standard library only.
"""
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

CASES = Path(__file__).resolve().parent.parent / ".." / "shared" / "cases"
PROGRAM = None
TIMEOUT_S = 120
SAYS = ("--prompt-tokens", "1,260", "-n", "20", "--temp", "0")


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, timeout=TIMEOUT_S, text=True,
                          env={**os.environ, "NO_COLOR": "1"})


@unittest.skipUnless(CASES.is_dir(), "the folder ../shared/cases is not there")
class CasesTest(unittest.TestCase):
    def generated(self, name, *more):
        """The finished process of a few tokens from this model."""
        done = run("generate", "-m", CASES / name, "-p", "Once", "-n", 3, "--temp", 0, *more)
        self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")
        return done

    def summary(self, name, *more):
        done = run("model", "-m", CASES / name, "--json", *more)
        self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")
        return json.loads(done.stdout)

    def noted(self, name, part):
        """The model runs; one note, on standard error and in `cairn model`, has `part`."""
        self.assertIn(part, self.generated(name).stderr)
        notes = self.summary(name)["notes"]
        self.assertEqual(sum(part in note for note in notes), 1, notes)

    def test_special_ids_that_are_none_are_off(self):
        self.noted("g01_eos_out_of_range.gguf", "eos_token_id is 512")
        self.noted("g01d_bos_minus1.gguf", "bos_token_id is -1")
        self.noted("h10_eos_not_in_vocab", "eos_token")
        self.noted("h16_eos_list_null", "null")

    def test_each_end_of_a_reply_has_its_reason(self):
        ends = {end["text"]: end["reason"] for end in self.summary("s03_emits_base_eos.gguf")["end_tokens"]}
        self.assertIn("tokenizer.ggml.eos_token_id", ends["<|im_end|>"])
        self.assertEqual(ends["</s>"], "its spelling")

    def test_a_missing_pre_is_said_and_can_be_given(self):
        self.noted("g02_no_pre.gguf", "tokenizer.ggml.pre is missing")
        self.assertIn("--pre", self.generated("g02_no_pre.gguf").stderr)
        for command in (["generate", "-n", 2, "--temp", 0], ["tokenize"]):
            done = run(*command, "-m", CASES / "g02_no_pre.gguf", "-p", "1234", "--pre", "qwen2")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("tokenizer.ggml.pre", done.stderr)
        self.assertEqual(self.summary("g02_no_pre.gguf", "--pre", "qwen2")["notes"], [])
        done = run("tokenize", "-m", CASES / "g02_no_pre.gguf", "-p", "1234", "--pre", "no-such")
        self.assertEqual(done.returncode, 2)
        self.assertIn("deepseek-v3", done.stderr)

    def test_missing_merges_are_refused(self):
        done = run("generate", "-m", CASES / "g03_no_merges.gguf", "-p", "Once")
        self.assertEqual(done.returncode, 1)
        self.assertIn("tokenizer.ggml.merges", done.stderr)

    def test_names_of_pre_tokenizers(self):
        for name in ("pre_deepseek-coder.gguf", "pre_mellum.gguf"):
            self.generated(name)

    def test_no_end_behind_a_prompt(self):
        done = run("generate", "-m", CASES / "g20_add_eos.gguf", "-p", "Once upon", "-n", 1, "--temp", 0, "--json")
        self.assertEqual(json.loads(done.stdout)["prompt_token_ids"], [1, 403, 407])
        self.assertEqual(run("tokenize", "-m", CASES / "g20_add_eos.gguf", "-p", "Once upon", "--ids").stdout,
                         "1,403,407\n")

    def test_what_ends_a_reply(self):
        done = run("generate", "-m", CASES / "s03_emits_base_eos.gguf", *SAYS)
        self.assertEqual(done.stdout.rstrip("\n"), "nded", done.stderr)
        done = run("generate", "-m", CASES / "s08_special_as_stop.gguf", *SAYS, "--stop", "<|im_start|>", "--json")
        result = json.loads(done.stdout)
        self.assertEqual(result["text"], "nded")
        self.assertIn("stop", result["finish_reason"])

    def test_gemma3_of_another_converter(self):
        windows = self.summary("g23_gemma3_pattern_array.gguf")["config"]["layer_windows"]
        self.assertEqual(windows, [6, 6, 6, 6, 6, 0, 6])
        self.generated("g23_gemma3_pattern_array.gguf")

    def test_mistral_as_an_architecture(self):
        self.noted("arch_mistral.gguf", "names no sliding window")

    def test_tied_weights_under_the_outputs_name(self):
        self.noted("h03b_only_lm_head", "lm_head.weight serves for both")

    def test_a_sparse_config_is_planned_with_transformers_defaults(self):
        done = run("plan", "--config", CASES / "plan" / "gemma3-4b.json", "-c", 4096)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("262208", done.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
