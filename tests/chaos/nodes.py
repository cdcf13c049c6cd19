"""Real nodes, each a process on a host of its own, and what is asked of them over their control sockets."""

import json
import pathlib
import signal
import socket
import subprocess

STARTUP_SECONDS_MAX = 30
ANSWER_SECONDS_MAX = 5


class NoAnswer(Exception):
    """The node did not answer: what was asked may have happened or not."""


class Control:
    """One connection to a node's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_SECONDS_MAX)
        try:
            self.socket.connect(str(path))
        except OSError as error:
            self.socket.close()
            raise NoAnswer(error) from error
        self.lines = self.socket.makefile("r")

    def ask(self, op, **arguments):
        try:
            self.socket.sendall((json.dumps({"v": 1, "op": op, **arguments}) + "\n").encode())
            answer = json.loads(self.lines.readline() or "null")
        except (OSError, ValueError) as error:
            raise NoAnswer(error) from error
        if answer is None:
            raise NoAnswer("the connection was closed")
        return answer

    def close(self):
        self.lines.close()
        self.socket.close()


class Node:
    def __init__(self, starling, lan, host, directory):
        self.starling, self.lan, self.host = starling, lan, host
        self.dir = pathlib.Path(directory) / f"node-{host}"
        self.process = None
        self.life = 0  # counts processes
        self.stopped = False

    def start(self):
        self.life += 1
        self.process = subprocess.Popen(
            self.lan.within(self.host, self.starling, "up", "--json", "--dir", str(self.dir)),
            stdout=subprocess.PIPE, stderr=open(self.dir / "log", "a", encoding="utf-8"), text=True)
        if not self.process.stdout.readline():
            raise RuntimeError(f"node {self.host} did not start: {(self.dir / 'log').read_text()[-500:]}")

    @property
    def running(self):
        return self.process is not None

    @property
    def answers(self):
        return self.running and not self.stopped

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process, self.stopped = None, False

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def control(self):
        return Control(self.dir / "control.sock")

    def ask(self, op, **arguments):
        control = self.control()
        try:
            return control.ask(op, **arguments)
        finally:
            control.close()


def parse_version(text):
    """replica → seq."""
    return {replica: int(seq) for replica, seq in (line.split(":") for line in text.split(",") if line)}
