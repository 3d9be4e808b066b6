#!/usr/bin/env python3
"""What an administrator relies on: keys, options, certificates, signals, the manual page, the systemd unit.

  tools/operations_test.py PROGRAM [TEST ...]

Tests that need a program of the system (groff, openssl, systemd-analyze) are skipped where it is not there. Python's standard
library only.
"""
import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import serve_testing
from serve_testing import NO_END, PATIENCE_S, Served, cached_tokens, stream, wait_for

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

    def test_a_quota_below_one_block_is_warned_of(self):
        self.ok("key", "new", "alice", "--kv", "1KiB", "--file", self.keys)
        done = self.check_config(f'api-keys = "{self.keys}"\n')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"the quota of 'alice' is kv=1024, but the shortest text of this model takes \d+ bytes")
        with Served("--api-keys", self.keys) as served:
            served.wait_for_line("warning the quota of 'alice' is kv=1024")

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

    # ---- who may reach a server, and who may use it

    def new_key(self, *words):
        return self.ok("key", "new", *words, "--file", self.keys).stdout.strip()

    def test_by_default_it_listens_to_this_machine_at_8080(self):
        with socket.socket() as holder:  # then it says which port of which address it wanted
            try:
                holder.bind(("127.0.0.1", 8080))
                holder.listen()
            except OSError:
                pass  # somebody else's holds it
            self.fails(1, "serve", says="port 8080 of 127.0.0.1 is in use")

    def test_a_port_in_use_is_named(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            self.fails(1, "serve", "--port", port, says=f"port {port} of 127.0.0.1 is in use")

    def test_others_reach_it_only_with_keys_or_where_that_is_said(self):
        self.fails(2, "serve", "--host", "0.0.0.0", "--port", "0", says="--api-keys")
        with Served("--host", "0.0.0.0", "--allow-anybody") as served:
            self.assertEqual(served.host, "0.0.0.0")
            self.assertEqual(served.ask("GET", "/health")[0], 200)

    def test_names_of_hosts_and_sites_are_let_in(self):
        host, site = {"Host": "llm.example.org"}, {"Origin": "https://chat.example.org"}
        other_site = {"Origin": "https://evil.example"}
        asked = {**site, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        with Served() as served:
            for headers in (host, site):
                self.assertEqual(served.ask("GET", "/v1/models", headers=headers)[0], 403, headers)
            self.assertEqual(served.exchange("OPTIONS", "/v1/models", headers=asked)[0], 403)
        with Served("--allowed-host", "llm.example.org", "--cors-origin", "https://one.example", "--cors-origin",
                    "https://chat.example.org") as served:
            self.assertEqual(served.ask("GET", "/v1/models", headers=host)[0], 200)
            status, headers, _ = served.exchange("GET", "/v1/models", headers=site)
            self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, "https://chat.example.org"))
            status, headers, _ = served.exchange("OPTIONS", "/v1/chat/completions", headers=asked)
            self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (204, "https://chat.example.org"))
            self.assertIn("POST", headers["Access-Control-Allow-Methods"])
            self.assertIn("authorization", headers["Access-Control-Allow-Headers"])
            status, headers, _ = served.exchange("GET", "/v1/models", headers=other_site)
            self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (403, None))

    def test_keys_come_by_signal(self):
        alice = self.new_key("alice")
        with Served("--api-keys", self.keys) as served:
            def status(key):
                return served.ask("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})[0]

            self.assertEqual(status(alice), 200)
            bob = self.new_key("bob")
            self.assertEqual(status(bob), 401)
            served.process.send_signal(signal.SIGHUP)
            wait_for(lambda: status(bob) == 200, "the keys were not read again")
            self.assertEqual(status(alice), 200)
            self.keys.write_text("not a key\n")
            served.process.send_signal(signal.SIGHUP)
            served.wait_for_line("not read again")
            self.assertEqual(status(bob), 200)

    def test_tenants_find_each_others_prompts_only_where_that_is_said(self):
        alice, bob = self.new_key("alice"), self.new_key("bob")
        ask = {"prompt": "The dog ran to the big red house. " * 12, "max_tokens": 1}
        for options, is_shared in (((), False), (("--share-across-tenants",), True)):
            with Served("--api-keys", self.keys, *options) as served:
                first = served.json("POST", "/v1/completions", ask, key=alice)
                self.assertEqual(cached_tokens(first), 0)
                self.assertGreater(cached_tokens(served.json("POST", "/v1/completions", ask, key=alice)), 0)
                self.assertEqual(cached_tokens(served.json("POST", "/v1/completions", ask, key=bob)) > 0, is_shared)

    # ---- TLS

    def certificate(self, name):
        """Files of a new certificate for 127.0.0.1, signed by itself, and of its key."""
        certificate, key = self.tmp / f"{name}.pem", self.tmp / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-out", certificate, "-keyout", key], check=True, capture_output=True, timeout=PATIENCE_S)
        return certificate, key

    @unittest.skipUnless(shutil.which("openssl"), "no openssl")
    def test_a_new_certificate_comes_by_signal(self):
        one, other = self.certificate("one"), self.certificate("other")
        used = self.tmp / "used.pem", self.tmp / "used.key"

        def use(files):
            for source, target in zip(files, used):
                shutil.copy(source, target)
            served.process.send_signal(signal.SIGHUP)

        for source, target in zip(one, used):
            shutil.copy(source, target)
        with Served("--tls-cert", used[0], "--tls-key", used[1]) as served:
            def is_trusted(certificate):
                try:
                    return served.exchange("GET", "/health", trusted=certificate)[0] == 200
                except ssl.SSLCertVerificationError:
                    return False

            self.assertEqual(served.scheme, "https")
            self.assertTrue(is_trusted(one[0]))
            self.assertFalse(is_trusted(other[0]))
            with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S) as plain:
                plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertNotIn(b" 200 ", plain.recv(4096))
            served.wait_for_line(f"warning the certificate of {used[0]} ends at 20")
            use(other)
            wait_for(lambda: is_trusted(other[0]), "the certificate was not read again")
            self.assertRegex(served.wait_for_line("info the certificate was read again"), r'ends="20\d\d-.* UTC"')
            checked = self.check_config(f'tls-cert = "{used[0]}"\ntls-key = "{used[1]}"\n')
            self.assertEqual(checked.returncode, 0, checked.stderr)
            self.assertIn(f"note: the certificate of {used[0]} ends at 20", checked.stderr)
            self.assertFalse(is_trusted(one[0]))
            use((one[0], other[1]))  # a key that is not this certificate's
            served.wait_for_line("not read again")
            self.assertTrue(is_trusted(other[0]))
            done = self.ok("bench", "serve", "--url", served.url, "--certificates", other[0], "--requests", 2,
                           "--prompt-words", 5, "--answer-tokens", 2, "--json")
            self.assertEqual(json.loads(done.stdout)["answered"], 2)

    # ---- limits and logs, as options set them

    def test_options_that_limit(self):
        with Served("--max-body", "1KiB", "--parallel", "1", "--queue", "1", "--max-connections", "12", "--name",
                    "storyteller", context=4096) as served:
            self.assertEqual(served.json("GET", "/v1/models")["data"][0]["id"], "storyteller")
            self.assertEqual(served.ask("POST", "/v1/completions", {"prompt": "x" * 2000})[0], 413)
            texts = [self.long_text(served) for _ in range(2)]
            served.wait_for(lambda scrape: scrape("cairn_running_requests") == 1
                            and scrape("cairn_waiting_requests") == 1, "two texts at once, or none that waits")
            status, headers, _ = served.exchange("POST", "/v1/completions", {"prompt": "x", "max_tokens": 1})
            self.assertEqual(status, 429)
            self.assertRegex(headers["Retry-After"], r"^\d+$")
            served.wait_for(lambda scrape: scrape("cairn_open_connections") == 3, "connections that have ended count")
            others = [socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S) for _ in range(10)]
            self.assertEqual(served.ask("GET", "/health")[0], 503)  # it is the thirteenth
            for client in texts + others:
                client.close()

    def test_what_is_logged_and_counted(self):
        alice = self.new_key("alice", "--metrics")
        ask = {"prompt": "Once upon a purple time", "max_tokens": 1}
        with Served("--api-keys", self.keys, "--log-format", "json", "--log-prompts", "--metrics-by-tenant") as served:
            served.json("POST", "/v1/completions", ask, key=alice)
            line = json.loads(served.wait_for_line("/v1/completions"))
            self.assertEqual((line["tenant"], line["outcome"], line["status"]), ("alice", "length", 200))
            self.assertIn("a purple time", json.dumps(line))
            self.assertEqual(served.scrape(alice)("cairn_requests_total", outcome="length", tenant="alice"), 1)
        with Served("--api-keys", self.keys, "--log-level", "warning") as served:
            served.json("POST", "/v1/completions", ask, key=alice)
            self.assertEqual(served.scrape(alice)("cairn_requests_total", outcome="length"), 1)
            self.assertNotIn("tenant=", "".join(str(value) for value in served.scrape(alice).values))
        self.assertEqual([line for line in served.lines if "/v1/completions" in line or "purple" in line], [])

    # ---- how it stops

    def long_text(self, served):
        """The connection of a stream that goes on for minutes."""
        client = socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S)
        body = json.dumps({"prompt": "Once", "stream": True, "max_tokens": 3900, **NO_END}).encode()
        client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return client

    def test_it_stops_when_its_texts_have_ended(self):
        with Served() as served:
            results = []
            client = threading.Thread(target=lambda: results.append(
                served.ask("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 400, **NO_END})))
            client.start()
            served.wait_for(lambda scrape: scrape("cairn_running_requests") == 1, "the text does not begin")
            served.process.send_signal(signal.SIGTERM)
            client.join(PATIENCE_S)
            self.assertEqual(results[0][0], 200)
            self.assertEqual(json.loads(results[0][1])["usage"]["completion_tokens"], 400)
            self.assertEqual(served.process.wait(PATIENCE_S), 0)

    def long_texts(self, served):
        """A call of 16 texts that goes on for minutes, with a function that waits for the end of it and looks at it."""
        results = []
        body = {"prompt": "Once", "max_tokens": 3900, "n": 16, **NO_END}
        client = threading.Thread(target=lambda: results.append(asyncio.run(stream(served.port, body))))
        client.start()
        served.wait_for(lambda scrape: scrape("cairn_running_requests") == 16, "the texts do not begin")

        def are_cut():
            client.join(PATIENCE_S)
            [(_, events)] = results
            error, done = events[-2:]
            self.assertIn("the server was stopped before the text had ended", error)
            self.assertEqual(done, "[DONE]")
            self.assertLess(len(events), 16 * 3900 // 2)

        return are_cut

    def test_where_the_grace_runs_out_or_a_second_signal_comes_texts_are_cut_and_told(self):
        size = ("--kv-memory", "64MiB")
        with Served("--grace", "600", *size, context=4096) as patient, \
                Served("--grace", "0.3", *size, context=4096) as hasty:
            texts = {served: self.long_texts(served) for served in (patient, hasty)}
            for served in (patient, hasty):
                served.process.send_signal(signal.SIGTERM)
                served.wait_for_line("stopping")
            self.assertEqual(hasty.process.wait(PATIENCE_S), 0)
            texts[hasty]()
            self.assertIn(" info request ", hasty.wait_for_line("outcome=shutdown"))
            # It was stopped before the other.
            self.assertIsNone(patient.process.poll(), "it did not wait for its texts")
            patient.process.send_signal(signal.SIGTERM)
            self.assertEqual(patient.process.wait(PATIENCE_S), 130)
            texts[patient]()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = serve_testing.PROGRAM = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
