#!/usr/bin/env python3
"""The server from outside, as a process: many clients, absent and hostile ones, and what its cache does for them.

  tools/serve_test.py PROGRAM [TEST ...]

What an administrator sets is in operations_test.py. Python's standard library only; the demo model.
"""
import http.client
import json
import select
import socket
import sys
import threading
import unittest
from itertools import combinations, takewhile
from pathlib import Path

import serve_testing
from serve_testing import NO_END, PATIENCE_S, Served, cached_tokens, is_sanitized, run_cairn, streams

MIB = 1 << 20


def tokens_of(served, **what):
    return served.json("POST", "/tokenize", what)["tokens"]


def common_length(one, other):
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other)))


def connect(served):
    return socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S)


def ends(client):
    """Waits until the server has ended the connection; what came until then."""
    arrived = b""
    try:
        while part := client.recv(65536):
            arrived += part
    except ConnectionResetError:
        pass
    return arrived


class CrowdTest(unittest.TestCase):
    def test_500_clients_at_once_all_get_their_text(self):
        with Served("--parallel", "32", "--kv-memory", "8MiB") as served:
            def bodies(count):
                return [{"prompt": f"Story {i % 20} begins", "max_tokens": 8, "temperature": 1, "seed": i % 20}
                        for i in range(count)]

            # What every server has in memory after a while: all of the cache, and what threads and tables grow to.
            first = streams(served.port, bodies(64))[:20]
            before = served.memory("VmRSS")
            served.forget_peak()
            results = streams(served.port, bodies(500))
            peak = served.memory("VmHWM") - before
            self.assertEqual(sum(1 for _, events in results if events and events[-1] == "[DONE]"), 500,
                             [status for status, events in results if not events][:3])

            def text(events):
                return "".join(json.loads(event)["choices"][0]["text"] for event in events[:-1])

            for i, (_, events) in enumerate(results):
                self.assertEqual(text(events), text(first[i % 20][1]), "a neighbour changed a text")
            if not is_sanitized():
                self.assertLess(peak, 24 * MIB, "a stream costs less than 48 kB, its connection included")

    def test_16_users_behind_one_prompt_cost_one_prefix_and_16_tails(self):
        users, context, most = 16, 1024, 24
        plan = json.loads(run_cairn("plan", "-c", context, "--sequences", users, "--json").stdout)
        [group] = plan["groups"]
        block_bytes = group["bytes"] // group["blocks"]
        block = users * context // group["blocks"]  # positions
        with Served("--parallel", users, context=context) as served:
            at_start = served.scrape()
            self.assertEqual(at_start("cairn_kv_used_bytes"), 0)
            self.assertEqual(at_start("cairn_kv_pool_bytes"), block_bytes * at_start("cairn_kv_blocks"))
            chats = [self.chat_of(served, user, block) for user in range(users)]
            lengths = [len(tokens) for _, tokens in chats]
            prefix_blocks = common_length(chats[0][1], chats[1][1]) // block
            self.assertGreater(prefix_blocks, 8)
            for (_, one), (_, other) in combinations(chats, 2):
                self.assertEqual(common_length(one, other) // block, prefix_blocks)
            # Each user's own whole blocks; and one that stays open, from the prompt's end to the text's.
            own_blocks = sum(length // block - prefix_blocks for length in lengths)
            self.assertEqual(own_blocks, sum((length + most) // block - prefix_blocks for length in lengths))
            self.assertGreaterEqual(own_blocks, users)
            bodies = [{"messages": messages, "max_tokens": most, "stream_options": {"include_usage": True}, **NO_END}
                      for messages, _ in chats]
            for attempt in range(20):  # until they were all seen at once
                rows_before = served.scrape()("cairn_rows_total", kind="prompt")
                scrapes, results = self.scrapes_while(served, bodies)
                cached = [json.loads(events[-2])["usage"]["prompt_tokens_details"]["cached_tokens"]
                          for _, events in results]
                if attempt == 0:  # nobody knew the prompt, and it was computed once
                    self.assertEqual(sorted(cached), [0] + [prefix_blocks * block] * (users - 1))
                rows = rows_before + sum(lengths) - sum(cached)
                at_end = served.at_rest(cancelled=0)
                self.assertEqual(at_end("cairn_rows_total", kind="prompt"), rows)
                self.assertEqual(at_end("cairn_kv_used_bytes"), (prefix_blocks + own_blocks) * block_bytes)
                seen = [scrape for scrape in scrapes if scrape("cairn_running_requests") == users
                        and scrape("cairn_rows_total", kind="prompt") == rows]
                if seen:
                    break
            self.assertTrue(seen, "the users were never seen at once")
            for scrape in seen:
                self.assertEqual(scrape("cairn_kv_used_bytes"), (prefix_blocks + own_blocks + users) * block_bytes)
                self.assertEqual(scrape("cairn_kv_blocks", state="held"), prefix_blocks + own_blocks)
                self.assertEqual(scrape("cairn_kv_blocks", state="open"), users)

    def chat_of(self, served, user, block):
        """A chat whose prompt ends with the first positions of a block, and its tokens."""
        rules = " ".join(f"Rule {i}: the little dog is kind to the old cat and helps it home." for i in range(24))
        question = f"{chr(ord('A') + user)} asks: who is it that came to the house by the river, and why did it come"
        for _ in range(4 * block):
            messages = [{"role": "system", "content": rules}, {"role": "user", "content": question}]
            tokens = tokens_of(served, messages=messages)
            if 1 <= len(tokens) % block <= 4:
                return messages, tokens
            question += " now"
        self.fail("no question has the right length")

    def scrapes_while(self, served, bodies):
        """All that /metrics says while these chats run, and what they get."""
        results, scrapes = [], []
        clients = threading.Thread(
            target=lambda: results.extend(streams(served.port, bodies, path="/v1/chat/completions")))
        clients.start()
        while clients.is_alive():
            scrapes.append(served.scrape())
        clients.join()
        self.assertEqual(len(results), len(bodies))
        return scrapes, results

    def test_bench_serve_counts_what_the_server_counts(self):
        with Served() as served:
            done = run_cairn("bench", "serve", "--url", served.url, "--json", "--users", 4, "--requests", 12,
                             "--prompt-words", 20, "--answer-tokens", 6, "--shared-prefix", 1, "--prefix-words", 100)
            self.assertEqual(done.returncode, 0, done.stderr)
            report = json.loads(done.stdout)
            at_end = served.at_rest(cancelled=0)
            self.assertEqual((report["model"], report["answered"], report["failed"]), ("demo", 12, 0))
            self.assertEqual(at_end("cairn_requests_total"), 12)
            self.assertEqual(report["prompt_tokens"], at_end("cairn_prompt_tokens_total"))
            self.assertEqual(report["answer_tokens"], at_end("cairn_generated_tokens_total"))
            self.assertEqual(report["cached_tokens"], at_end("cairn_reused_tokens_total"))
            self.assertGreater(report["cached_tokens"], 0)
            self.assertTrue(12 <= report["answer_tokens"] <= 72, report)
            for spread in ("ttft_ms", "latency_ms"):
                self.assertEqual(report[spread]["count"], 12)
                self.assertTrue(0 < report[spread]["p50"] <= report[spread]["p99"] <= report[spread]["max"], report)


class AbsentClientsTest(unittest.TestCase):
    LONG = {"max_tokens": 3900, **NO_END}

    def expect_nothing_left(self, served, cancelled, most_generated):
        at_end = served.at_rest(cancelled)
        self.assertEqual(at_end("cairn_requests_total", outcome="cancelled"), cancelled)
        self.assertEqual(at_end.blocks_in_use(), 0)
        self.assertLess(at_end("cairn_generated_tokens_total"), most_generated,
                        "texts went on after their clients had gone")
        return at_end

    def test_those_that_vanish_free_their_blocks(self):
        with Served("--parallel", "32", "--kv-memory", "64MiB", context=4096) as served:
            amid = [{"prompt": f"Tale {i} begins", **self.LONG} for i in range(250)]
            streams(served.port, amid, vanish_after=1)
            self.expect_nothing_left(served, cancelled=250, most_generated=250 * 3900 // 10)
            early = [{"prompt": f"Myth {i} begins", **self.LONG} for i in range(60)]
            streams(served.port, early, vanish_after=0)
            self.expect_nothing_left(served, cancelled=310, most_generated=310 * 3900 // 10)

    def test_half_vanish_and_the_others_get_their_text(self):
        with Served("--parallel", "32", "--kv-memory", "64MiB", context=4096) as served:
            staying = [{"prompt": f"Story {i} begins", "max_tokens": 60, "temperature": 0, **NO_END} for i in range(20)]
            leaving = [{"prompt": f"Saga {i} begins", **self.LONG} for i in range(20)]
            gone = threading.Thread(target=streams, args=(served.port, leaving, 2))
            gone.start()
            results = streams(served.port, staying)
            gone.join()
            at_end = self.expect_nothing_left(served, cancelled=20, most_generated=20 * 60 + 20 * 3900 // 10)
            self.assertEqual(at_end("cairn_requests_total", outcome="length"), 20)
            for (_, events), body in zip(results, staying):
                self.assertEqual(events[-1], "[DONE]")
                text = "".join(json.loads(event)["choices"][0]["text"] for event in events[:-1])
                self.assertEqual(text, served.json("POST", "/v1/completions", body)["choices"][0]["text"])

    def test_one_that_leaves_before_a_whole_reply(self):
        with Served(context=4096) as served:
            client = connect(served)
            body = json.dumps({"prompt": "Once", **self.LONG}).encode()
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                           + str(len(body)).encode() + b"\r\n\r\n" + body)
            served.wait_for(lambda scrape: scrape("cairn_running_requests") == 1, "the text does not begin")
            client.close()
            self.expect_nothing_left(served, cancelled=1, most_generated=2000)

    def test_one_that_does_not_read_its_stream_is_dropped(self):
        with Served("--kv-memory", "64MiB", context=4096) as served:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", served.port))
            body = json.dumps({"prompt": "Once", "stream": True, "n": 16, "logprobs": 20, **self.LONG}).encode()
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                           + str(len(body)).encode() + b"\r\n\r\n" + body)
            # Some megabytes fit into the system's buffers, a kilobyte and more for each token.
            self.expect_nothing_left(served, cancelled=1, most_generated=16 * 3900 // 2)
            client.close()

    # Of two servers the one with the shorter limit must end its connection first, whatever the machine is doing; where the
    # option did nothing, the other would be first: its connection is older.
    def expect_first_end(self, patient, hasty, sent, answer):
        with connect(patient) as staying, connect(hasty) as ending:
            for client in (staying, ending):
                client.sendall(sent)
            arrived = ends(ending)
            self.assertTrue(arrived.startswith(answer), arrived)
            if b" 200 " in answer:
                self.assertTrue(staying.recv(65536).startswith(answer))
            self.assertFalse(select.select([staying], [], [], 0)[0], "the connection with the longer limit has ended")

    def test_limits_of_time_are_those_of_the_options(self):
        head = b"GET /health HTTP/1.1\r\n"
        body = b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        long_times = [word for name in ("--header-timeout", "--body-timeout", "--idle-timeout") for word in (name, "600")]
        with Served(*long_times) as patient:
            with Served("--header-timeout", "0.3") as hasty:
                self.expect_first_end(patient, hasty, head, b"HTTP/1.1 408 ")
            with Served("--header-timeout", "600", "--body-timeout", "0.3", "--idle-timeout", "0.3") as hasty:
                self.expect_first_end(patient, hasty, body, b"HTTP/1.1 408 ")
                self.expect_first_end(patient, hasty, head + b"Host: localhost\r\n\r\n", b"HTTP/1.1 200 ")

    def test_a_reply_that_is_left_unread_is_given_up(self):
        with Served("--write-timeout", "600") as patient, Served("--write-timeout", "0.3") as hasty:
            clients = []
            for served in (patient, hasty):
                clients.append(socket.socket())
                clients[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                clients[-1].connect(("127.0.0.1", served.port))
                # 20 kB each: more than the system's buffers take.
                clients[-1].sendall(b"GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 800)
            hasty.wait_for(lambda scrape: scrape("cairn_open_connections") == 1, "a client that does not read stays")
            self.assertEqual(patient.scrape()("cairn_open_connections"), 2)
            for client in clients:
                client.close()


class HostileTest(unittest.TestCase):
    def test_requests_that_are_no_requests_leave_it_well(self):
        hostile = [
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"e" * 200_000,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\0" * 5000,
        ]
        bodies = ["{", "[" * 100_000, '{"prompt":"\xff"}', '{"prompt":1e999}', "null", '{"prompt":' + '"x"' * 3,
                  '{"prompt":"x","max_tokens":-1}', '{"prompt":"x","n":1e30}', '{"prompt":"\\ud800"}']
        with Served() as served:
            def all_of_them():
                for request in hostile:
                    client = connect(served)
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

            all_of_them()
            before = served.memory("VmRSS")
            served.forget_peak()
            for _ in range(5):
                all_of_them()
            self.assertEqual(served.ask("GET", "/health")[0], 200)
            if not is_sanitized():
                self.assertLess(served.memory("VmHWM") - before, 8 * MIB)

    def send_body(self, served, body, chunked, piece=MIB):
        """Sends it to its end, or until the connection ends; what is replied."""
        client = connect(served)
        replies = []
        reader = threading.Thread(target=lambda: replies.append(ends(client)))
        reader.start()
        size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        try:
            client.sendall("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                           f"{size}\r\n\r\n".encode())
            for at in range(0, len(body), piece):
                part = body[at:at + piece]
                client.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            if chunked:
                client.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before
        reader.join()
        client.close()
        return replies[0]

    def test_bodies_of_64_mib_are_refused_where_they_are_too_large(self):
        body = bytes(64 * MIB)
        with Served() as served:
            before = served.memory("VmRSS")
            served.forget_peak()
            for chunked, most in ((False, 4 * MIB), (True, 40 * MIB)):  # of that without a length 16 MiB may be taken
                self.assertTrue(self.send_body(served, body, chunked).startswith(b"HTTP/1.1 413 "))
                if not is_sanitized():
                    self.assertLess(served.memory("VmHWM") - before, most)

    def test_bodies_of_64_mib_are_read_where_they_are_let_in(self):
        head, tail = b'{"prompt":"', b'"}'
        body = head + b"x" * (64 * MIB - len(head) - len(tail)) + tail
        with Served("--max-body", "64MiB") as served:
            before = served.memory("VmRSS")
            served.forget_peak()
            for chunked in (False, True):
                reply = self.send_body(served, body, chunked)
                self.assertTrue(reply.startswith(b"HTTP/1.1 400 "), reply[:100])
                self.assertIn(b"context_length_exceeded", reply)
                reply = self.send_body(served, body + b" ", chunked)
                self.assertTrue(reply.startswith(b"HTTP/1.1 413 "), reply[:100])
            self.assertEqual(served.ask("GET", "/health")[0], 200)
            if not is_sanitized():
                self.assertLess(served.memory("VmHWM") - before, 5 * 64 * MIB, "bytes, JSON and text of one body")
                # What malloc keeps for the next one: no more after many.
                self.assertLess(served.memory("VmRSS") - before, 2 * 64 * MIB)


class CacheTest(unittest.TestCase):
    def test_a_conversation_finds_its_own_turns(self):
        with Served(context=1024) as served:
            messages = [{"role": "user", "content": "Tell me a story about a cat."}]
            asked = {"messages": messages, "max_tokens": 100, "temperature": 0, **NO_END}
            first = served.json("POST", "/v1/chat/completions", asked)
            messages += [first["choices"][0]["message"], {"role": "user", "content": "And then?"}]
            second = served.json("POST", "/v1/chat/completions", {"messages": messages, "max_tokens": 1})
            # Into the reply at least: it may be cut into other tokens when it comes back as text.
            self.assertGreater(cached_tokens(second), first["usage"]["prompt_tokens"])

    def test_explain_tells_why(self):
        with Served() as served:
            known = "The dog ran to the big red house. " * 12
            asked = "The dog ran to the big red house. " * 6 + "The dog ran to the big old house. " * 6
            tokens = [tokens_of(served, content=text) for text in (known, asked)]
            at = common_length(*tokens)
            served.json("POST", "/v1/completions", {"prompt": known, "max_tokens": 1})
            again = served.json("POST", "/v1/completions", {"prompt": known, "max_tokens": 1})
            self.assertGreater(cached_tokens(again), at)
            other = served.json("POST", "/v1/completions", {"prompt": asked, "max_tokens": 1})
            reused = at // 32 * 32
            self.assertEqual(cached_tokens(other), reused)

            told = run_cairn("explain", "last", "--url", served.url)
            self.assertEqual(told.returncode, 0, told.stderr)
            self.assertEqual(
                told.stdout,
                f"cache: {reused} of {len(tokens[1])} prompt tokens found; the nearest known text differs at position {at}: "
                f"' red' ({tokens[0][at]}) there, ' old' ({tokens[1][at]}) in this prompt\n")
            self.assertEqual(run_cairn("explain", other["id"], "--url", served.url).stdout, told.stdout)
            facts = json.loads(run_cairn("explain", "last", "--url", served.url, "--json").stdout)
            self.assertEqual(facts["words"] + "\n", told.stdout)
            self.assertEqual((facts["reason"], facts["differs_at"], facts["reused_tokens"]), ("tokens_differ", at, reused))
            for side, text, token in (("cache_has", " red", tokens[0][at]), ("prompt_has", " old", tokens[1][at])):
                self.assertEqual((facts[side]["token"], facts[side]["text"]), (token, text))
            told = run_cairn("explain", again["id"], "--url", served.url)
            self.assertRegex(told.stdout, r"^cache: \d+ of \d+ prompt tokens found; that is every full block before the last")
            unknown = run_cairn("explain", "nothing", "--url", served.url)
            self.assertEqual(unknown.returncode, 1)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    serve_testing.PROGRAM = str(Path(sys.argv.pop(1)).resolve())
    unittest.main()
