"""A node's control socket (docs/cli.md), as a client that stays connected."""

import json
import socket

ANSWER_SECONDS_MAX = 5


class NoAnswer(Exception):
    """The node did not answer: what was asked may have happened or not."""


class Control:
    """One connection. Thread rule: one thread."""

    def __init__(self, path, answer_seconds_max=ANSWER_SECONDS_MAX):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(answer_seconds_max)
        try:
            self.socket.connect(str(path))
        except OSError as error:
            self.socket.close()
            raise NoAnswer(error) from error
        self.lines = self.socket.makefile("rb")

    def send(self, *requests):
        """Several may be under way; they are answered in their order."""
        lines = "".join(json.dumps({"v": 1, **request}) + "\n" for request in requests)
        try:
            self.socket.sendall(lines.encode())
        except OSError as error:
            raise NoAnswer(error) from error

    def receive(self):
        try:
            line = self.lines.readline()
            answer = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError) as error:
            raise NoAnswer(error) from error
        if answer is None:
            raise NoAnswer("the connection was closed")
        return answer

    def ask(self, op, **arguments):
        self.send({"op": op, **arguments})
        return self.receive()

    def close(self):
        self.lines.close()
        self.socket.close()


def parse_version(text):
    """replica → seq."""
    lines = [] if text == "0" else text.split(",")
    return {replica: int(seq) for replica, seq in (line.split(":") for line in lines)}
