#!/usr/bin/env python3
"""Registers that a majority decides on, and the fenced map, on the command line and on the control socket."""

import json
import socket
import threading
import unittest

from process_test import ABSENT, INPUT, NO_NODE, OK, PATIENCE, STARLING, USAGE, Nodes, ThreeNodes, run

NO_MAJORITY = 6
WISH = {"v": 1, "op": "agreed_append", "register": "log", "value": 1}


class Connection:
    def __init__(self, case, directory):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(f"{directory}/control.sock")
        self.lines = self.socket.makefile()
        case.addCleanup(self.close)

    def send(self, *requests):
        self.socket.sendall("".join(json.dumps(request) + "\n" for request in requests).encode())

    def receive(self):
        return json.loads(self.lines.readline())

    def close(self):
        self.lines.close()
        self.socket.close()


class One(unittest.TestCase):
    """The founder of a mesh is its only voter."""

    def setUp(self):
        self.nodes = Nodes(self)
        self.assertEqual(OK, run("init", "--dir", self.nodes.dir("a")).code)
        self.assertTrue(self.nodes.up("a", "--no-discovery"))

    def check(self, arguments, out, code=OK, **options):
        ran = self.nodes.run("a", *arguments, **options)
        self.assertEqual((code, out), (ran.code, ran.out), (arguments, ran.err))
        self.assertRegex(ran.err, r"\A\Z" if code == OK else r"\Astarling: [^\n]+\n\Z", arguments)
        return ran.err

    def test_registers(self):
        self.assertIn("is not there", self.check(["agreed", "get", "shift"], "", ABSENT))
        self.check(["agreed", "set", "shift", "early"], "early\n")
        self.check(["agreed", "get", "shift"], "early\n")
        self.assertIn("another value", self.check(["agreed", "cas", "shift", "late"], "early\n", ABSENT))
        self.assertIn("another", self.check(["agreed", "cas", "shift", "late", "--was", "night"], "early\n", ABSENT))
        self.check(["agreed", "cas", "shift", "late", "--was", "early"], "late\n")
        self.check(["agreed", "cas", "first", '{"by":"a"}'], '{"by":"a"}\n')
        self.assertIn("holds no value", self.check(["agreed", "cas", "none", "1", "--was", "2"], "", ABSENT))
        self.check(["agreed", "append", "log", "1"], "[1]\n")
        self.check(["agreed", "append", "log", "two"], '[1,"two"]\n')
        self.assertIn("no list", self.check(["agreed", "append", "shift", "x"], "", INPUT))
        self.check(["agreed", "get", "shift"], "late\n")
        told = self.nodes.json("a", "agreed", "append", "log", "3")
        self.assertEqual({"value": [1, "two", 3], "there": True, "revision": 3, "changed": True, "earlier": False}, told)

    def test_what_is_wrong(self):
        for wrong in (["agreed"], ["agreed", "get"], ["agreed", "set", "x"], ["agreed", "set", "x", "1", "--within", "0"],
                      ["agreed", "get", "x", "--change", "1-1-1"], ["fenced", "put", "x", "y", "1", "--token", "no"],
                      ["fenced", "put", "x", "y", "1"]):
            self.check(wrong, "", USAGE)
        for change in ("", "1", "1-2", "1-2-3-4", "x-y-z", "1-2-", "11112222333344445-1-1"):
            connection = Connection(self, self.nodes.dir("a"))
            connection.send({**WISH, "change": change})
            self.assertEqual("input", connection.receive()["error"]["code"], change)
        self.check(["agreed", "set", "x" * 300, "1"], "", INPUT)
        self.check(["agreed", "set", "x", json.dumps("y" * 70_000)], "", INPUT)
        self.check(["agreed", "get", "x"], "", ABSENT)
        self.assertEqual(NO_NODE, run("agreed", "get", "x", "--dir", self.nodes.dir("nobody")).code)
        for change in ("", "0-5-3"):
            self.check(["agreed", "append", "x", "1", "--change", change], "", INPUT)
        deep = "[" * 31 + "]" * 31
        self.check(["agreed", "set", "deep", deep], deep + "\n")
        self.check(["agreed", "get", "deep"], deep + "\n")

    def test_a_connection_decides_one_thing_after_another(self):
        connection = Connection(self, self.nodes.dir("a"))
        for number in range(1, 30):  # whoever has read what was decided may ask at once
            connection.send(WISH)
            self.assertTrue(connection.receive()["ok"])
            self.assertEqual(number, len(connection.receive()["decided"]["value"]))

    def test_fenced_maps(self):
        self.check(["fenced", "get", "jobs", "7"], "", ABSENT)
        self.check(["fenced", "put", "jobs", "7", "begun", "--token", "3"], "")
        self.check(["fenced", "put", "jobs", "7", "done"], "", env={"STARLING_TOKEN": "5"})
        self.check(["fenced", "get", "jobs", "7"], "done\n")
        self.assertEqual({"token": 5, "value": "done"}, self.nodes.json("a", "fenced", "get", "jobs", "7"))
        self.check(["fenced", "put", "jobs", "7", "late", "--token", "4"], "", INPUT)
        self.check(["fenced", "erase", "jobs", "7", "--token", "4"], "", INPUT)
        self.check(["fenced", "put", "jobs", "7", "none", "--token", "0"], "", INPUT)
        self.check(["fenced", "get", "jobs", "7"], "done\n")
        self.check(["fenced", "erase", "jobs", "7", "--token", "6"], "")
        self.check(["fenced", "get", "jobs", "7"], "", ABSENT)
        self.check(["fenced", "put", "jobs", "7", "late", "--token", "5"], "", INPUT)
        here = ["--dir", self.nodes.dir("a")]
        ran = run("lock", "press", *here, "--", STARLING, "fenced", "put", "jobs", "8", "mine", *here)
        self.assertEqual((OK, "", ""), (ran.code, ran.out, ran.err))
        self.check(["fenced", "get", "jobs", "8"], "mine\n")


class Three(ThreeNodes):
    def setUp(self):
        super().setUp()
        self.name_voters()

    def test_all_nodes_change_one_register_and_nothing_is_lost(self):
        def append(name):
            for number in range(5):
                ran = self.nodes.run(name, "agreed", "append", "log", f"{name}{number}", "--within", "60000")
                self.assertEqual(OK, ran.code, ran.err)
        threads = [threading.Thread(target=append, args=name) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in "abc":
            log = json.loads(self.nodes.run(name, "agreed", "get", "log").out)
            self.assertEqual(sorted(f"{by}{number}" for by in "abc" for number in range(5)), sorted(log))

    def test_a_side_without_majority(self):
        # Who wrote last could send its next change without asking first, and that might come through when the cut heals.
        self.assertEqual(OK, self.nodes.run("b", "agreed", "set", "shift", "early").code)
        self.nodes.run("a", "fault", "block", self.ids["b"], self.ids["c"])
        self.assertTrue(self.nodes.linked("a", 0))
        for verb in (["get", "shift"], ["set", "shift", "late"]):
            ran = self.nodes.run("a", "agreed", *verb, "--within", "300")
            self.assertEqual((NO_MAJORITY, ""), (ran.code, ran.out))
            self.assertRegex(ran.err, r"\Astarling: [^\n]+\n\Z")
            self.assertNotIn("--change", ran.err)
        self.assertEqual("early\n", self.nodes.run("b", "agreed", "get", "shift").out)
        self.nodes.run("a", "fault", "unblock")
        self.assertTrue(self.nodes.linked("a", 2))
        self.assertEqual("early\n", self.nodes.run("a", "agreed", "get", "shift").out)

    def test_whoever_hangs_up_keeps_nobody_waiting(self):
        self.nodes.run("a", "fault", "block", self.ids["b"], self.ids["c"])
        self.assertTrue(self.nodes.linked("a", 0))
        connection = Connection(self, self.nodes.dir("a"))
        connection.send({**WISH, "within_ms": 60_000})
        self.assertTrue(connection.receive()["ok"])
        connection.send(WISH)
        self.assertEqual("usage", connection.receive()["error"]["code"])  # one thing at a time
        connection.close()
        self.assertEqual(OK, self.nodes.run("a", "status").code)
        self.assertEqual(OK, self.nodes.run("a", "stop").code)  # what is under way ends with the node
        self.assertEqual(0, self.nodes.running["a"].wait(PATIENCE))


if __name__ == "__main__":
    unittest.main()
