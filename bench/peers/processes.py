"""Programs that are run and measured, and what is said where one fails."""
import shutil
import subprocess
import tempfile
import time


class Failure(Exception):
    """One plain sentence for the user: what failed, and what to do."""

    def __init__(self, sentence, said=""):
        super().__init__(sentence)
        self.said = said  # by the program that failed


def last_line(text):
    """What a program said last, which is mostly why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def ending(code):
    return f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"


def failure_of(name, code, said):
    return Failure(f"{name} {ending(code)}: {last_line(said)}", said)


def run(name, command):
    """What the command writes: (standard output, standard error). `name` is for messages."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise Failure(f"{name} cannot be run: {command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise failure_of(name, done.returncode, done.stderr or done.stdout)
    return done.stdout, done.stderr


def run_to_end(name, command):
    """(seconds that the whole process took, its standard output)."""
    begin = time.monotonic()
    text, _ = run(name, command)
    return time.monotonic() - begin, text


def run_to_first_line(name, command):
    """(seconds from starting the command to the end of its first line, all that it writes)."""
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        begin = time.monotonic()
        try:
            process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=complaints,
                                       text=True, errors="replace")
        except OSError as error:
            raise Failure(f"{name} cannot be run: {command[0]}: {error.strerror}") from None
        try:
            first = process.stdout.readline()
            seconds = time.monotonic() - begin
            text = first + process.stdout.read()
            code = process.wait()
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
        if code != 0:
            complaints.seek(0)
            raise failure_of(name, code, complaints.read() or text)
    return seconds, text


def find(name, advice):
    """The program of this name on the PATH."""
    found = shutil.which(name)
    if found is None:
        raise Failure(f"{name} is not installed: {advice}")
    return found
