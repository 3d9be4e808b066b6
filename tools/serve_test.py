#!/usr/bin/env python3
"""The server from outside, as a process: many clients, hostile ones, signals, files of keys and options.

  tools/serve_test.py PROGRAM [TEST ...]

Python's standard library only; the demo model.
"""
import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

PROGRAM = None
PATIENCE_S = 240  # of a machine that is busy, or runs a sanitizer


class Served:
    """`cairn serve` on a free port, until the block ends."""

    def __init__(self, *options, env=None):
        self.options = options
        self.env = env
        self.lines = []

    def __enter__(self):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", "-t", "2", "-c", "512", *self.options],
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(self.env or {})})
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.match(r"listening on (https?)://(.*):(\d+)$", line.strip())
            if found:
                self.port = int(found.group(3))
                break
        else:
            self.process.wait()
            raise AssertionError("the server did not start: " + "".join(self.lines))
        self.reader = threading.Thread(target=self.read_rest, daemon=True)
        self.reader.start()
        return self

    def read_rest(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(5)
        self.process.stderr.close()
        self.process.stdout.close()

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def metric(self, name):
        _, text = self.ask("GET", "/metrics")
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if re.match(re.escape(name) + r"[ {]", line))

    def resident_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


async def stream(port, body, vanish_after=None):
    """The events' data; with vanish_after, so many of them, then the connection is reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    payload = json.dumps(body).encode()
    writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 b"Connection: close\r\nContent-Length: " + str(len(payload)).encode() + b"\r\n\r\n" + payload)
    await writer.drain()
    events = []
    status = await reader.readline()
    if b" 200 " not in status:
        writer.close()
        return status.decode().strip(), events
    while True:
        line = await reader.readline()
        if not line:
            break
        if line.startswith(b"data: "):
            events.append(line[6:].strip().decode())
            if vanish_after is not None and len(events) >= vanish_after:
                writer.transport.abort()
                return status.decode().strip(), events
            if events[-1] == "[DONE]":
                break
    writer.close()
    return status.decode().strip(), events


class ServeTest(unittest.TestCase):
    def test_500_clients_at_once_all_get_their_text(self):
        with Served("--parallel", "32") as served:
            before = served.resident_bytes()

            async def all_of_them():
                return await asyncio.gather(*(
                    stream(served.port, {"prompt": f"Story {i % 20} begins", "max_tokens": 8, "stream": True,
                                         "temperature": 1, "seed": i}) for i in range(500)))

            results = asyncio.run(asyncio.wait_for(all_of_them(), PATIENCE_S))
            self.assertEqual(sum(1 for _, events in results if events and events[-1] == "[DONE]"), 500,
                             [status for status, events in results if not events][:3])
            grown = served.resident_bytes() - before
            self.assertLess(grown, 300 << 20, "500 streams may not cost 300 MiB")

    def test_250_that_vanish_free_their_blocks(self):
        with Served("--parallel", "32") as served:
            async def half_of_them():
                return await asyncio.gather(*(
                    stream(served.port, {"prompt": f"Story {i} begins", "max_tokens": 200, "stream": True},
                           vanish_after=2 if i % 2 == 0 else None) for i in range(40)))

            async def many_vanish():
                return await asyncio.gather(*(
                    stream(served.port, {"prompt": f"Tale {i} begins", "max_tokens": 300, "stream": True},
                           vanish_after=1) for i in range(250)))

            asyncio.run(asyncio.wait_for(many_vanish(), PATIENCE_S))
            results = asyncio.run(asyncio.wait_for(half_of_them(), PATIENCE_S))
            self.assertEqual(sum(1 for _, events in results if events[-1] == "[DONE]"), 20)
            deadline = time.monotonic() + PATIENCE_S
            while served.metric("cairn_running_requests") + served.metric("cairn_waiting_requests") > 0:
                self.assertLess(time.monotonic(), deadline, "texts of clients that are gone still run")
                time.sleep(0.05)

    def test_a_client_that_does_not_read_is_dropped(self):
        with Served("--write-timeout", "1") as served:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", served.port))
            body = json.dumps({"prompt": "Once", "max_tokens": 400, "stream": True, "n": 16, "logprobs": 5}).encode()
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                           + str(len(body)).encode() + b"\r\n\r\n" + body)
            deadline = time.monotonic() + PATIENCE_S
            while served.metric("cairn_running_requests") == 0:
                self.assertLess(time.monotonic(), deadline)
            while served.metric("cairn_running_requests") + served.metric("cairn_waiting_requests") > 0:
                self.assertLess(time.monotonic(), deadline, "nobody reads, and the texts go on")
                time.sleep(0.05)
            client.close()

    def test_hostile_requests_leave_it_well(self):
        hostile = [
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108864\r\n\r\n" + b"x" * 100_000,
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"e" * 200_000,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\0" * 5000,
        ]
        bodies = ["{", "[" * 100_000, '{"prompt":"\xff"}', '{"prompt":1e999}', "null", '{"prompt":' + '"x"' * 3,
                  '{"prompt":"x","max_tokens":-1}', '{"prompt":"x","n":1e30}', '{"prompt":"\\ud800"}']
        with Served() as served:
            before = served.resident_bytes()
            for request in hostile:
                client = socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S)
                try:
                    client.sendall(request)
                    client.recv(4096)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                client.close()
            for body in bodies:
                connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=PATIENCE_S)
                connection.request("POST", "/v1/completions", body.encode("latin-1"))
                reply = connection.getresponse()
                self.assertEqual(reply.status, 400, body[:40])
                self.assertIn("error", json.loads(reply.read()))
                connection.close()
            self.assertEqual(served.ask("GET", "/health")[0], 200)
            self.assertLess(served.resident_bytes() - before, 100 << 20)

    def test_a_slow_head_is_closed_at_its_limit(self):
        with Served("--header-timeout", "0.5") as served:
            client = socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S)
            began = time.monotonic()
            client.sendall(b"GET /health HTTP/1.1\r\n")
            try:
                while client.recv(100):
                    pass
            except ConnectionResetError:
                pass
            self.assertLess(time.monotonic() - began, 60)
            client.close()

    def test_keys_come_by_signal(self):
        with tempfile.TemporaryDirectory() as folder:
            keys = str(Path(folder, "keys.txt"))
            new_key = [PROGRAM, "key", "new"]
            alice = subprocess.run([*new_key, "alice", "--file", keys], capture_output=True, text=True,
                                   check=True).stdout.strip()
            self.assertEqual(os.stat(keys).st_mode & 0o777, 0o600)
            with Served("--api-keys", keys) as served:
                def status(key):
                    return served.ask("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})[0]

                self.assertEqual(status(alice), 200)
                bob = subprocess.run([*new_key, "bob", "--file", keys], capture_output=True, text=True,
                                     check=True).stdout.strip()
                self.assertEqual(status(bob), 401)
                served.process.send_signal(signal.SIGHUP)
                deadline = time.monotonic() + PATIENCE_S
                while status(bob) != 200:
                    self.assertLess(time.monotonic(), deadline, "the keys were not read again")
                    time.sleep(0.05)
                self.assertEqual(status(alice), 200)
                Path(keys).write_text("not a key\n")
                served.process.send_signal(signal.SIGHUP)
                while not any("not read again" in line for line in served.lines):
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
                self.assertEqual(status(bob), 200)

    def test_it_stops_when_its_texts_have_ended(self):
        with Served() as served:
            result = {}

            def run():
                result["reply"] = served.ask("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 300})

            client = threading.Thread(target=run)
            client.start()
            deadline = time.monotonic() + PATIENCE_S
            while served.metric("cairn_running_requests") == 0 and client.is_alive():
                self.assertLess(time.monotonic(), deadline)
            served.process.send_signal(signal.SIGTERM)
            client.join(PATIENCE_S)
            self.assertEqual(result["reply"][0], 200)
            self.assertEqual(served.process.wait(PATIENCE_S), 0)

    def test_who_may_reach_it(self):
        refused = subprocess.run([PROGRAM, "serve", "--host", "0.0.0.0", "--port", "0"], capture_output=True, text=True,
                                 timeout=PATIENCE_S)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--api-keys", refused.stderr)

    def test_a_port_in_use_is_named(self):
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = subprocess.run([PROGRAM, "serve", "--port", port], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(port, refused.stderr)
        taken.close()

    def test_a_config_file_is_checked(self):
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder, "serve.toml")
            config.write_text('port = 0\nparallel = 4\nkv = "int8"\n')
            checked = subprocess.run([PROGRAM, "serve", "--config", config, "--check-config"], capture_output=True,
                                     text=True, timeout=PATIENCE_S)
            self.assertEqual(checked.returncode, 0, checked.stderr)
            config.write_text("port = 0\nparalel = 4\n")
            wrong = subprocess.run([PROGRAM, "serve", "--config", config, "--check-config"], capture_output=True,
                                   text=True, timeout=PATIENCE_S)
            self.assertEqual(wrong.returncode, 2)
            self.assertIn("parallel", wrong.stderr)
            self.assertIn(":2", wrong.stderr)

    def test_explain_tells_why(self):
        with Served() as served:
            prompt = "The dog ran to the big red house. " * 12
            served.ask("POST", "/v1/completions", {"prompt": prompt, "max_tokens": 1})
            served.ask("POST", "/v1/completions", {"prompt": prompt, "max_tokens": 1})
            told = subprocess.run([PROGRAM, "explain", "last", "--url", f"http://127.0.0.1:{served.port}"],
                                  capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual(told.returncode, 0, told.stderr)
            self.assertIn("prompt tokens found", told.stdout)
            unknown = subprocess.run([PROGRAM, "explain", "nothing", "--url", f"http://127.0.0.1:{served.port}"],
                                     capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual(unknown.returncode, 1)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
