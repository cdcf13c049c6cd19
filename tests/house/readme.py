"""Runs what a Markdown file shows. A comment on the line before a fenced block says how (CONTRIBUTING.md):

    <!-- test: compile -->      C++: compiled against the built library and run; without a main it is the body of one
    <!-- test: file NAME -->    written to NAME, for the commands that follow
    <!-- test: run -->          shell: a script, or a transcript where lines that begin with "$ " are commands and the
                                lines after each are its output, in which … stands for anything
    <!-- test: skip REASON -->  only shown

All blocks of one file share one temporary directory, in which `starling`, `pkg-config` and `g++` find what was built.
"""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess

SECONDS_MAX = 120
SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
BLOCK = re.compile(r"(?:<!--\s*test:\s*(\w+)\s*(.*?)\s*-->[ \t]*\n)?^(```+)[ \t]*(\w*)[^\n]*\n(.*?)^\3[ \t]*$",
                   re.MULTILINE | re.DOTALL)
ALWAYS_TESTED = ("cpp", "c++", "sh", "shell", "bash", "console")
CPP = ("cpp", "c++")


class Mismatch(Exception):
    """What a block shows is not what happens."""


@dataclasses.dataclass
class Block:
    line: int
    how: str
    argument: str
    language: str
    text: str


def blocks_of(markdown):
    for found in BLOCK.finditer(markdown):
        how, argument, _, language, text = found.groups()
        yield Block(markdown.count("\n", 0, found.start(3)) + 1, how or "", argument or "", language, text)


def program_of(text):
    """A whole program: what has no main becomes the body of one, below its includes."""
    if re.search(r"\bint\s+main\s*\(", text):
        return text
    lines = text.splitlines()
    includes = [line for line in lines if line.startswith("#include")]
    body = [line for line in lines if not line.startswith("#include")]
    return "\n".join(includes + ["int main() {"] + body + ["}", ""])


def matches(shown, happened):
    """… within a line is any text; … alone is any lines."""
    pattern = ""
    for line in shown.splitlines():
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += "[^\n]*".join(re.escape(part.strip(" ")) for part in line.split("…")) + r"[ \t]*\n"
    stripped = "".join(line.strip(" ") + "\n" for line in happened.splitlines())
    return re.fullmatch(pattern, stripped) is not None


def steps_of(transcript):
    """[(command, shown output)] of a transcript; a backslash or an open here-document is not split."""
    steps = []
    for line in transcript.splitlines(keepends=True):
        if line.startswith("$ "):
            steps.append([line[2:], ""])
        elif steps and steps[-1][0].endswith("\\\n"):
            steps[-1][0] += line.removeprefix("> ")
        elif steps:
            steps[-1][1] += line
        elif line.strip():
            raise Mismatch("a transcript begins with a command")
    return steps


class Reader:
    """Reads a file as its reader would: block after block, in one directory."""

    def __init__(self, installed, directory):
        """Reads in `directory`, with Starling installed somewhere under `installed`."""
        self.directory = pathlib.Path(directory)
        self.groups = []
        package = next(pathlib.Path(installed).rglob("starling.pc")).parent
        self.environment = {
            "PATH": SYSTEM_PATH,
            "HOME": str(directory),
            "TERM": "dumb",
            "LANG": "C.UTF-8",
            "LD_LIBRARY_PATH": str(package.parent),
            "PKG_CONFIG_PATH": str(package),
        }
        prefix = subprocess.run(["pkg-config", "--variable=prefix", "starling"], env=self.environment, text=True,
                                stdout=subprocess.PIPE, check=True).stdout.strip()
        self.environment["PATH"] = f"{prefix}/bin:" + SYSTEM_PATH

    def read(self, markdown):
        """Runs every block; raises Mismatch at the first that does not hold. Returns how many blocks ran.

        What a block leaves in the background runs on for the blocks after it, and ends with the page."""
        ran = 0
        try:
            for block in blocks_of(markdown):
                try:
                    ran += self._try(block)
                except Mismatch as mismatch:
                    raise Mismatch(f"line {block.line}: {mismatch}") from None
        finally:
            for group in self.groups:
                try:
                    os.killpg(group, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        return ran

    def _try(self, block):
        if block.how == "compile":
            self._compile(block.text)
        elif block.how == "file":
            (self.directory / block.argument).write_text(block.text, encoding="utf-8")
        elif block.how == "run" and block.text.startswith("$ "):
            self._follow(block.text)
        elif block.how == "run":
            self._bash(block.text)
        elif block.how == "skip" and block.argument:
            return 0
        elif block.how:
            raise Mismatch(f"unknown test: {block.how} {block.argument}")
        elif block.language in ALWAYS_TESTED:
            raise Mismatch(f"a {block.language} block that says neither how it is tested nor why not")
        else:
            return 0
        return 1

    def _compile(self, text):
        (self.directory / "sample.cpp").write_text(program_of(text), encoding="utf-8")
        self._bash("g++ -std=c++20 -Wall -Wextra -Werror sample.cpp $(pkg-config --cflags --libs starling) -o sample\n"
                   "./sample\n")

    def _follow(self, transcript):
        steps = steps_of(transcript)
        mark = "--- end of step ---"
        output = self._bash("".join(f"{command}\necho '{mark}'\n" for command, _ in steps))
        for (command, shown), happened in zip(steps, output.split(mark + "\n")):
            if not matches(shown, happened):
                raise Mismatch(f"$ {command.strip()}\nshown:\n{shown}happened:\n{happened}")

    def _bash(self, script):
        """The output of a script that succeeds."""
        name = f".block-{len(self.groups)}"
        path, log = self.directory / f"{name}.sh", self.directory / f"{name}.log"
        path.write_text(script, encoding="utf-8")
        with open(log, "w", encoding="utf-8") as output:
            shell = subprocess.Popen(["/bin/bash", "-euo", "pipefail", str(path)], cwd=self.directory,
                                     env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                                     stderr=subprocess.STDOUT, start_new_session=True)
        self.groups.append(shell.pid)
        try:
            status = shell.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            status = f"none within {SECONDS_MAX} s"
        text = log.read_text(encoding="utf-8", errors="replace")
        if status != 0:
            raise Mismatch(f"exit status {status}:\n{script}\n{text}")
        return text
