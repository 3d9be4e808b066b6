#!/usr/bin/env python3
"""Talks to `cairn chat` as a person at a terminal does, and as a script does.

  tools/chat_test.py PROGRAM [TEST ...]

What a line became is read from the file that /save writes. It needs no model: it has the program make a tiny one.
Python's standard library only.
"""
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

import serve_testing
from serve_testing import is_sanitized

PROGRAM = None
TIMEOUT_S = 300  # an unoptimised build on a busy machine runs 70 prompt tokens a second
UP, DOWN, RIGHT, LEFT, DELETE = b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[3~"


def pasted(text):
    return b"\x1b[200~" + text.replace(b"\n", b"\r") + b"\x1b[201~"


class Terminal:
    """The program at a terminal of its own."""

    def __init__(self, arguments, env):
        self.master, slave = pty.openpty()
        self.attributes = termios.tcgetattr(slave)[:4]
        os.close(slave)
        os.close(self.master)
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execve(PROGRAM, [PROGRAM, *map(str, arguments)], env)
        self.seen = b""

    def send(self, data):
        while data:
            _, ready, _ = select.select([], [self.master], [], TIMEOUT_S)
            assert ready, "the program reads no keys"
            data = data[os.write(self.master, data[:1024]):]
            self.read(0)

    def read(self, timeout):
        if select.select([self.master], [], [], timeout)[0]:
            try:
                self.seen += os.read(self.master, 65536)
                return True
            except OSError:  # the program has ended
                return False
        return None

    def wait_for(self, *wanted):
        """What is shown until all of `wanted` was, one after the other; the next wait begins behind it."""
        deadline, at = time.monotonic() + TIMEOUT_S, 0
        for each in wanted:
            while self.seen.find(each, at) < 0:
                if self.read(max(0, deadline - time.monotonic())) is not True:
                    raise AssertionError(f"{each} never came behind {self.seen[-2000:]}")
            at = self.seen.find(each, at) + len(each)
        shown, self.seen = self.seen[:at], self.seen[at:]
        return shown

    def end(self):
        while self.read(TIMEOUT_S):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class ChatTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="cairn-chat-")
        cls.tmp = Path(cls.folder.name)
        cls.model = cls.tmp / "tiny.gguf"
        subprocess.run([PROGRAM, "model", "synth", "--shape", "tiny-llama", "--context", "200000", cls.model], check=True,
                       timeout=TIMEOUT_S, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.home = Path(tempfile.mkdtemp(dir=self.tmp))
        self.saves = 0

    def env(self, **more):
        env = {**os.environ, "NO_COLOR": "1", "HOME": str(self.home), "TERM": "xterm", **more}
        env.pop("XDG_STATE_HOME", None)
        return env

    def chat(self, *arguments, env=None, tokens=4, context=100000):
        """At a terminal, when it waits for the first line."""
        terminal = Terminal(["chat", "-m", self.model, "--temp", 0, "-n", tokens, "--ignore-eos", "-c", context, "-t",
                             1, *arguments], self.env(**(env or {})))
        self.addCleanup(os.close, terminal.master)
        terminal.wait_for(b"> ")
        return terminal

    def piped(self, text, *arguments, tokens=4, context=4096):
        return subprocess.run([PROGRAM, "chat", "-m", self.model, "--temp", "0", "-n", str(tokens), "--ignore-eos", "-t",
                               "1", "-c", str(context), *map(str, arguments)], input=text, capture_output=True,
                              timeout=TIMEOUT_S, env=self.env())

    def saved(self, terminal):
        """The conversation so far."""
        self.saves += 1
        path = self.home / f"saved{self.saves}.json"
        terminal.send(b"/save " + str(path).encode() + b"\r")
        terminal.wait_for(b"written to", b"> ")
        return json.loads(path.read_text())["messages"]

    def questions(self, terminal):
        return [each["content"] for each in self.saved(terminal) if each["role"] == "user"]

    def leave(self, terminal):
        terminal.send(b"\x04")
        self.assertEqual(terminal.end(), 0)

    # ---- keys

    def stopped_while_it_loads(self):
        """The program, held between its first look at the terminal and its first prompt."""
        for _ in range(20):
            terminal = Terminal(["chat", "--temp", 0, "-n", 4, "--ignore-eos", "-t", 1], self.env())
            self.addCleanup(os.close, terminal.master)
            deadline = time.monotonic() + TIMEOUT_S
            while termios.tcgetattr(terminal.master)[3] & termios.ICANON and time.monotonic() < deadline:
                pass
            os.kill(terminal.pid, signal.SIGSTOP)
            terminal.read(0.05)
            if b"> " not in terminal.seen:
                return terminal
            os.kill(terminal.pid, signal.SIGCONT)
            self.leave(terminal)
        self.fail("the terminal is not ready for keys before the model is loaded")

    def test_what_is_typed_while_the_model_loads_is_not_cut(self):
        terminal = self.stopped_while_it_loads()
        line = (b"once upon a time there was " * 240).strip()  # 6,479 bytes
        terminal.send(line)
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.send(b"\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.assertEqual(self.questions(terminal), [line.decode()])
        self.leave(terminal)

    def test_a_ctrl_c_while_the_model_loads_leaves_the_terminal_as_it_was(self):
        terminal = self.stopped_while_it_loads()
        terminal.send(b"\x03")
        os.kill(terminal.pid, signal.SIGCONT)
        _, status = os.waitpid(terminal.pid, 0)
        if os.WIFSIGNALED(status):
            self.assertEqual(os.WTERMSIG(status), signal.SIGINT)
        self.assertEqual(termios.tcgetattr(terminal.master)[:4], terminal.attributes)

    def test_a_stop_and_its_end_leave_the_editor_as_it_was(self):
        terminal = self.chat()
        terminal.send(b"x")  # once a key was read, the terminal has the editor's settings
        terminal.wait_for(b"x")
        settings = termios.tcgetattr(terminal.master)
        os.kill(terminal.pid, signal.SIGSTOP)  # Ctrl-Z; then the shell takes the terminal
        cooked = list(settings)
        cooked[0] |= termios.ICRNL
        cooked[3] |= termios.ICANON | termios.ECHO
        termios.tcsetattr(terminal.master, termios.TCSANOW, cooked)
        terminal.seen = b""
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.wait_for(b"\x1b[?2004h", b"> x")
        self.assertEqual(termios.tcgetattr(terminal.master)[:4], settings[:4])
        line = b"word " * 1000 + b"end"
        terminal.send(line + b"\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.assertEqual(self.questions(terminal), ["x" + line.decode()])
        self.leave(terminal)

    def test_a_long_line_is_not_cut(self):
        line = b"".join(b"%d " % i for i in range(2300))[:10000].strip()
        for way in (line, pasted(line)):
            terminal = self.chat()
            terminal.send(way + b"\r")
            terminal.wait_for(b"prompt tokens", b"> ")
            self.assertEqual(self.questions(terminal), [line.decode()])
            self.leave(terminal)

    def test_a_paste_is_one_message(self):
        terminal = self.chat()
        terminal.send(pasted(b"one\n\n\ttwo\n/exit\n") + b"!\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.assertEqual(self.questions(terminal), ["one\n\n\ttwo\n/exit\n!"])
        terminal.send(b"/reset\r")
        terminal.wait_for(b"new conversation", b"> ")
        terminal.send(b"before \x1b[200~a\r\nb\x1b[201~ behind\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.assertEqual(self.questions(terminal), ["before a\nb behind"])
        self.leave(terminal)

    def test_keys_edit_the_line(self):
        terminal = self.chat()
        for keys, line in ((b"bd" + LEFT + b"c" + LEFT + LEFT + b"a" + RIGHT * 3 + b"e", "abcde"),
                           (b"xabcy\x1b[H" + DELETE + b"\x1b[F\x7f", "abc"),
                           (b"a\x1b[15~\x1b[1;2C\x1b[5~\x1bOPb", "ab"),  # keys without a meaning
                           ("grüße 世界🙂".encode() + LEFT + b"\x7f!", "grüße 世!🙂"),
                           (b"one two\x17three", "one three"),
                           (b"lost\x15kept", "kept"),
                           (b"a\tb", "a\tb")):
            for enter in (b"\r", b"\n"):  # a keyboard's, and many a script's
                terminal.send(keys + enter)
                terminal.wait_for(b"prompt tokens", b"> ")
                self.assertEqual(self.questions(terminal)[-1], line, keys)
        self.leave(terminal)

    def test_a_message_of_several_lines(self):
        terminal = self.chat()
        terminal.send(b"one\\\r")
        terminal.wait_for(b". ")
        terminal.send(b"two\x1b\rthree\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.assertEqual(self.questions(terminal), ["one\ntwo\nthree"])
        self.leave(terminal)

    def test_a_dumb_terminal_edits_too(self):
        for term in ("dumb", "", "nonesuch"):
            terminal = self.chat(env={"TERM": term})
            terminal.send(b"bc" + LEFT + LEFT + b"a\r")
            terminal.wait_for(b"prompt tokens", b"> ")
            long = b"x" * 5000
            terminal.send(long + b"\r")
            terminal.wait_for(b"prompt tokens", b"> ")
            terminal.send(pasted(b"1\n2") + b"\r")
            terminal.wait_for(b"prompt tokens", b"> ")
            self.assertEqual(self.questions(terminal), ["abc", long.decode(), "1\n2"])
            self.leave(terminal)

    def test_a_locale_without_utf8_edits_too(self):
        terminal = self.chat(env={"LC_ALL": "C"})
        terminal.send("grüße".encode() + b"\x7f\x7f\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.assertEqual(self.questions(terminal), ["grü"])
        self.leave(terminal)

    def test_the_terminal_gets_its_settings_back(self):
        for last in (b"\x04", b"/exit\r", b"\x03"):
            terminal = self.chat()
            attributes = termios.tcgetattr(terminal.master)[:4]
            self.assertFalse(attributes[3] & (termios.ICANON | termios.ECHO))
            if last == b"\x03":
                terminal.send(b"\x03")
                terminal.wait_for(b"Ctrl-D", b"> ")
            terminal.send(last)
            self.assertEqual(terminal.end(), 0)
            self.assertEqual(termios.tcgetattr(terminal.master)[:4], terminal.attributes)
            self.assertTrue(terminal.attributes[3] & termios.ICANON)

    def test_the_terminal_gets_its_settings_back_from_a_signal(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            for during in ("prompt", "line", "reply"):
                terminal = self.chat(tokens=90000)
                if during == "line":
                    terminal.send(b"begun")
                    terminal.wait_for(b"begun")
                if during == "reply":
                    terminal.send(b"Hello\r")
                    terminal.wait_for(b"Hello\r\n")
                    time.sleep(0.3)
                terminal.seen = b""
                os.kill(terminal.pid, number)
                self.assertEqual(terminal.end(), 130, (number, during))
                self.assertEqual(termios.tcgetattr(terminal.master)[:4], terminal.attributes)
                self.assertIn(b"\x1b[?2004l", terminal.seen)

    def test_synth_cleans_up_after_a_signal(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with tempfile.TemporaryDirectory(dir=self.tmp) as folder:
                synth = subprocess.Popen([PROGRAM, "model", "synth", "--shape", "tinyllama-1.1b", Path(folder) / "big.gguf"],
                                         stderr=subprocess.PIPE)
                deadline = time.monotonic() + TIMEOUT_S
                while not os.listdir(folder) and synth.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.01)
                synth.send_signal(number)
                words = synth.communicate(timeout=TIMEOUT_S)[1]
                self.assertIn(b"is not written", words)
                self.assertEqual(os.listdir(folder), [])

    # ---- Ctrl-C and Ctrl-D

    def test_ctrl_c_drops_the_line_and_then_leaves(self):
        terminal = self.chat()
        terminal.send(b"begun\x03")
        terminal.wait_for(b"> ")
        terminal.send(b"whole\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.assertEqual(self.questions(terminal), ["whole"])
        terminal.send(b"\x03")
        terminal.wait_for(b"Ctrl-D", b"> ")
        terminal.send(b"\x03")
        self.assertEqual(terminal.end(), 0)

    def test_ctrl_c_stops_a_reply_and_keeps_what_was_said(self):
        terminal = self.chat(tokens=90000)
        terminal.send(b"Hello\r")
        terminal.wait_for(b"Hello\r\n")
        time.sleep(0.5)
        terminal.send(b"typed meanwhile ")
        terminal.send(b"\x03")
        shown = terminal.wait_for(b"; stopped", b"> ")
        self.assertNotIn(b"typed", shown[:shown.index(b"; stopped")])  # not in the middle of the reply
        terminal.send(b"\x15")
        question, reply = self.saved(terminal)
        self.assertEqual((question["role"], reply["role"]), ("user", "assistant"))
        self.assertTrue(reply["content"])
        terminal.send(b"\x03")
        terminal.wait_for(b"Ctrl-D", b"> ")
        self.leave(terminal)

    def test_what_is_typed_during_a_reply_is_kept(self):
        terminal = self.chat(tokens=3000)
        terminal.send(b"one\r")
        terminal.send(pasted(b"two\n" + b"y" * 6000) + b"\r/set max-tokens 2\r")
        terminal.wait_for(b"prompt tokens", b"prompt tokens", b"max-tokens 2", b"> ")
        self.assertEqual([len(each) for each in self.questions(terminal)], [3, 6004])
        self.leave(terminal)

    # ---- history

    def test_history_lasts_and_is_private(self):
        terminal = self.chat()
        for line in (b"first", pasted(b"second\nline")):
            terminal.send(line + b"\r")
            terminal.wait_for(b"prompt tokens", b"> ")
        self.leave(terminal)
        path = self.home / ".local/state/cairn/chat_history"
        self.assertEqual([json.loads(line) for line in path.read_text().splitlines()], ["first", "second\nline"])
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(path.parent.stat().st_mode & 0o777, 0o700)
        terminal = self.chat()
        terminal.send(UP + UP + DOWN + UP + b"!\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        terminal.send(UP + UP + b"\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.assertEqual(self.questions(terminal), ["first!", "second\nline"])
        self.leave(terminal)

    def test_history_where_it_cannot_be_kept(self):
        (self.home / ".local").write_text("a file, no folder")
        terminal = self.chat()
        terminal.send(b"first\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        terminal.send(UP + b"\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.assertEqual(self.questions(terminal), ["first", "first"])
        self.leave(terminal)
        (self.home / ".local").unlink()
        terminal = self.chat("--no-history")
        terminal.send(b"secret\r")
        terminal.wait_for(b"prompt tokens", b"> ")
        self.leave(terminal)
        self.assertFalse((self.home / ".local").exists())

    # ---- commands

    def test_every_command(self):
        terminal = self.chat()
        help_text = self.told(terminal, b"/?")
        for name in (b"/exit", b"/reset", b"/undo", b"/again", b"/system", b"/set", b"/stats", b"/save", b"/load"):
            self.assertIn(name, help_text)
        self.assertIn(b"no question yet", self.told(terminal, b"/again"))
        self.assertIn(b"no question to take back", self.told(terminal, b"/undo"))
        self.assertIn(b"no system message", self.told(terminal, b"/system"))
        self.assertIn(b"system message is set", self.told(terminal, b"/system Be brief."))
        self.assertIn(b"Be brief.", self.told(terminal, b"/system"))
        self.assertIn(b"prompt tokens", self.told(terminal, b"one"))
        self.assertIn(b"prompt tokens", self.told(terminal, b"two"))
        state = self.told(terminal, b"/stats")
        self.assertRegex(state, rb"prompt tokens(.|\n)*4 messages; \d+ of 100000 positions")
        before = self.saved(terminal)
        self.assertEqual([each["role"] for each in before], ["system", *["user", "assistant"] * 2])
        self.told(terminal, b"/set temp 5")
        self.told(terminal, b"/again")
        again = self.saved(terminal)
        self.assertEqual(again[:-1], before[:-1])
        self.assertNotEqual(again[-1], before[-1])
        self.assertIn(b"two", self.told(terminal, b"/undo"))
        self.assertEqual(self.saved(terminal), before[:3])
        self.told(terminal, b"/reset")
        self.assertEqual(self.saved(terminal), before[:1])
        self.assertIn(b"no system message", self.told(terminal, b"/system -"))
        self.assertEqual(self.saved(terminal), [])
        terminal.send(b"/exit\r")
        self.assertEqual(terminal.end(), 0)

    def told(self, terminal, line):
        """What is shown behind a line that was sent, until the next prompt."""
        terminal.send(line + b"\r")
        return terminal.wait_for(b"\n> ")

    def test_unknown_commands_are_not_sent(self):
        terminal = self.chat()
        self.assertIn(b"did you mean /reset?", self.told(terminal, b"/rest"))
        self.assertIn(b"/? lists them", self.told(terminal, b"/etc/passwd"))
        self.assertIn(b"takes no argument", self.told(terminal, b"/exit now"))
        self.assertIn(b"needs an argument", self.told(terminal, b"/save"))
        self.told(terminal, b"//etc/passwd")
        self.assertEqual(self.questions(terminal), ["/etc/passwd"])
        self.leave(terminal)

    def test_settings(self):
        terminal = self.chat()
        self.assertRegex(self.told(terminal, b"/set"), rb"temp +0\r\n")
        self.assertIn(b"top-p", self.told(terminal, b"/set top-p 7"))
        self.assertIn(b"did you mean temp?", self.told(terminal, b"/set tmep 1"))
        self.assertIn(b"no number", self.told(terminal, b"/set temp hot"))
        self.told(terminal, b"/set max-tokens=2")
        self.assertIn(b"; 2 tokens", self.told(terminal, b"one"))
        self.told(terminal, b"/set statistics off")
        self.assertNotIn(b"prompt tokens", self.told(terminal, b"two"))
        self.assertRegex(self.told(terminal, b"/set"), rb"max-tokens +2\r\n")
        self.leave(terminal)

    def test_saving_and_loading(self):
        terminal = self.chat("--system", "S")
        self.told(terminal, b"one")
        self.told(terminal, b"/save ~/talk.json")
        path = self.home / "talk.json"
        talk = json.loads(path.read_text())["messages"]
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.told(terminal, b"two")
        self.assertIn(b"4 messages", self.told(terminal, b"/save ~/talk.json"))  # its own file
        self.leave(terminal)

        other = self.home / "other.json"
        other.write_text("mine")
        terminal = self.chat()
        self.assertIn(b"there already", self.told(terminal, b"/save " + str(other).encode()))
        self.assertEqual(other.read_text(), "mine")
        for text in ("mine", "[]", '{"messages": [{"role": "user"}]}', '{"messages": [{"role": "robot", "content": "x"}]}'):
            other.write_text(text)
            self.assertIn(b"cairn: ", self.told(terminal, b"/load " + str(other).encode()))
        self.assertIn(b"cairn: ", self.told(terminal, b"/load nowhere.json"))
        other.write_text(json.dumps({"messages": talk[:2]}))
        self.assertIn(b"/again", self.told(terminal, b"/load " + str(other).encode()))
        self.told(terminal, b"/again")
        self.assertEqual(self.saved(terminal), talk)
        self.leave(terminal)

    # ---- templates

    def test_templates(self):
        path = self.home / "own.jinja"
        path.write_text("{{ greeting }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}")
        for arguments in ((), ("--chat-template", "chatml"), ("--chat-template", "plain"), ("--chat-template", path)):
            done = self.piped(b"Hi\nBye\n", *arguments, "--template-var", "greeting=Hello", "--template-var", "n=3")
            self.assertEqual(done.returncode, 0, done.stderr)
        for arguments, words in ((("--chat-template", "chatlm"), b"did you mean chatml?"),
                                 (("--chat-template", "no/such.jinja"), b"no file"),
                                 (("--template-var", "greeting"), b"NAME=VALUE")):
            done = self.piped(b"Hi\n", *arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)
        path.write_text("{% for %}")
        done = self.piped(b"Hi\n", "--chat-template", path)
        self.assertEqual(done.returncode, 2, done.stderr)

    # ---- a full context

    def test_a_full_context_drops_the_oldest_turns(self):
        lines = b"".join(b"question number %d\n" % i for i in range(12))
        done = self.piped(lines, context=128)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count(b"prompt tokens"), 12)
        self.assertIn(b"are not sent any more", done.stderr)

    def test_a_reply_goes_on_when_the_context_is_full(self):
        # The reply is longer than the context: turns before it go, then it ends, and the next question is answered.
        done = self.piped(b"one\ntwo\nthree\n", tokens=100000, context=128)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count(b"prompt tokens"), 3)
        self.assertIn(b"the reply ends here", done.stderr)

        terminal = self.chat(tokens=100, context=256)
        shown = b"".join(self.told(terminal, line) for line in (b"one", b"two", b"three"))
        self.assertIn(b"are not sent any more", shown)
        self.assertRegex(self.told(terminal, b"/stats"), rb"6 messages, the first \d of them not sent any more")
        self.assertEqual(self.questions(terminal), ["one", "two", "three"])
        self.leave(terminal)

    def test_a_full_context_may_stop(self):
        terminal = self.chat("--when-full", "stop", tokens=100000, context=128)
        self.assertIn(b"the reply ends here", self.told(terminal, b"one"))
        self.assertIn(b"/set when-full drop", self.told(terminal, b"two"))
        self.told(terminal, b"/set when-full drop")
        self.assertIn(b"prompt tokens", self.told(terminal, b"two"))
        self.leave(terminal)

    def test_a_full_context_may_lose_its_end(self):
        terminal = self.chat("--when-full", "stop", tokens=300, context=128)
        self.assertIn(b"/endless lets the text go on", self.told(terminal, b"one"))
        shown = self.told(terminal, b"/endless")
        self.assertIn(b"4 sinks and the last 124", shown)
        shown = self.told(terminal, b"two")
        self.assertIn(b"300 tokens", shown)  # as many as it may have: more than the context held
        self.assertNotIn(b"the reply ends here", shown)
        self.assertIn(b"has no end already", self.told(terminal, b"/endless"))
        self.assertEqual(self.questions(terminal), ["one", "two"])
        self.leave(terminal)
        done = self.piped(b"one\n/endless\n", "--cache", "contiguous", context=128)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"needs the paged cache", done.stderr)

    def test_a_message_too_long_by_itself_changes_nothing(self):
        for when_full in ("drop", "stop"):
            terminal = self.chat("--when-full", when_full, context=256)
            shown = self.told(terminal, b"word " * 200)
            self.assertIn(b"but the context holds 256: shorten it", shown)
            self.assertNotIn(b"/undo", shown)
            self.told(terminal, b"one")
            before = self.told(terminal, b"/stats")
            shown = self.told(terminal, b"word " * 200)
            self.assertIn(b"but the context holds 256: shorten it", shown)
            self.assertNotIn(b"not sent any more", shown)
            self.assertEqual(self.told(terminal, b"/stats"), before)
            self.leave(terminal)

    # ---- a script

    def test_scripts(self):
        path = self.home / "talk.json"
        long = b"z" * (6000 if is_sanitized() else 20000)  # more than a terminal's line; a sanitizer would take minutes
        done = self.piped(b"one\\\n" + long + b"\n/save " + str(path).encode() + b"\n", "--quiet", context=60000)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b"tokens", done.stderr)
        questions = [each["content"] for each in json.loads(path.read_text())["messages"] if each["role"] == "user"]
        self.assertEqual(questions, ["one\\", long.decode()])
        done = self.piped(b"one\n/nonsense\ntwo\n")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count(b"prompt tokens"), 1)
        self.assertFalse((self.home / ".local").exists())


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = serve_testing.PROGRAM = str(Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=1)
