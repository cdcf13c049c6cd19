"""Nodes on a virtual LAN, a host each, driven by the command line as people do it."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from lan import Lan, Unavailable

STARLING = os.environ["STARLING"]
SECONDS_MAX = 30
SKIPPED = 77


def until(holds, seconds=SECONDS_MAX):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return False


class Hosts(unittest.TestCase):
    count = 3

    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = pathlib.Path(home.name)
        self.lan = Lan(self.count)
        self.addCleanup(self.lan.remove)
        self.processes = {}  # host → its node's

    def run_on(self, host, *arguments):
        return subprocess.run(self.lan.within(host, STARLING, *arguments, "--dir", str(self.home / str(host))),
                              capture_output=True, text=True, timeout=SECONDS_MAX, check=False)

    def up(self, host, *options, descriptors=None):
        """Starts the host's node, with so many descriptors at most; it ends with the test, or when what this returns is
        called."""
        limits = [] if descriptors is None else ["prlimit", f"--nofile={descriptors}"]
        process = subprocess.Popen(
            self.lan.within(host, *limits, STARLING, "up", "--dir", str(self.home / str(host)), *options),
            stdout=subprocess.PIPE, text=True)
        self.processes[host] = process

        def end():
            if process.stdout.closed:
                return
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS_MAX)
            process.stdout.close()
        self.addCleanup(end)
        self.assertIn("ready", process.stdout.readline())
        return end

    def invited(self, by, host, *terms):
        code = self.run_on(by, "invite", *terms).stdout.strip()
        self.assertEqual(0, self.run_on(host, "join", code).returncode)


def run_tests():
    """Of the program that is run; skipped, loudly, where this machine makes no network namespaces."""
    try:
        Lan(1).remove()
    except Unavailable as why:
        print(f"skipped: {why}")
        sys.exit(SKIPPED)
    unittest.main()
