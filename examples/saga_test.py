#!/usr/bin/env python3
"""The saga of examples/saga.cpp, killed at each of its points and at any time: all is booked in the end, or nothing."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

SAGA = os.environ["SAGA"]
PATIENCE = 120  # seconds, until it is given up
KILLS = 15
POINTS_MAX = 100  # far more than it has


def run(home, *options):
    return subprocess.run([SAGA, home, *options], capture_output=True, text=True, timeout=PATIENCE)


class Saga(unittest.TestCase):
    def ends(self, home, options):
        ran = run(home, *options)
        self.assertEqual(0, ran.returncode, ran.stderr)
        self.assertEqual("undone, 0 booked\n" if options else "done, 3 booked\n", ran.stdout)
        self.assertEqual(0 if options else 3, len(list(pathlib.Path(home, "world").iterdir())))

    def test_killed_at_each_point(self):
        for options, points in (([], 6), (["--declined"], 12)):
            for point in range(1, POINTS_MAX):
                with tempfile.TemporaryDirectory(prefix="starling-saga-") as home:
                    ran = run(home, *options, "--die-at", str(point))
                    if ran.returncode == 0:
                        break
                    self.assertEqual(-signal.SIGKILL, ran.returncode, ran.stderr)
                    self.ends(home, options)
            self.assertEqual(points, point - 1)

    def test_killed_again_and_again_at_any_time(self):
        for options in ([], ["--declined"]):
            with tempfile.TemporaryDirectory(prefix="starling-saga-") as home:
                for kill in range(KILLS):
                    process = subprocess.Popen([SAGA, home, *options], stdout=subprocess.DEVNULL)
                    time.sleep(0.04 * kill)
                    process.kill()
                    process.wait(PATIENCE)
                self.ends(home, options)


if __name__ == "__main__":
    unittest.main()
