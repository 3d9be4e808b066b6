#!/usr/bin/env python3
"""What an administrator relies on: keys, the file of options, the manual page, the systemd unit.

  tools/operations_test.py PROGRAM [TEST ...]

Tests that need a program of the system (man, groff, systemd-analyze) are skipped where it is not there. Python's standard
library only.
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = None


def run(*words, **more):
    return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=60, **more)


class OperationsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cairn-operations-")
        self.addCleanup(folder.cleanup)
        self.tmp = Path(folder.name)
        self.keys = self.tmp / "keys"

    def ok(self, *words, **more):
        done = run(*words, **more)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done

    def fails(self, code, *words, says):
        done = run(*words)
        self.assertEqual(done.returncode, code, (words, done.stderr))
        self.assertIn(says, done.stderr)
        self.assertEqual(done.stdout, "")

    # ---- keys

    def test_a_new_key_is_shown_once_and_only_its_hash_is_kept(self):
        made = self.ok("key", "new", "alice", "--file", self.keys)
        key = made.stdout.removesuffix("\n")
        self.assertRegex(key, r"\Ack_[0-9A-Za-z]{43}\Z")
        self.assertNotIn(key, made.stderr)
        text = self.keys.read_text()
        self.assertEqual(text, f"alice sha256:{hashlib.sha256(key.encode()).hexdigest()}\n")
        self.assertEqual(self.keys.stat().st_mode & 0o777, 0o600)

    def test_whatever_the_umask_the_file_is_its_owners(self):
        self.ok("key", "new", "alice", "--file", self.keys, umask=0)
        self.assertEqual(self.keys.stat().st_mode & 0o777, 0o600)

    def test_limits_are_in_the_line_and_in_the_list(self):
        self.ok("key", "new", "alice", "--file", self.keys)
        self.ok("key", "new", "bob", "--weight", 2, "--kv", "2GiB", "--requests", "60/min", "--tokens", "5/s",
                "--concurrent", 8, "--metrics", "--file", self.keys)
        line = self.keys.read_text().splitlines()[1]
        self.assertTrue(line.endswith(" weight=2 kv=2147483648 requests=60/min tokens=5/s concurrent=8 metrics=yes"))
        listed = self.ok("key", "list", self.keys).stdout.splitlines()
        self.assertEqual(listed[1].split(), ["alice", "1", "-", "-", "-", "-", "no"])
        self.assertEqual(re.split("  +", listed[2]), ["bob", "2", "2.0 GiB", "60/min", "5/s", "8", "yes"])
        self.assertNotIn("sha256", "\n".join(listed))

    def test_without_a_file_the_line_is_shown(self):
        made = self.ok("key", "new", "alice", "--weight", 3)
        key = made.stdout.removesuffix("\n")
        self.assertIn(f"alice sha256:{hashlib.sha256(key.encode()).hexdigest()} weight=3", made.stderr)

    def test_what_makes_no_sense_is_refused_and_changes_nothing(self):
        self.ok("key", "new", "alice", "--file", self.keys)
        before = self.keys.read_text()
        self.fails(2, "key", "new", "alice", "--file", self.keys, says="has a key for alice already")
        self.fails(2, "key", "new", "a/b", "--file", self.keys, says="is no name")
        self.fails(2, "key", "new", "b", "--weight", "0", "--file", self.keys, says="from 1 to 1000")
        self.fails(2, "key", "new", says="needs a name")
        self.fails(1, "key", "list", self.tmp / "none", says="cannot read")
        self.assertEqual(self.keys.read_text(), before)
        self.keys.write_text("alice ck_secret\n")
        self.fails(1, "key", "list", self.keys, says=f"{self.keys}:1: behind the name stands sha256:")

    def test_many_at_once_lose_no_key(self):
        threads = [threading.Thread(target=run, args=("key", "new", f"t{i}", "--file", self.keys)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(self.ok("key", "list", self.keys).stdout.splitlines()), 9)

    # ---- one file of options

    def check_config(self, text, *words):
        path = self.tmp / "serve.toml"
        path.write_text(text)
        return run("serve", "--config", path, "--check-config", *words)

    def test_the_file_of_options_is_checked(self):
        self.ok("key", "new", "alice", "--file", self.keys)
        done = self.check_config(f'api-keys = "{self.keys}"\nhost = "127.0.0.1"\nport = 0\nlog-format = "json"\n')
        self.assertEqual(done.returncode, 0, done.stderr)
        for text, says in (("prot = 1\n", "serve.toml:1: cairn serve has no option 'prot'; did you mean port?"),
                           ("\nport = 70000\n", "serve.toml:2: --port"),
                           ("port = true\n", "serve.toml:1: port takes a value"),
                           ("[serve]\nport = 1\n", "serve.toml:1: [serve] is a table"),
                           ("port = \n", "serve.toml:1: "),
                           ('config = "x"\n', "config belongs on the command line only")):
            done = self.check_config(text)
            self.assertEqual(done.returncode, 2, (text, done.stderr))
            self.assertIn(says, done.stderr)
        self.keys.write_text("what is this\n")
        done = self.check_config(f'api-keys = "{self.keys}"\n')
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"{self.keys}:1:", done.stderr)

    def test_every_option_of_serve_can_stand_in_the_file(self):
        page = self.ok("serve", "--help").stdout
        names = re.findall(r"(?m)^  (?:-\w,)?--([a-z-]+)(?= |$)(?! *\(not)", page)
        self.assertGreater(len(names), 25)
        for name in names:
            if name in ("help", "config", "check-config"):
                continue
            done = self.check_config(f"{name} = 1979-05-27\n")  # a date is no option's value
            self.assertEqual(done.returncode, 2, name)
            self.assertRegex(done.stderr, rf"serve\.toml:1: {name} (takes a text|is a flag)", name)

    def test_the_example_of_the_document_has_only_options_that_there_are(self):
        text = (ROOT / "docs" / "operations.md").read_text()
        block = re.search(r"(?m)^    # /etc/cairn/serve\.toml\n((?:    .*\n)+)", text)[1]
        page = self.ok("serve", "--help").stdout
        names = re.findall(r"(?m)^    ([a-z-]+) = ", block)
        self.assertGreater(len(names), 8)
        for name in names:
            self.assertRegex(page, rf"--{name}\b", name)

    # ---- the manual page

    def test_the_manual_page_has_every_command(self):
        page = self.ok("help", "--man").stdout.replace("\\-", "-")
        self.assertTrue(page.startswith('.TH CAIRN 1 "" "cairn '))
        for command in re.findall(r"(?m)^  cairn ([a-z]+)", self.ok("--help").stdout):
            self.assertIn(f".SS cairn {command}", page)
            for option in re.findall(r"(?m)^  (-\S+)", self.ok("help", command).stdout):
                self.assertIn(option, page, command)
        self.assertEqual(page, self.ok("help", "--man").stdout.replace("\\-", "-"))

    @unittest.skipUnless(shutil.which("groff"), "no groff")
    def test_the_manual_page_is_set_without_a_warning(self):
        page = self.ok("help", "--man").stdout
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-K", "utf8", "-rLL=100n"], input=page, capture_output=True,
                              text=True, timeout=60, env={**os.environ, "GROFF_NO_SGR": "1"})
        self.assertEqual(done.returncode, 0, done.stderr)
        # A long word that cannot be broken is no fault of the page.
        complaints = [line for line in done.stderr.splitlines() if "adjust" not in line and "break" not in line]
        self.assertEqual(complaints, [])
        self.assertIn("cairn serve", done.stdout)

    # ---- systemd

    def unit(self):
        path = self.tmp / "cairn.service"
        text = (ROOT / "docs" / "cairn.service").read_text()
        path.write_text(text.replace("/usr/bin/cairn", PROGRAM))
        return path, text

    def test_the_unit_starts_what_there_is(self):
        _, text = self.unit()
        words = re.search(r"(?m)^ExecStart=/usr/bin/cairn (.*)$", text)[1].split()
        page = self.ok(words[0], "--help").stdout
        for word in words[1:]:
            if word.startswith("--"):
                self.assertIn(word, page)
        grace = re.search(r"--grace .*?\(default: (\d+)\)", page, re.S)[1]
        self.assertGreater(int(re.search(r"(?m)^TimeoutStopSec=(\d+)$", text)[1]), int(grace))
        self.assertIn("ExecReload=/bin/kill -HUP $MAINPID", text)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_the_unit_is_valid_and_tight(self):
        path, _ = self.unit()
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        version = int(re.search(r"systemd (\d+)", subprocess.run(["systemd-analyze", "--version"], capture_output=True,
                                                                text=True, check=True).stdout)[1])
        if version >= 250:  # since when it reads a file; 20: an exposure of 2.0 of 10
            done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", path],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stdout[-500:])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
