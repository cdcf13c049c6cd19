"""Real nodes, each a process on a host of its own, and what is asked of them over their control sockets."""

import pathlib
import signal
import subprocess

from control import Control


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
