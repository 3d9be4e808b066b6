#!/usr/bin/env python3
"""Tests of peers.py without a network, a peer or a model: parsers, pairs, the report's forms, and what fails.

Programs of peers_testing.py stand in for Cairn, llama-bench, node and npm; the driver of the npm package runs on a
stand-in of its addon where Node.js is installed.
"""
import contextlib
import csv
import io
import json
import shutil
import subprocess
import unittest
import unittest.mock
import xml.etree.ElementTree as xml

import bench_peer
import machine
import npm_peer
import pairs
import peers
import plot
import processes
import report
import shapes
from peers_testing import BENCH_ROW, FAKE_CAIRN, Folder, job_of
from processes import Failure

NODE = shutil.which("node")


def node_is_new():
    if NODE is None:
        return False
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True).stdout
    return int(version.strip().lstrip("v").split(".")[0]) >= npm_peer.OLDEST_NODE


def peers_main(*words):
    """(exit code, standard output, standard error)"""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = peers.main([str(word) for word in words])
        except SystemExit as ended:
            code = ended.code
    return code, out.getvalue(), err.getvalue()


SETTING = {"model": "m<1>.gguf", "threads": 2, "kv": "f16", "rounds": 2, "read_bytes_per_s": 20e9, "decode_share": 0.9,
           "machine": {"cpu": "A & B", "cores": 2, "features": ["avx2"]},
           "peer": {"name": "llama.cpp b1", "isa": "avx2", "features": ["AVX", "AVX2"], "library": "libx.so",
                    "flash_attention": "on", "model": "llama 1B"},
           "cairn": {"name": "cairn 0.1.0", "isa": "avx2"}}
METRICS = shapes.metrics(["decode", "start"], [])


def two_pairs(busy=0.01):
    return [pairs.Pair(1, "decode", 10.0, 12.0, busy), pairs.Pair(1, "start", 3.0, 2.0, busy),
            pairs.Pair(2, "decode", 20.0, 10.0, busy), pairs.Pair(2, "start", 4.0, 2.0, None)]


class Pairs(unittest.TestCase):
    def test_more_tokens_and_fewer_seconds_are_faster(self):
        self.assertEqual(pairs.times_as_fast(10, 15, "tokens/s"), 1.5)
        self.assertEqual(pairs.times_as_fast(3, 2, "s"), 1.5)

    def test_the_ratio_is_the_median_of_the_pairs_own(self):
        of_peer, of_cairn = (10, 20, 40), (20, 22, 42)  # ratios 2, 1.1, 1.05; of the medians: 1.1
        found = pairs.summaries([pairs.Pair(n, "decode", p, c, None) for n, (p, c) in
                                 enumerate(zip(of_peer, of_cairn))], METRICS)
        self.assertEqual([one.metric for one in found], ["decode"])
        self.assertEqual(found[0].ratio, (1.1, 1.05, 2.0))
        self.assertEqual(found[0].peer, (20, 10, 40))
        self.assertEqual(found[0].cairn, (22, 20, 42))
        self.assertEqual(found[0].count, 3)
        drifting = pairs.summaries([pairs.Pair(1, "decode", 10, 20, None), pairs.Pair(2, "decode", 100, 50, None),
                                    pairs.Pair(3, "decode", 30, 60, None)], METRICS)
        self.assertEqual(drifting[0].ratio.median, 2.0)  # while 50 / 30 is what medians alone would say

    def test_an_even_number_of_pairs_takes_the_middle(self):
        self.assertEqual(pairs.summaries(two_pairs(), METRICS)[0].ratio, ((1.2 + 0.5) / 2, 0.5, 1.2))

    def test_busy_elsewhere_is_the_most(self):
        self.assertEqual(pairs.busy_elsewhere(two_pairs(0.3)), 0.3)
        self.assertIsNone(pairs.busy_elsewhere([pairs.Pair(1, "decode", 1, 1, None)]))

    def test_csv(self):
        file = io.StringIO()
        pairs.write_csv(file, two_pairs(), METRICS, SETTING)
        rows = list(csv.DictReader(io.StringIO(file.getvalue())))
        self.assertEqual(len(rows), 4)
        self.assertEqual((rows[0]["pair"], rows[0]["metric"], rows[0]["peer"], rows[0]["cairn"]),
                         ("1", "decode", "10", "12"))
        self.assertEqual(float(rows[1]["times_as_fast"]), 1.5)
        self.assertEqual((rows[3]["unit"], rows[3]["busy_elsewhere"]), ("s", ""))
        self.assertEqual((rows[3]["cpu"], rows[3]["cairn_isa"]), ("A & B", "avx2"))


class Report(unittest.TestCase):
    def test_text_names_both_builds_and_every_metric(self):
        text = report.text(SETTING, two_pairs(), METRICS)
        for word in ("libx.so", "avx2", "20.0 GB/s", "A & B", "cairn 0.1.0", "decode, tokens/s", "0.85",
                     "0.50 to 1.20"):
            self.assertIn(word, text)
        self.assertNotIn("trust no figure", text)

    def test_a_busy_machine_and_other_instruction_sets_are_told(self):
        self.assertIn("30% of the processors", report.text(SETTING, two_pairs(0.3), METRICS))
        other = {**SETTING, "peer": {**SETTING["peer"], "isa": "amx"}}
        self.assertIn("llama.cpp used amx, Cairn avx2", report.text(other, two_pairs(), METRICS))
        untold = {**SETTING, "peer": {**SETTING["peer"], "isa": None}}
        self.assertIn("does not tell", report.text(untold, two_pairs(), METRICS))

    def test_json(self):
        found = json.loads(json.dumps(report.as_json(SETTING, two_pairs(), METRICS)))
        self.assertEqual(found["results"]["start"]["times_as_fast"], {"median": 1.75, "low": 1.5, "high": 2.0})
        self.assertEqual(found["results"]["decode"]["unit"], "tokens/s")
        self.assertEqual(len(found["pairs"]), 4)

    def test_the_drawing_is_xml_with_a_bar_for_each_side(self):
        root = xml.fromstring(plot.svg(SETTING, pairs.summaries(two_pairs(), METRICS)))
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        for word in ("decode", "start to first token", "0.85 x", "1.75 x", "15.00 tokens/s", "3.500 s"):
            self.assertIn(word, texts)
        self.assertTrue(any("m<1>.gguf" in text for text in texts))
        bars = [element for element in root.iter("{http://www.w3.org/2000/svg}rect")
                if element.get("x") == f"{plot.LABELS:.1f}"]
        widths = [float(element.get("width")) for element in bars]
        self.assertEqual(len(widths), 4)
        self.assertAlmostEqual(widths[1] / widths[0], 0.85, places=2)
        self.assertAlmostEqual(widths[3] / widths[2], 1.75, places=2)
        for element in root.iter("{http://www.w3.org/2000/svg}line"):
            self.assertLessEqual(float(element.get("x2")), plot.LABELS + plot.BARS)

    def test_the_grid_has_few_lines_at_any_height(self):
        for highest in (1.05, 2, 7.9, 55, 400):
            self.assertLessEqual(highest / plot.nice_step(highest), 8)


class LlamaBench(unittest.TestCase):
    def test_the_documented_shape(self):
        rows = bench_peer.results(json.dumps([BENCH_ROW, {**BENCH_ROW, "n_prompt": 0, "n_gen": 128}]))
        self.assertAlmostEqual(bench_peer.speed_of(rows, 512, 0), 512e9 / 71745200)
        self.assertAlmostEqual(bench_peer.speed_of(rows, 0, 128), 128e9 / 71745200)

    def test_a_missing_result_is_told(self):
        for rows in ([BENCH_ROW], [{**BENCH_ROW, "samples_ns": [], "n_depth": 512}]):
            with self.assertRaisesRegex(Failure, "behind 512"):
                bench_peer.speed_of(rows, 512, 0, 512)

    def test_other_output_is_told(self):
        for text in ("", "{}", "[]", "[1]", "error: failed to load model"):
            with self.assertRaisesRegex(Failure, "no JSON list"):
                bench_peer.results(text)

    def test_the_table_of_batched_bench(self):
        table = ("|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |  S t/s |\n"
                 "|-------|--------|------|--------|----------|----------|----------|----------|----------|--------|\n"
                 "|   128 |    128 |   32 |    512 |    0.108 |  1186.64 |    3.079 |   130.57 |    3.187 |  80.32 |\n")
        self.assertEqual(bench_peer.batched_speed("main: x\n" + table), 130.57)
        with self.assertRaisesRegex(Failure, "S_TG"):
            bench_peer.batched_speed("out of memory\n")

    def test_which_build_it_loaded(self):
        said = "x\nload_backend: loaded CPU backend from /opt/a b/libggml-cpu-icelake.so\ny\n"
        self.assertEqual(bench_peer.library_of(said), "libggml-cpu-icelake.so")
        self.assertEqual(bench_peer.isa_of_library("libggml-cpu-icelake.so"), "avx512")
        self.assertIsNone(bench_peer.isa_of_library(bench_peer.library_of("nothing")))

    def test_flash_attention_in_any_version(self):
        self.assertEqual([bench_peer.flash_of(told) for told in (True, 1, False, 0, -1, "auto")],
                         ["on", "on", "off", "off", "auto", "auto"])


class NpmPeer(unittest.TestCase):
    def test_instruction_sets_from_system_info(self):
        haswell = npm_peer.features_of("CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | AVX512 = 0 | FMA = 1 | REPACK = 1 | ")
        self.assertEqual(haswell, ["SSE3", "AVX", "AVX2", "FMA", "REPACK"])
        self.assertEqual(npm_peer.isa_of(haswell), "avx2")
        self.assertEqual(npm_peer.isa_of(npm_peer.features_of("CPU : AVX2 = 1 | AVX512 = 1 | ")), "avx512")
        self.assertEqual(npm_peer.isa_of(npm_peer.features_of("CPU : AVX2 = 1 | AVX512 = 1 | AMX_INT8 = 1 | ")), "amx")
        self.assertEqual(npm_peer.isa_of(npm_peer.features_of("CPU : NEON = 1 | SVE = 1 | ")), "neon")
        self.assertIsNone(npm_peer.isa_of(npm_peer.features_of("")))

    def test_events_among_other_output(self):
        text = 'a line of the addon\n{"event": "first_token", "node_ms": 40}\n[1]\n{"event": "done", "x": 1}\n'
        self.assertEqual(npm_peer.last_event(text, "done")["x"], 1)
        self.assertEqual(npm_peer.last_event(text, "first_token")["node_ms"], 40)

    def test_what_failed_is_told_with_its_reason(self):
        text = '{"event": "failed", "message": "llama.cpp could not load the model", "reason": "unknown architecture"}'
        with self.assertRaisesRegex(Failure, r"could not load the model \(unknown architecture\)"):
            npm_peer.last_event(text, "done")
        with self.assertRaisesRegex(Failure, "without a result: Segmentation"):
            npm_peer.last_event("Segmentation fault\n", "done")

    def test_what_npm_says_of_a_failure(self):
        said = ("npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error errno ENOTFOUND\n"
                "npm error network request to https://example.org/x failed\n"
                "npm error A complete log of this run can be found in: x\n")
        self.assertEqual(npm_peer.npm_reason(said), "network request to https://example.org/x failed")
        self.assertIsNone(npm_peer.npm_reason(""))


class NpmInstall(Folder):
    def node(self, version="v20.1.0"):
        self.program("path/node", f"print({version!r})")

    def run_npm_peer(self, *more):
        self.program("cairn", FAKE_CAIRN)
        return peers_main("-m", self.model, "--cairn", self.folder / "cairn", "--work", self.folder / "work", *more)

    def assert_fails(self, *words):
        code, out, err = self.run_npm_peer()
        self.assertEqual((code, out), (1, ""), err)
        for word in words:
            self.assertIn(word, err)

    def test_no_node(self):
        self.assert_fails("node is not installed", "or give --peer the path")

    def test_an_old_node(self):
        self.node("v18.19.0")
        self.assert_fails("v18.19.0", "20 or later")

    def test_no_npm(self):
        self.node()
        self.assert_fails("npm is not installed")

    def test_no_network(self):
        self.node()
        self.program("path/npm", "raise SystemExit('npm error code ENOTFOUND\\nnpm error network is away')")
        self.assert_fails("could not be installed from the npm registry", "needed once: network is away")

    def test_npm_that_installs_nothing(self):
        self.node()
        self.program("path/npm", "")
        self.assert_fails("npm installed no @node-llama-cpp/")

    def test_what_is_installed_is_used_without_npm(self):
        package = npm_peer.package_here()
        self.write(f"work/node_modules/{package}/package.json", json.dumps({"version": "9.9.9"}))
        found = npm_peer.install(package, "9.9.9", self.folder / "work", self.fail)
        self.assertEqual(found, self.folder / "work/node_modules" / package)

    def test_builds_are_limited_to_an_instruction_set(self):
        for name in ("haswell", "alderlake", "zen4", "sapphirerapids"):
            self.write(f"bins/libggml-cpu-{name}.so", name)
        bins = self.folder / "bins"

        def names(isa):
            return sorted(build.name[len("libggml-cpu-"):-len(".so")]
                          for build in npm_peer.limited_builds(bins, isa, self.folder).iterdir())

        self.assertEqual(names("avx512"), ["haswell", "zen4"])
        self.assertEqual(names("avx2"), ["haswell"])
        self.assertEqual(names("avx2"), ["haswell"])  # again, over the links of before
        self.assertEqual(npm_peer.limited_builds(bins, None, self.folder), bins)
        self.assertEqual(npm_peer.limited_builds(bins, "amx", self.folder), bins)


@unittest.skipUnless(node_is_new(), f"needs Node.js {npm_peer.OLDEST_NODE}")
class Driver(Folder):
    def drive(self, task, **shape):
        text, _ = processes.run("node", [NODE, npm_peer.DRIVER, job_of(self.folder, task=task, **shape)])
        return npm_peer.last_event(text, "done")

    def test_facts(self):
        found = self.drive("facts")
        self.assertEqual((found["library"], found["flash_attention"]), ("libggml-cpu-haswell.so", "enabled"))
        self.assertEqual((found["model"], found["threads"]), ("llama 1B Q8_0", 2))
        self.assertEqual(npm_peer.isa_of(npm_peer.features_of(found["system_info"])), "avx2")

    def test_speed(self):
        found = self.drive("speed", rounds=3, tokens=16, prompt=512)
        self.assertEqual((found["decode_ms"], found["prefill_ms"]), (2, 128))
        self.assertIsNone(self.drive("speed", rounds=1, tokens=0, prompt=512)["decode_ms"])

    def test_depth(self):
        found = self.drive("depth", depths=[512, 2048], rounds=5, tokens=4, prompt=512, prompt_rounds=3)
        self.assertEqual([(row["depth"], row["decode_ms"], row["prefill_ms"]) for row in found["depths"]],
                         [(512, 2, 128), (2048, 2, 128)])

    def test_many(self):
        found = self.drive("many", prefix=600, sequences=4, tail=33, rounds=2, tokens=3)
        self.assertEqual(found["step_ms"], 1)

    def test_start_tells_what_node_took(self):
        text, _ = processes.run("node", [NODE, npm_peer.DRIVER, job_of(self.folder, task="start", prompt=16)])
        self.assertGreater(npm_peer.last_event(text, "first_token")["node_ms"], 0)

    def test_an_addon_that_cannot_be_loaded(self):
        with self.assertRaisesRegex(Failure, "the peer failed: .*none.node"):
            self.drive("facts", addon=str(self.folder / "none.node"))

    def test_a_model_that_it_does_not_know(self):
        with self.assertRaisesRegex(Failure, r"could not load the model \(.*unknown model architecture: 'new'\)"):
            self.drive("facts", model="other.gguf")


class Program(Folder):
    def test_everything_with_a_built_peer(self):
        code, out, err = peers_main(*self.fakes(), "--rounds", 3, "--phases", "decode,prefill,depth,start,many",
                                    "--depth", 2048, "--csv", self.folder / "o.csv", "--plot", self.folder / "o.svg",
                                    "--json", "-t", 2)
        self.assertEqual((code, err), (0, ""))
        found = json.loads(out)
        ratios = {key: one["times_as_fast"]["median"] for key, one in found["results"].items()}
        self.assertEqual(list(ratios), ["decode", "prefill", "decode@512", "prefill@512", "decode@2048",
                                        "prefill@2048", "many", "start"])
        for key, ratio in (("decode", 2), ("prefill", 2), ("decode@512", 4), ("prefill@2048", 10)):
            self.assertAlmostEqual(ratios[key], ratio)
        self.assertAlmostEqual(ratios["many"], 320 / 242.23)
        self.assertEqual(found["read_bytes_per_s"], 20e9)
        self.assertEqual(found["peer"]["isa"], "avx2")
        self.assertIn("build 5163 (8cf427ff)", found["peer"]["name"])
        self.assertEqual(len((self.folder / "o.csv").read_text().splitlines()), 1 + 3 * 8)
        xml.parse(self.folder / "o.svg")

    def test_a_table_for_people(self):
        code, out, _ = peers_main(*self.fakes(), "--rounds", 1, "--phases", "decode")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"decode, tokens/s +1000 +2000 +2.00 +2.00 to 2.00 \(1\)")

    def test_a_busy_machine_is_told_at_once_and_in_the_report(self):
        self.others_take(0.25)
        code, out, err = peers_main(*self.fakes(), "--rounds", 1, "--phases", "decode")
        self.assertEqual(code, 0)
        self.assertIn("other programs take 25% of the processors", err)
        self.assertIn("trust no figure above", out)

    def test_bad_usage(self):
        for words in ([], ["-m", self.model, "--phases", "decod"], ["-m", self.model, "--rounds", "0"],
                      ["-m", self.model, "--depth", "1000"], ["-m", self.model, "--isa", "sse2"]):
            code, _, err = peers_main(*words)
            self.assertEqual(code, 2, words)
            self.assertIn("peers.py: error: ", err)
        self.assertIn("there is no phase 'decod'", peers_main("-m", self.model, "--phases", "decod")[2])

    def assert_fails(self, words, *said):
        code, out, err = peers_main(*words)
        self.assertEqual((code, out), (1, ""), err)
        self.assertEqual(len(err.splitlines()), 1, err)
        for word in said:
            self.assertIn(word, err)

    def test_models_that_are_none(self):
        self.assert_fails(["-m", self.folder / "no.gguf"], "no.gguf cannot be read: No such file")
        self.assert_fails(["-m", self.write("text", "a text")], "is no GGUF file")

    def test_no_cairn(self):
        self.assert_fails(["-m", self.model, "--cairn", self.folder / "no"], "--cairn the path of a built cairn")

    def test_no_llama_bench(self):
        words = self.fakes()
        self.assert_fails([*words[:-1], self.folder / "nowhere"], "--peer takes npm, or the path")
        self.assert_fails([*words[:-1], self.folder], "there is no llama-bench at", "build it")
        (self.folder / "llama/build/bin/llama-batched-bench").unlink()
        self.assert_fails([*words, "--phases", "many"], "there is no llama-batched-bench at")

    def test_any_program_of_a_build_finds_llama_bench_beside_it(self):
        words = self.fakes()
        cli = self.program("llama/build/bin/llama-cli", "raise SystemExit(1)")
        self.assertEqual(peers_main(*words[:-1], cli, "--rounds", 1, "--phases", "decode")[0], 0)

    def test_a_place_that_cannot_be_written_is_told_first(self):
        self.assert_fails([*self.fakes(), "--csv", self.folder / "no/o.csv"], "there is no folder")
        self.assert_fails([*self.fakes(), "--csv", self.folder], "give the name of a file")
        self.assert_fails([*self.fakes(), "--plot", ""], "give the name of a file")

    def test_a_result_that_cannot_be_written_loses_no_other(self):
        full = OSError(28, "No space left on device")
        with unittest.mock.patch.object(peers, "write_csv", side_effect=full):
            code, out, err = peers_main(*self.fakes(), "--rounds", 1, "--phases", "decode", "--csv",
                                        self.folder / "o.csv", "--plot", self.folder / "o.svg")
        self.assertEqual(code, 1)
        self.assertIn("2.00 to 2.00 (1)", out)
        self.assertIn("o.csv cannot be written: No space left on device", err)
        xml.parse(self.folder / "o.svg")

    def test_a_peer_that_cannot_load_the_model(self):
        words = self.fakes()
        self.program("llama/build/bin/llama-bench", "raise SystemExit('error: failed to load model')")
        self.assert_fails(words, "llama-bench failed with exit code 1: error: failed to load model")

    def test_a_peer_that_crashes(self):
        words = self.fakes()
        self.program("llama/build/bin/llama-bench", "import os\nos.abort()")
        self.assert_fails(words, "llama-bench was ended by signal 6: it said nothing")

    def test_a_failure_midway_reports_the_pairs_before_it(self):
        words = self.fakes()
        count = self.folder / "count"
        self.program("cairn", f"import os\nopen({str(count)!r}, 'a').write('x')\n"
                              f"if os.path.getsize({str(count)!r}) > 4:\n    raise SystemExit('cairn: out of memory')\n"
                     + FAKE_CAIRN)  # --version, generate, and two rounds
        code, out, err = peers_main(*words, "--rounds", 3, "--phases", "decode")
        self.assertEqual(code, 1)
        self.assertIn("2.00 to 2.00 (2)", out)
        self.assertIn("cairn bench speed failed with exit code 1: cairn: out of memory", err)


    def test_ctrl_c_reports_the_pairs_before_it(self):
        words = self.fakes()
        with unittest.mock.patch.object(peers.Cairn, "measure", side_effect=[{"decode": 500.0}, KeyboardInterrupt]):
            code, out, _ = peers_main(*words, "--phases", "decode")
        self.assertEqual(code, 130)
        self.assertIn("0.50 to 0.50 (1)", out)
        with unittest.mock.patch.object(peers.Cairn, "measure", side_effect=KeyboardInterrupt):
            self.assertEqual(peers_main(*words, "--phases", "decode"), (130, "", ""))


class Machine(unittest.TestCase):
    def test_a_processor(self):
        name, features = machine.cpu_facts("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu fma avx avx2\n\n"
                                           "processor\t: 1\nmodel name\t: other\n")
        self.assertEqual((name, features), ("AMD EPYC", ["avx2", "fma"]))
        self.assertEqual(machine.cpu_facts("Features\t: fp asimd i8mm\n")[1], ["asimd", "i8mm"])

    def test_busy_ticks(self):
        self.assertEqual(machine.busy_ticks("cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 1 2 3\n"), 171)
        self.assertIsNone(machine.busy_ticks(""))

    def test_here(self):
        self.assertGreaterEqual(machine.usable_cores(), 1)
        share = machine.Elsewhere().share()
        self.assertTrue(share is None or 0 <= share <= 1)

    def test_token_ids_exist_in_every_vocabulary(self):
        ids = shapes.token_ids(512)
        self.assertTrue(all(3 <= token < 253 for token in ids))
        self.assertGreater(len(set(ids)), 200)


if __name__ == "__main__":
    unittest.main()
