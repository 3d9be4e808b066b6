"""For tests of `cairn serve` from outside: the program as a process, what it counts, and clients that stay or go.

Python's standard library only; the demo model. A test's main sets PROGRAM.
"""
import asyncio
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

PROGRAM = None
PATIENCE_S = 240  # of a machine that is busy, or runs a sanitizer
NO_END = {"logit_bias": {"2": -100}}  # the demo model's end token: a text of it is as long as it may be


def run_cairn(*words, **more):
    return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=PATIENCE_S, **more)


def is_sanitized():
    """Whether PROGRAM is a sanitizer's build, which takes memory of its own."""
    return b"san.so" in subprocess.run(["ldd", PROGRAM], capture_output=True).stdout


class Scrape:
    """What /metrics said at one moment."""

    def __init__(self, text):
        self.values = []
        for line in text.splitlines():
            found = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if found:
                self.values.append((found[1], dict(re.findall(r'(\w+)="([^"]*)"', found[2] or "")), float(found[3])))

    def __call__(self, name, **labels):
        """The sum over all series of this name that have these labels; there must be one."""
        found = [value for known, has, value in self.values if known == name and labels.items() <= has.items()]
        if not found:
            raise AssertionError(f"no metric {name} {labels}")
        return int(sum(found))

    def requests_inside(self):
        return self("cairn_running_requests") + self("cairn_waiting_requests")

    def blocks_in_use(self):
        return self("cairn_kv_blocks", state="open") + self("cairn_kv_blocks", state="held")


class Served:
    """`cairn serve` until the block ends; on a free port, unless `port` says another."""

    def __init__(self, *options, context=512, port="0"):
        self.words = ["serve", "-t", "2", "-c", str(context), "--port", port, *map(str, options)]
        self.lines = []

    def __enter__(self):
        self.process = subprocess.Popen([PROGRAM, *self.words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.match(r"listening on (https?)://(.*):(\d+)$", line.strip())
            if found:
                self.scheme, self.host, self.port = found[1], found[2], int(found[3])
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

    @property
    def url(self):
        return f"{self.scheme}://{self.host}:{self.port}"

    def connection(self, trusted=None):
        """With `trusted`, a PEM file: by TLS, trusting that certificate alone."""
        if trusted is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        context = ssl.create_default_context(cafile=trusted)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_S, context=context)

    def exchange(self, method, path, body=None, headers=None, trusted=None):
        """The whole exchange: status, headers, body."""
        connection = self.connection(trusted)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read().decode()
        finally:
            connection.close()

    def ask(self, method, path, body=None, headers=None):
        status, _, text = self.exchange(method, path, body, headers)
        return status, text

    def json(self, method, path, body=None, key=None):
        """The body of a reply that must be 200."""
        status, text = self.ask(method, path, body, {"Authorization": f"Bearer {key}"} if key else None)
        if status != 200:
            raise AssertionError(f"{method} {path}: {status} {text}")
        return json.loads(text)

    def scrape(self, key=None):
        status, text = self.ask("GET", "/metrics", headers={"Authorization": f"Bearer {key}"} if key else None)
        if status != 200:
            raise AssertionError(f"/metrics: {status} {text}")
        return Scrape(text)

    def wait_for(self, holds, words):
        """The first scrape that `holds` is true of."""
        def look():
            scrape = self.scrape()
            return scrape if holds(scrape) else None

        return wait_for(look, words)

    def wait_for_line(self, words):
        return wait_for(lambda: next((line for line in self.lines if words in line), None), f"no line says '{words}'")

    def at_rest(self, cancelled):
        """The scrape when nothing runs or waits, and so many requests were counted as cancelled."""
        self.wait_for(lambda scrape: scrape.requests_inside() == 0, "texts of clients that are gone still run")
        # A request is counted a moment after its text has left the engine.
        return self.wait_for(lambda scrape: scrape("cairn_requests_total", outcome="cancelled") >= cancelled,
                             f"fewer than {cancelled} requests were counted as cancelled")

    def memory(self, name):
        """VmRSS or VmHWM in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024

    def forget_peak(self):
        """VmHWM begins anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def wait_for(look, words):
    """What `look` returns, once that is true of it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(words)
        time.sleep(0.02)


async def stream(port, body, vanish_after=None, path="/v1/completions"):
    """The status line and the events' data. With vanish_after, so many of them, then the connection is reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    payload = json.dumps({**body, "stream": True}).encode()
    writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 f"Connection: close\r\nContent-Length: {len(payload)}\r\n\r\n".encode() + payload)
    await writer.drain()
    events = []
    status = (await reader.readline()).decode().strip()
    while " 200 " in status and (vanish_after is None or len(events) < vanish_after):
        line = await reader.readline()
        if not line:
            break
        if line.startswith(b"data: "):
            events.append(line[6:].strip().decode())
            if events[-1] == "[DONE]":
                break
    if vanish_after is None:
        writer.close()
    else:
        writer.transport.abort()
    return status, events


def streams(port, bodies, vanish_after=None, path="/v1/completions"):
    """All of them at once."""
    async def together():
        return await asyncio.gather(*(stream(port, body, vanish_after, path) for body in bodies))

    return asyncio.run(asyncio.wait_for(together(), PATIENCE_S))


def cached_tokens(reply):
    return reply["usage"]["prompt_tokens_details"]["cached_tokens"]
