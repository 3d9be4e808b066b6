#!/usr/bin/env python3
"""Blocks on a disk and in a Redis that machines share, from outside: the program, real Redis servers, and nginx.

  tools/tiers_test.py PROGRAM [TEST ...]

Tests that need redis-server, redis-cli or nginx are skipped where they are not there. Python's standard library only.
"""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import serve_testing
from serve_testing import PATIENCE_S, Served, cached_tokens, run_cairn, wait_for

TEXT = "Once upon a time there was a small fox who liked to read. " * 20
GREEDY = {"temperature": 0, "seed": 1, "max_tokens": 12}


def free_port():
    """Low enough that a Cluster's bus, ten thousand above, has a port too."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def generate(*options, **more):
    done = run_cairn("generate", "-p", TEXT, "-n", "8", "--seed", "1", "--json", *options, **more)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class Redis:
    """A redis-server until `end`."""

    def __init__(self, folder, *options):
        self.port = free_port()
        self.folder = Path(folder) / str(self.port)
        self.folder.mkdir()
        self.words = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
                      "--save", "", *options]
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.process.poll() is not None or self.cli("PING") == "PONG", "redis-server does not answer")
        if self.process.poll() is not None:
            raise AssertionError("redis-server ended by itself")

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def cli(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True,
                              timeout=60).stdout.strip()

    def send(self, number):
        self.process.send_signal(number)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class TiersTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cairn-tiers-")
        self.addCleanup(folder.cleanup)
        self.tmp = Path(folder.name)
        self.kept = self.tmp / "kept"

    def needs(self, *programs):
        for program in programs:
            if shutil.which(program) is None:
                self.skipTest(f"{program} is not installed")

    def redis(self, *options):
        self.needs("redis-server", "redis-cli")
        server = Redis(self.tmp, *options)
        self.addCleanup(server.end)
        return server

    def ask(self, served, text=TEXT, key=None, **more):
        return served.json("POST", "/v1/completions", {"prompt": text, **GREEDY, **more}, key)

    # ---- a disk

    def test_the_second_run_of_a_prompt_starts_from_the_disk(self):
        plain = generate()
        self.assertEqual(plain["cached_tokens"], 0)
        self.assertIsNone(plain["cached_from"])
        first = generate("--kv-disk", self.kept)
        second = generate("--kv-disk", self.kept)
        full = (second["prompt_tokens"] - 1) // 32 * 32
        self.assertEqual(first["cached_tokens"], 0)
        self.assertEqual((second["cached_tokens"], second["cached_from"]), (full, "disk"))
        self.assertEqual(second["cached_by_tier"], {"memory": 0, "disk": full, "remote": 0})
        for run in (first, second):
            self.assertEqual(run["tokens"], plain["tokens"])
            self.assertEqual(run["logits_sha256"], plain["logits_sha256"])  # law 2
        self.assertEqual(self.kept.stat().st_mode & 0o777, 0o700)
        self.assertEqual({file.stat().st_mode & 0o777 for file in self.kept.iterdir()}, {0o600})

    def test_windows_and_codecs_come_back_too_and_others_find_nothing(self):
        for plan in ("int8", "k=int4:channel,v=int4:token", "f16,window=256"):
            first = generate("--kv-disk", self.kept, "--kv", plan)
            second = generate("--kv-disk", self.kept, "--kv", plan)
            self.assertEqual(first["cached_tokens"], 0, plan)
            self.assertEqual(second["cached_from"], "disk", plan)
            self.assertEqual(second["logits_sha256"], first["logits_sha256"], plan)

    def test_loading_can_be_forbidden(self):
        generate("--kv-disk", self.kept)
        self.assertEqual(generate("--kv-disk", self.kept, "--kv-load", "never")["cached_tokens"], 0)

    def test_what_is_wrong_with_a_folder_is_said(self):
        file = self.tmp / "file"
        file.write_text("no folder")
        for folder in (file, file / "inside"):
            done = run_cairn("generate", "-p", "x", "-n", "1", "--kv-disk", folder)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(str(file), done.stderr)
        done = run_cairn("generate", "-p", "x", "--kv-disk", self.kept, "--kv-disk-size", "1KiB")
        self.assertNotEqual(done.returncode, 0)
        done = run_cairn("generate", "-p", "x", "--kv-remote", "http://localhost")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("redis://", done.stderr)

    def test_a_second_process_on_a_folder_is_told(self):
        with Served("--kv-disk", self.kept):
            done = run_cairn("generate", "-p", "x", "-n", "1", "--kv-disk", self.kept)
            self.assertEqual(done.returncode, 2)
            self.assertIn("another process", done.stderr)

    def test_a_server_that_is_started_again_knows_what_it_knew(self):
        with Served("--kv-disk", self.kept) as served:
            first = self.ask(served)
        with Served("--kv-disk", self.kept) as served:
            again = self.ask(served, cairn={"explain_cache": True})
            scrape = served.scrape()
        self.assertEqual(cached_tokens(first), 0)
        self.assertGreater(cached_tokens(again), 200)
        self.assertEqual(again["choices"][0]["text"], first["choices"][0]["text"])
        tiers = again["cairn"]["cache"]["tiers"]
        self.assertEqual((tiers["choice"], tiers["disk_tokens"]), ("loaded", cached_tokens(again)))
        self.assertEqual(scrape("cairn_kv_tier_loaded_blocks_total", tier="disk"), cached_tokens(again) // 32)
        self.assertGreater(scrape("cairn_kv_disk_bytes", state="live"), 0)

    def test_tenants_share_nothing_on_the_disk_either(self):
        keys = self.tmp / "keys"
        alice = run_cairn("key", "new", "alice", "--file", keys).stdout.strip()
        bob = run_cairn("key", "new", "bob", "--file", keys).stdout.strip()
        options = ("--kv-disk", self.kept, "--api-keys", keys)
        with Served(*options) as served:
            self.ask(served, key=alice)
        with Served(*options) as served:
            reply = self.ask(served, key=bob, cairn={"explain_cache": True})
            self.assertEqual(cached_tokens(reply), 0)
            self.assertNotIn("tiers", reply["cairn"]["cache"])
            self.assertGreater(cached_tokens(self.ask(served, key=alice)), 0)

    def test_a_server_that_is_killed_at_any_moment_leaves_nothing_wrong(self):
        with Served() as served:
            expected = {n: self.ask(served, f"{n} {TEXT}")["choices"][0]["text"] for n in range(6)}
        chance = random.Random(5)
        rounds = int(os.environ.get("CAIRN_KILL_ROUNDS", "4"))
        for _ in range(rounds):
            with Served("--kv-disk", self.kept) as served:
                threads = [threading.Thread(target=self.ask_in_vain, args=(served, n)) for n in range(6)]
                for thread in threads:
                    thread.start()
                time.sleep(chance.uniform(0.05, 0.8))  # any moment will do
                served.process.kill()
                for thread in threads:
                    thread.join()
            with Served("--kv-disk", self.kept) as served:
                for n, text in expected.items():
                    self.assertEqual(self.ask(served, f"{n} {TEXT}")["choices"][0]["text"], text)

    def ask_in_vain(self, served, n):
        try:
            self.ask(served, f"{n} {TEXT}")
        except (OSError, http.client.HTTPException, AssertionError):
            pass  # it was killed

    # ---- a store that machines share

    def test_what_one_server_computed_another_finds(self):
        redis = self.redis()
        with Served("--kv-remote", redis.url) as one, Served("--kv-remote", redis.url) as other:
            first = self.ask(one)
            wait_for(lambda: one.scrape()("cairn_kv_tier_kept_blocks_total", tier="remote") >= 8,
                     "no blocks came to the remote store")
            second = self.ask(other, cairn={"explain_cache": True})
        self.assertEqual(second["choices"][0]["text"], first["choices"][0]["text"])
        self.assertGreater(cached_tokens(second), 200)
        self.assertEqual(second["cairn"]["cache"]["tiers"]["remote_tokens"], cached_tokens(second))

    def test_generate_finds_what_another_machine_kept(self):
        redis = self.redis()
        first = generate("--kv-remote", redis.url)
        second = generate("--kv-remote", redis.url)
        self.assertEqual(second["cached_from"], "remote")
        self.assertEqual(second["logits_sha256"], first["logits_sha256"])

    def test_a_store_that_stands_still_or_is_dead_delays_nobody_for_long(self):
        redis = self.redis()
        with Served("--kv-remote", redis.url) as served:
            text = self.ask(served)["choices"][0]["text"]
            redis.send(signal.SIGSTOP)
            for n in range(5):
                self.assertEqual(self.ask(served, f"{n} {TEXT}")["usage"]["completion_tokens"] > 0, True)
            self.assertGreater(served.scrape()("cairn_kv_remote_failures_total"), 0)
            redis.send(signal.SIGCONT)
            redis.end()
            self.assertEqual(self.ask(served)["choices"][0]["text"], text)
            self.ask(served, "another " + TEXT)

    def test_a_store_that_holds_garbage_is_not_believed(self):
        redis = self.redis()
        expected = generate("--kv-remote", redis.url)
        for key in redis.cli("--raw", "KEYS", "*").splitlines()[:3]:
            redis.cli("SET", key, "garbage")
        redis.cli("EVAL", "for _,k in ipairs(redis.call('KEYS','*')) do "
                          "local v=redis.call('GET',k); redis.call('SET',k,string.sub(v,1,-2)..'x') end", "0")
        again = generate("--kv-remote", redis.url)
        self.assertEqual(again["logits_sha256"], expected["logits_sha256"])

    # The walk-through of docs/tiers.md: three nodes of a Cluster, two servers, nginx in front that keeps a session with one.
    def test_two_servers_behind_nginx_share_a_cluster(self):
        self.needs("redis-server", "redis-cli", "nginx")
        nodes = [self.redis("--cluster-enabled", "yes", "--cluster-node-timeout", "2000") for _ in range(3)]
        made = subprocess.run(["redis-cli", "--cluster", "create", *[f"127.0.0.1:{node.port}" for node in nodes],
                               "--cluster-yes"], capture_output=True, text=True, timeout=120)
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        wait_for(lambda: all("cluster_state:ok" in node.cli("CLUSTER", "INFO") for node in nodes), "no Cluster comes about")
        remote = [word for node in nodes for word in ("--kv-remote", node.url)]
        with Served(*remote) as one, Served(*remote) as other:
            port = self.nginx([one.port, other.port])
            replies = {session: self.ask_nginx(port, session) for session in "abcdefghijklmnop"}
            self.assertEqual(len({text for text, _ in replies.values()}), 1)
            servers = {session: self.asked(port, session, (one, other)) for session in replies}
            self.assertEqual(set(servers.values()), {0, 1})  # both serve: by chance one of them has all once in 30,000 times
            for session, server in servers.items():
                self.assertEqual(self.asked(port, session, (one, other)), server)  # and a session stays
            wait_for(lambda: sum(each.scrape()("cairn_kv_tier_kept_blocks_total", tier="remote")
                                 for each in (one, other)) >= 8, "no blocks came to the Cluster")
            remote_hits = sum(each.scrape()("cairn_kv_tier_loaded_blocks_total", tier="remote") for each in (one, other))
            fresh = "a prompt that one server computes. " * 20
            self.ask(one, fresh)
            kept = one.scrape()("cairn_kv_tier_kept_blocks_total", tier="remote")
            wait_for(lambda: one.scrape()("cairn_kv_tier_kept_blocks_total", tier="remote") > kept or
                     cached_tokens(self.ask(other, fresh)) > 0, "the other server finds nothing")
            self.assertGreater(sum(each.scrape()("cairn_kv_tier_loaded_blocks_total", tier="remote")
                                   for each in (one, other)), remote_hits)
            nodes[0].end()  # costs its slots, and nobody else
            for session in replies:
                self.assertEqual(self.ask_nginx(port, session)[0], replies[session][0])

    def nginx(self, ports):
        port = free_port()
        folder = self.tmp / "nginx"
        folder.mkdir()
        config = folder / "nginx.conf"
        servers = " ".join(f"server 127.0.0.1:{each};" for each in ports)
        config.write_text(f"""
            daemon off; pid {folder}/pid; error_log {folder}/error.log;
            events {{}}
            http {{
              access_log off;
              client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
              fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
              upstream cairn {{ hash $http_x_session_id consistent; {servers} }}
              server {{
                listen 127.0.0.1:{port};
                location / {{ proxy_pass http://cairn; proxy_http_version 1.1; proxy_set_header Connection "";
                              proxy_set_header Host localhost; proxy_buffering off; proxy_read_timeout 600s; }}
              }}
            }}""")
        process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(config)], stderr=subprocess.PIPE)

        def end():
            process.terminate()
            process.wait()
            process.stderr.close()

        self.addCleanup(end)

        def answers():
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    return True
            except OSError:
                return False

        wait_for(answers, "nginx does not listen")
        return port

    def ask_nginx(self, port, session):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/v1/completions", json.dumps({"prompt": TEXT, **GREEDY}),
                               {"Content-Type": "application/json", "X-Session-Id": session})
            reply = connection.getresponse()
            body = reply.read().decode()
            self.assertEqual(reply.status, 200, body)
            parsed = json.loads(body)
            return parsed["choices"][0]["text"], cached_tokens(parsed)
        finally:
            connection.close()

    def asked(self, port, session, servers):
        """Which of the servers a session's request comes to."""
        before = [served.scrape()("cairn_prompt_tokens_total") for served in servers]
        self.ask_nginx(port, session)
        rose = wait_for(lambda: [i for i, served in enumerate(servers)
                                 if served.scrape()("cairn_prompt_tokens_total") > before[i]], "no server was asked")
        self.assertEqual(len(rose), 1)
        return rose[0]


if __name__ == "__main__":
    serve_testing.PROGRAM = sys.argv.pop(1)
    unittest.main()
