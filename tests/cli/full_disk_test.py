#!/usr/bin/env python3
"""A node on a file system that fills up, in a mount namespace of this process's own: it says so, reads on, acknowledges nothing that
is not kept, and goes on by itself when there is space."""

import ctypes
import os
import subprocess
import sys
import unittest

from process_test import MACHINE, OK, Nodes, until

SKIPPED = 77
CLONE_NEWNS = 0x20000
VALUE = "x" * 8_000
WRITES_MAX = 200  # of VALUE: more than SMALL holds, many times over
SMALL, LARGE = "700k", "8m"


def mount(*arguments):
    return subprocess.run(["mount", *arguments], stderr=subprocess.PIPE, text=True, check=False)


def own_mounts():
    """Why mounts cannot be made here; empty where they can."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        return f"no mount namespace: {os.strerror(ctypes.get_errno())}"
    return mount("--make-rprivate", "/").stderr.strip()


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.nodes = Nodes(self)
        self.disk = self.nodes.home.name
        self.assertEqual("", mount("-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", self.disk).stderr)
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=True)
        self.assertEqual(OK, self.nodes.run("a", "init").code)
        self.assertTrue(self.nodes.up("a", "--no-discovery"))

    def put(self, number):
        return self.nodes.run("a", "put", "m", f"k{number}", VALUE)

    def trouble(self):
        return self.nodes.json("a", "status")["store"]["trouble"]

    def fill(self):
        for number in range(WRITES_MAX):
            ran = self.put(number)
            if ran.code != OK:
                return number, ran
        self.fail("the disk never filled up")

    def test_a_full_disk(self):
        kept, refused = self.fill()
        self.assertGreater(kept, 5)
        self.assertEqual(MACHINE, refused.code)
        self.assertIn("no space", refused.err)
        self.assertEqual(MACHINE, self.nodes.run("a", "incr", "n").code)
        self.assertIn("no space", self.trouble())
        self.assertEqual(VALUE, self.nodes.run("a", "get", "m", "k0").out.strip())  # it reads on

        self.assertEqual("", mount("-o", f"remount,size={LARGE}", self.disk).stderr)
        self.assertTrue(until(lambda: self.trouble() == ""))
        self.assertEqual((OK, "1\n"), (lambda ran: (ran.code, ran.out))(self.nodes.run("a", "incr", "n")))
        self.nodes.kill("a")
        self.assertEqual(OK, self.nodes.run("a", "check").code)
        self.assertTrue(self.nodes.up("a", "--no-discovery"))
        for number in range(kept):
            self.assertEqual(VALUE, self.nodes.run("a", "get", "m", f"k{number}").out.strip(), number)
        self.assertEqual("1\n", self.nodes.run("a", "count", "n").out)

    def test_a_disk_that_stays_full(self):
        kept, _ = self.fill()
        self.nodes.kill("a")
        self.assertEqual("", mount("-o", f"remount,size={LARGE}", self.disk).stderr)
        self.assertTrue(self.nodes.up("a", "--no-discovery"))
        for number in range(kept):
            self.assertEqual(VALUE, self.nodes.run("a", "get", "m", f"k{number}").out.strip(), number)
        self.assertNotEqual(OK, self.nodes.run("a", "get", "m", f"k{kept + 1}").code)

    def test_a_read_only_disk(self):
        self.assertEqual(OK, self.nodes.run("a", "put", "m", "k", "1").code)
        self.assertEqual(OK, self.nodes.run("a", "stop").code)
        self.assertEqual("", mount("-o", "remount,ro", self.disk).stderr)
        self.assertIsNone(self.nodes.up("a", "--no-discovery"))
        ran = self.nodes.run("a", "up", "--no-discovery")
        self.assertEqual((MACHINE, ""), (ran.code, ran.out))
        self.assertRegex(ran.err, r"\Astarling: [^\n]*[Rr]ead-only[^\n]*\n\Z")
        self.assertEqual("", mount("-o", "remount,rw", self.disk).stderr)
        self.assertTrue(self.nodes.up("a", "--no-discovery"))
        self.assertEqual("1", self.nodes.run("a", "get", "m", "k").out.strip())


if __name__ == "__main__":
    why_not = own_mounts()
    if why_not:
        print(f"skipped: {why_not}")
        sys.exit(SKIPPED)
    unittest.main()
