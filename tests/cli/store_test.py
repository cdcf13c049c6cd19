#!/usr/bin/env python3
"""What a node's directory keeps, and what becomes of it: kill -9, backups, restored and cloned directories, damaged files."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import unittest

from process_test import ABSENT, INPUT, MACHINE, NO_NODE, OK, STARLING, Nodes, run, until

ONE_LINE = r"\Astarling: [^\n]+\n\Z"


class Case(unittest.TestCase):
    def setUp(self):
        self.nodes = Nodes(self)

    def init(self, name):
        self.code = run("init", "--dir", self.nodes.dir(name)).out.strip()
        self.assertTrue(self.code)

    def up(self, name, *more):
        ready = self.nodes.up(name, *more)
        self.assertTrue(ready, name)
        return ready

    def alone(self, name):
        return self.up(name, "--no-discovery")

    def write(self, name, *arguments):
        ran = self.nodes.run(name, *arguments)
        self.assertEqual(OK, ran.code, (arguments, ran.err))

    def reads(self, name, out, *arguments):
        ran = self.nodes.run(name, *arguments)
        self.assertEqual((OK, out), (ran.code, ran.out), (arguments, ran.err))

    def fails(self, code, *arguments, saying=""):
        ran = run(*arguments)
        self.assertEqual((code, ""), (ran.code, ran.out), (arguments, ran.err))
        self.assertRegex(ran.err, ONE_LINE)
        self.assertIn(saying, ran.err)

    def same(self, *names):
        def states():
            return {(s["version"], s["fingerprint"]) for s in (self.nodes.json(name, "status") for name in names)}
        self.assertTrue(until(lambda: len(states()) == 1), names)
        for name in names:
            self.assertEqual([], self.nodes.json(name, "status")["faults"], name)

    def lives(self, name, node):
        return set(re.findall(node + r"\.([0-9a-f]{16})", self.nodes.json(name, "status")["version"]))

    def store(self, name):
        return pathlib.Path(self.nodes.dir(name), "store.db")


class Restarts(Case):
    def test_kill_and_back(self):
        """What a verb said is done is done, though the process is killed the moment after."""
        self.init("a")
        node = None
        for turn in range(1, 5):
            node = self.alone("a")["node"]
            self.write("a", "put", "m", "f", turn)
            self.write("a", "put", "m", f"only-{turn}", turn)
            self.write("a", "add", "s", turn)
            self.write("a", "rm", "s", turn - 1) if turn > 1 else None
            self.write("a", "set", "r", turn)
            self.write("a", "append", "j", turn)
            self.reads("a", f"{turn}\n", "incr", "c")
            self.nodes.kill("a")
        self.assertEqual(node, self.alone("a")["node"])
        self.reads("a", "4\n", "get", "m", "f")
        self.reads("a", "1\n", "get", "m", "only-1")
        self.reads("a", "4\n", "members", "s")
        self.reads("a", "4\n", "show", "r")
        self.reads("a", "1\n2\n3\n4\n", "since", "j")
        self.reads("a", "4\n", "count", "c")
        self.assertEqual(4, len(self.lives("a", node)))  # of the processes that wrote
        self.reads("a", "5\n", "incr", "c")
        self.assertEqual(5, len(self.lives("a", node)))

    def test_stop_keeps_all(self):
        self.init("a")
        for how in (signal.SIGTERM, signal.SIGINT):
            self.alone("a")
            self.write("a", "incr", "c")
            before = self.nodes.json("a", "status")
            self.assertEqual(OK, self.nodes.kill("a", how))
            self.alone("a")
            after = self.nodes.json("a", "status")
            for part in ("version", "fingerprint", "live_entries", "events"):
                self.assertEqual(before[part], after[part], part)
            self.nodes.kill("a")

    def test_import_is_kept(self):
        self.init("a")
        self.alone("a")
        lines = "".join(json.dumps([n, "x" * 50]) + "\n" for n in range(2000))
        self.assertEqual(OK, self.nodes.run("a", "import", "parts", "-", stdin=lines).code)
        self.nodes.kill("a")
        self.alone("a")
        self.assertEqual(2000, len(self.nodes.json("a", "get", "parts")["items"]))

    def test_the_second_process_is_refused_and_the_first_goes_on(self):
        self.init("a")
        self.alone("a")
        self.write("a", "incr", "c")
        for verb in (["up", "--no-discovery"], ["check"]):
            self.fails(MACHINE, *verb, "--dir", self.nodes.dir("a"))
        self.reads("a", "2\n", "incr", "c")
        self.nodes.kill("a")
        self.alone("a")  # no lock is left behind
        self.reads("a", "2\n", "count", "c")

    def test_who_was_away_catches_up_onto_its_disk(self):
        self.init("a")
        self.assertEqual(OK, run("join", self.code, "--dir", self.nodes.dir("b")).code)
        self.up("a")
        self.up("b")
        self.write("b", "add", "s", "old")
        self.same("a", "b")
        self.nodes.kill("b")
        self.write("a", "add", "s", "new")
        self.write("a", "rm", "s", "old")
        self.up("b")
        self.same("a", "b")
        self.assertEqual(OK, self.nodes.kill("b", signal.SIGTERM))
        self.nodes.kill("a")
        self.alone("b")  # nobody else is there
        self.reads("b", "new\n", "members", "s")


class Backups(Case):
    def test_backup_of_a_node_that_goes_on_writing(self):
        self.init("a")
        self.alone("a")
        self.write("a", "incr", "before", 7)
        self.write("a", "add", "s", "x")
        file, over = pathlib.Path(self.nodes.dir("copy")), threading.Event()
        written = []

        def write():
            while not over.is_set():
                self.write("a", "incr", "during")
                written.append(1)
        writer = threading.Thread(target=write)
        writer.start()
        until(lambda: len(written) > 3)
        least = len(written)
        ran = self.nodes.run("a", "backup", file, "--json")
        over.set()
        writer.join()
        self.assertEqual(OK, ran.code, ran.err)
        self.assertTrue(file.exists())

        self.assertEqual(OK, self.nodes.run("b", "restore", file).code)
        self.assertEqual(OK, self.nodes.run("b", "check").code)
        self.assertEqual(OK, run("join", self.code, "--dir", self.nodes.dir("b")).code)
        self.assertNotEqual(self.nodes.json("a", "status")["node"], self.alone("b")["node"])  # a backup holds no keys
        self.reads("b", "7\n", "count", "before")
        self.reads("b", "x\n", "members", "s")
        self.assertIn(int(self.nodes.run("b", "count", "during").out), range(least, len(written) + 1))

    def test_restored_on_a_new_node_that_then_meets_the_old(self):
        self.init("a")
        self.up("a")
        self.write("a", "add", "s", "kept")
        self.write("a", "add", "s", "removed later")
        self.write("a", "incr", "c", 1)
        file = self.nodes.dir("copy")
        self.assertEqual(OK, self.nodes.run("a", "backup", file).code)
        self.write("a", "rm", "s", "removed later")
        self.write("a", "incr", "c", 10)
        self.assertEqual(OK, self.nodes.run("b", "restore", file).code)
        self.assertEqual(OK, run("join", self.code, "--dir", self.nodes.dir("b")).code)
        self.up("b")
        self.write("b", "incr", "c", 100)
        self.same("a", "b")
        for name in "ab":
            self.reads(name, "111\n", "count", "c")
            self.reads(name, "kept\n", "members", "s")

    def test_a_node_that_is_set_back_to_its_own_backup(self):
        """Its later writes are on the others: they come back, and no dot of them is used again."""
        self.init("a")
        self.assertEqual(OK, run("join", self.code, "--dir", self.nodes.dir("b")).code)
        node = self.up("a")["node"]
        self.up("b")
        self.write("a", "incr", "c", 1)
        file = self.nodes.dir("copy")
        self.assertEqual(OK, self.nodes.run("a", "backup", file).code)
        self.write("a", "incr", "c", 10)
        self.write("a", "add", "s", "after the backup")
        self.same("a", "b")
        self.nodes.kill("a")
        for left in pathlib.Path(self.nodes.dir("a")).glob("store.db*"):
            left.unlink()
        self.assertEqual(OK, self.nodes.run("a", "restore", file).code)
        self.assertEqual(node, self.alone("a")["node"])  # it kept its keys
        self.reads("a", "1\n", "count", "c")
        self.reads("a", "101\n", "incr", "c", 100)
        self.nodes.kill("a")
        self.up("a")
        self.same("a", "b")
        for name in "ab":
            self.reads(name, "111\n", "count", "c")
            self.reads(name, "after the backup\n", "members", "s")
        self.assertEqual(2, len(self.lives("b", node)))

    def test_a_directory_and_its_copy(self):
        """Both write under one node's keys, one after the other, and what each wrote is kept."""
        self.init("a")
        self.assertEqual(OK, run("join", self.code, "--dir", self.nodes.dir("b")).code)
        node = self.alone("a")["node"]
        self.write("a", "incr", "c", 1)
        self.nodes.kill("a")
        shutil.copytree(self.nodes.dir("a"), self.nodes.dir("clone"), ignore=shutil.ignore_patterns("*.sock"))
        for name, amount in (("a", 10), ("clone", 100)):
            self.alone(name)
            self.write(name, "incr", "c", amount)
            self.nodes.kill(name)
        self.up("b")
        for name in ("a", "clone", "a"):
            self.assertEqual(node, self.up(name)["node"])
            self.same(name, "b")
            self.assertEqual(OK, self.nodes.kill(name, signal.SIGTERM))
        self.reads("b", "111\n", "count", "c")
        self.assertEqual(3, len(self.lives("b", node)))

    def test_a_kill_in_the_midst_of_a_backup(self):
        """There is a whole copy or none, and the node is none the worse."""
        self.init("a")
        self.alone("a")
        lines = "".join(json.dumps([n, "x" * 200]) + "\n" for n in range(10_000))
        self.assertEqual(OK, self.nodes.run("a", "import", "m", "-", stdin=lines).code)
        for turn in range(6):
            file = self.nodes.dir(f"copy-{turn}")
            command = subprocess.Popen([STARLING, "backup", file, "--dir", self.nodes.dir("a")], stderr=subprocess.DEVNULL)
            time.sleep(0.02 * turn)
            self.nodes.kill("a")
            code = command.wait(60)
            self.assertIn(code, (OK, NO_NODE))
            if code == OK:
                self.assertTrue(pathlib.Path(file).exists())
            if pathlib.Path(file).exists():
                self.assertEqual(OK, self.nodes.run(f"copy-of-{turn}", "restore", file).code)
                self.assertEqual(OK, self.nodes.run(f"copy-of-{turn}", "check").code)
            self.assertEqual(OK, self.nodes.run("a", "check").code)
            self.alone("a")
        self.assertEqual(10_000, len(self.nodes.json("a", "get", "m")["items"]))

    def test_what_is_refused(self):
        self.init("a")
        file, a = self.nodes.dir("copy"), self.nodes.dir("a")
        self.fails(NO_NODE, "backup", file, "--dir", a)
        self.alone("a")
        self.write("a", "incr", "c", 7)
        self.assertEqual(OK, self.nodes.run("a", "backup", file).code)
        copied = pathlib.Path(file).read_bytes()
        self.fails(INPUT, "backup", file, "--dir", a)  # nothing is written over
        self.assertEqual(copied, pathlib.Path(file).read_bytes())
        self.fails(MACHINE, "backup", self.nodes.dir("nowhere/copy"), "--dir", a)
        self.fails(MACHINE, "restore", file, "--dir", a)  # it runs
        self.nodes.kill("a")
        self.fails(INPUT, "restore", file, "--dir", a)  # it holds data
        self.fails(MACHINE, "restore", self.nodes.dir("nothing"), "--dir", self.nodes.dir("b"))
        self.alone("a")
        self.reads("a", "7\n", "count", "c")

    def test_a_backup_that_is_none(self):
        self.init("a")
        self.alone("a")
        for number in range(50):
            self.write("a", "put", "m", number, "x" * 200)
        file = pathlib.Path(self.nodes.dir("copy"))
        self.assertEqual(OK, self.nodes.run("a", "backup", file).code)
        whole = file.read_bytes()
        for wrong in (b"", b"hello\n" * 1000, whole[:len(whole) // 2], whole[:4096] + bytes(len(whole) - 4096)):
            file.write_bytes(wrong)
            self.fails(INPUT, "restore", str(file), "--dir", self.nodes.dir("b"))
            self.fails(ABSENT, "check", "--dir", self.nodes.dir("b"))  # nothing was left there
        file.write_bytes(whole)
        self.assertEqual(OK, self.nodes.run("b", "restore", file).code)


class Checks(Case):
    def test_check(self):
        self.init("a")
        a = self.nodes.dir("a")
        self.fails(ABSENT, "check", "--dir", a)
        self.fails(ABSENT, "check", "--dir", self.nodes.dir("nowhere"))
        self.assertFalse(pathlib.Path(self.nodes.dir("nowhere")).exists())
        self.alone("a")
        self.write("a", "put", "m", "f", "v")
        self.fails(MACHINE, "check", "--dir", a)
        self.nodes.kill("a")
        for _ in range(2):
            self.assertRegex(self.nodes.run("a", "check").out, r"\Asound: [^\n]+\n\Z")
        self.assertTrue(self.nodes.json("a", "check")["sound"])

    def damaged(self, damage):
        """A stopped node with some data, of whose store `damage` makes another."""
        name = f"node-{len(self.nodes.running)}-{damage.__name__}"
        self.init(name)
        self.alone(name)
        lines = "".join(json.dumps([n, "x" * 100]) + "\n" for n in range(1000))
        self.assertEqual(OK, self.nodes.run(name, "import", "m", "-", stdin=lines).code)
        self.assertEqual(OK, self.nodes.kill(name, signal.SIGTERM))
        file = self.store(name)
        bytes_before = file.read_bytes()
        file.write_bytes(damage(bytes_before))
        return name

    def test_damaged_files(self):
        def garbage(data):
            return b"this is no database\n" * (len(data) // 20)

        def cut_short(data):
            return data[:len(data) // 2]

        def zeros_within(data):
            middle = len(data) // 2
            return data[:middle] + bytes(8192) + data[middle + 8192:]

        def values_changed(data):
            return data.replace(b"x" * 100, b"y" * 100)

        for damage in (garbage, cut_short, zeros_within, values_changed):
            with self.subTest(damage.__name__):
                name = self.damaged(damage)
                before = self.store(name).read_bytes()
                self.fails(INPUT, "check", "--dir", self.nodes.dir(name))
                self.fails(INPUT, "up", "--no-discovery", "--dir", self.nodes.dir(name), saying="restore")
                self.assertEqual(before[100:], self.store(name).read_bytes()[100:])  # SQLite counts opens in its header

    def test_a_file_that_was_about_to_be_made(self):
        """A process was killed before it wrote a byte: there is no data, and nothing is damaged."""
        self.init("a")
        self.store("a").touch(0o600)
        self.fails(ABSENT, "check", "--dir", self.nodes.dir("a"))
        self.alone("a")
        self.reads("a", "1\n", "incr", "c")

    def test_a_file_of_a_newer_version(self):
        self.init("a")
        self.alone("a")
        self.write("a", "incr", "c")
        self.nodes.kill("a", signal.SIGTERM)
        data = bytearray(self.store("a").read_bytes())
        data[60:64] = (1_000_000).to_bytes(4, "big")  # where SQLite keeps its user_version
        self.store("a").write_bytes(data)
        for verb in (["check"], ["up", "--no-discovery"]):
            self.fails(INPUT, *verb, "--dir", self.nodes.dir("a"))

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_a_directory_that_cannot_be_written(self):
        self.init("a")
        pathlib.Path(self.nodes.dir("a")).chmod(0o500)
        self.addCleanup(pathlib.Path(self.nodes.dir("a")).chmod, 0o700)
        self.fails(MACHINE, "up", "--no-discovery", "--dir", self.nodes.dir("a"))


if __name__ == "__main__":
    assert STARLING
    unittest.main()
