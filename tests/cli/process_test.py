#!/usr/bin/env python3
"""The command line as people and scripts use it: real processes on the loopback, every verb, exit codes, bad input."""

import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

STARLING = os.environ["STARLING"]
PATIENCE = 60  # seconds; only how long to wait before giving up, never what is expected
OK, ABSENT, USAGE, NO_NODE, INPUT, MACHINE = range(6)


class Ran:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


def run(*arguments, stdin=None, env=None):
    done = subprocess.run([STARLING, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, **(env or {})})
    return Ran(done)


def until(holds):
    """Asks again until it holds; what it said last."""
    end = time.monotonic() + PATIENCE
    while True:
        value = holds()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.05)


def unused_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        while True:
            port = random.randint(20000, 31000)
            try:
                probe.bind(("", port))
                return port
            except OSError:
                continue


class Nodes:
    """Directories, and the processes that run in them; all of them are ended at the end."""

    def __init__(self, case):
        self.home = tempfile.TemporaryDirectory(prefix="starling-test-")
        self.port = unused_port()
        self.running = {}
        case.addCleanup(self.end)

    def end(self):
        for process in self.running.values():
            process.kill()
            process.wait()
            process.stdout.close()
        self.home.cleanup()

    def dir(self, name):
        return str(pathlib.Path(self.home.name) / name)

    def up(self, name, *more):
        """Starts a node and waits for its line; what the line says."""
        if name in self.running:  # it was told to end
            self.running[name].wait(PATIENCE)
            self.running[name].stdout.close()
        process = subprocess.Popen([STARLING, "up", "--json", "--dir", self.dir(name), "--listen", "127.0.0.1",
                                    "--interface", "lo", "--discovery-port", str(self.port), *more],
                                   stdout=subprocess.PIPE, text=True)
        self.running[name] = process
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        return json.loads(line) if line else None

    def kill(self, name, how=signal.SIGKILL):
        process = self.running.pop(name)
        process.send_signal(how)
        code = process.wait(PATIENCE)
        process.stdout.close()
        return code

    def run(self, name, *arguments, **options):
        return run(*arguments, "--dir", self.dir(name), **options)

    def json(self, name, *arguments):
        ran = self.run(name, *arguments, "--json")
        return json.loads(ran.out) if ran.code == OK else None

    def linked(self, name, peers):
        return until(lambda: len(self.json(name, "peers")["peers"]) == peers)


class ThreeNodes(unittest.TestCase):
    """Linked, of one mesh, whose founder `a` is its only voter until all three are named."""

    NAMES = "abc"

    def setUp(self):
        self.nodes = Nodes(self)
        code = run("init", "--dir", self.nodes.dir("a")).out.strip()
        self.home = pathlib.Path(self.nodes.home.name)
        for name in "bc":
            self.assertEqual(OK, run("join", code, "--dir", self.nodes.dir(name)).code)
        self.ids = {name: self.nodes.up(name)["node"] for name in self.NAMES}
        for name in self.NAMES:
            self.assertTrue(self.nodes.linked(name, 2))

    def name_voters(self):
        ran = self.nodes.run("a", "voters", "set", *(self.ids[name][:8] for name in self.NAMES))
        self.assertEqual(OK, ran.code, ran.err)
        for name in self.NAMES:
            self.assertTrue(until(lambda name=name: len(self.nodes.json(name, "voters")["voters"]) == 3))


class Verbs(unittest.TestCase):
    """One node is enough to see what each verb does."""


    def setUp(self):
        self.nodes = Nodes(self)
        self.assertEqual(OK, run("init", "--dir", self.nodes.dir("a")).code)
        self.assertTrue(self.nodes.up("a", "--no-discovery"))

    def check(self, arguments, out, code=OK):
        ran = self.nodes.run("a", *arguments)
        self.assertEqual((code, out), (ran.code, ran.out), (arguments, ran.err))
        if code == OK:
            self.assertEqual("", ran.err, arguments)
        else:
            self.assertRegex(ran.err, r"\Astarling: [^\n]+\n\Z", arguments)
        return ran

    def test_trim(self):
        for number in range(1, 6):
            self.check(["append", "log", str(number)], "")
        cursor = self.nodes.json("a", "since", "log")["cursor"]
        self.check(["append", "log", "6", "7"], "")
        self.check(["trim", "log"], "", USAGE)
        self.check(["trim", "log", "--keep", "-3"], "", USAGE)
        self.check(["trim", "log", "--keep", "1"], "")
        self.check(["since", "log"], "7\n")
        told = self.check(["since", "log", "--cursor", cursor], "", INPUT).err
        self.check(["since", "log", "--cursor", re.search(r"nothing is ([\w-]+)", told).group(1)], "7\n")
        self.check(["trim", "log", "--older-than", "0"], "")
        self.check(["since", "log"], "")
        self.check(["keys"], "")

    def test_maps(self):
        self.check(["put", "stock", "bolts", "40"], "")
        self.check(["put", "stock", "nuts", '{"count": 7, "bin": [1, 2]}'], "")
        self.check(["get", "stock", "bolts"], "40\n")
        self.check(["get", "stock", "nuts"], '{"count":7,"bin":[1,2]}\n')
        self.check(["get", "stock"], 'nuts\t{"count":7,"bin":[1,2]}\nbolts\t40\n')
        self.check(["put", "stock", "7", "a number names this field"], "")
        self.check(["get", "stock", '"7"'], "", ABSENT)
        self.check(["erase", "stock", "bolts"], "")
        self.check(["erase", "stock", "bolts"], "", ABSENT)
        self.check(["get", "stock", "bolts"], "", ABSENT)
        self.check(["get", "nothing"], "")
        self.check(["put", "stock", "[1]", "2"], "", INPUT)
        self.check(["put", "stock", "empty", ""], "")
        self.check(["get", "stock", "empty"], "\n")
        self.check(["put", "peers", "up", "status"], "")
        self.check(["get", "peers", "up"], "status\n")
        self.check(["put", "stock", "bytes", '{"$hex": "00ff"}'], "")
        self.check(["get", "stock", "bytes"], '{"$hex":"00ff"}\n')
        self.check(["put", "$mesh/x", "f", "v"], "", INPUT)
        self.check(["put", "", "f", "v"], "", INPUT)
        self.assertEqual({"value": {"count": 7, "bin": [1, 2]}}, self.nodes.json("a", "get", "stock", "nuts"))

    def test_counters(self):
        self.check(["incr", "c"], "1\n")
        self.check(["incr", "c", "41"], "42\n")
        self.check(["incr", "c", "-50"], "-8\n")
        self.check(["count", "c"], "-8\n")
        self.check(["count", "never"], "0\n")
        self.check(["incr", "c", "many"], "", USAGE)
        self.check(["incr", "c", "9223372036854775807"], "9223372036854775799\n")
        self.check(["incr", "c", "9223372036854775807"], "", INPUT)
        self.check(["incr", "c", "99999999999999999999"], "", USAGE)

    def test_sets(self):
        for element in ("hammer", "saw", "7", "hammer"):
            self.check(["add", "tools", element], "")
        self.assertEqual({"7", "hammer", "saw"}, set(self.nodes.run("a", "members", "tools").out.split()))
        self.assertEqual({7, "hammer", "saw"}, set(self.nodes.json("a", "members", "tools")["members"]))
        self.check(["members", "tools", "saw"], "")
        self.check(["members", "tools", "axe"], "", ABSENT)
        self.check(["rm", "tools", "saw"], "")
        self.check(["rm", "tools", "saw"], "", ABSENT)
        self.check(["add", "tools", "{}"], "", INPUT)

    def test_registers(self):
        self.check(["show", "r"], "", ABSENT)
        self.check(["set", "r", "on"], "")
        self.check(["show", "r"], "on\n")
        self.check(["set", "r", "null"], "")
        self.check(["show", "r"], "null\n")

    def test_journals(self):
        self.check(["append", "j", "one"], "")
        first = self.nodes.json("a", "since", "j")
        self.assertEqual(["one"], [entry["value"] for entry in first["entries"]])
        self.check(["append", "j", "2"], "")
        self.check(["since", "j"], "one\n2\n")
        self.check(["since", "j", "--from", first["version"]], "2\n")
        self.check(["since", "j", "--from", "yesterday"], "", INPUT)
        self.check(["since", "j", "--cursor", first["cursor"]], "2\n")
        self.check(["since", "j", "--cursor", first["cursor"][:-3]], "", INPUT)

    def test_events(self):
        self.check(["append", "orders/1", "placed", '{"paid": 3}', "--key", "c1"], "")
        self.check(["append", "orders/1", "placed", "--key", "c1"], "appended before\n")
        self.assertFalse(self.nodes.json("a", "append", "orders/1", "placed", "--key", "c1")["wrote"])
        self.check(["append", "orders/2", "placed", "--key", ""], "")
        self.check(["append", "orders/2", "x", "--key", "k" * 257], "", INPUT)
        self.check(["append", "orders/2"], "", USAGE)
        self.check(["since", "orders/1"], 'placed\n{"paid":3}\n')
        self.check(["replay", "orders/", "--prefix"], 'placed\n{"paid":3}\nplaced\n')
        self.check(["replay", "orders/"], "")
        lines = [json.loads(line) for line in self.nodes.run("a", "replay", "orders/", "--prefix", "--json").out.splitlines()]
        self.assertEqual(["orders/1", "orders/1", "orders/2"], [line["journal"] for line in lines[:-1]])
        self.assertEqual(["c1", "c1", None], [line.get("key") for line in lines[:-1]])
        self.assertEqual({"cursor"}, set(lines[-1]))
        self.check(["since", "orders/", "--prefix", "--cursor", lines[-1]["cursor"]], "")
        self.check(["since", "orders/", "--prefix", "--follow", "--count", "3"], 'placed\n{"paid":3}\nplaced\n')

    def test_changes(self):
        self.check(["put", "m", "f", "1"], "")
        self.check(["changes"], "resync\n")  # nobody asked before
        cursor = self.nodes.json("a", "changes")["cursor"]
        self.check(["changes", "--cursor", cursor], "")
        self.check(["put", "m", "f", "2"], "")
        self.check(["put", "m", "g", "3"], "")
        self.check(["erase", "m", "g"], "")
        self.check(["incr", "c"], "1\n")
        self.check(["append", "j", "x"], "")
        self.check(["changes", "--cursor", cursor], "counter c  = 1\nmap m f  = 2\nmap m g  gone\njournal j\n")
        self.check(["changes", "m", "--cursor", cursor], "map m f  = 2\nmap m g  gone\n")
        self.check(["changes", "--cursor", "tomorrow"], "", INPUT)

    def test_follow(self):
        first = self.nodes.json("a", "since", "j")["cursor"]
        follower = subprocess.Popen([STARLING, "since", "j", "--follow", "--cursor", first, "--count", "20", "--dir",
                                     self.nodes.dir("a")], stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(PATIENCE, follower.kill)
        timer.start()
        for number in range(20):
            self.check(["append", "j", number], "")
            self.check(["append", "other", number], "")
        lines = follower.stdout.read().split()
        timer.cancel()
        follower.stdout.close()
        self.assertEqual(OK, follower.wait())
        self.assertEqual([str(number) for number in range(20)], lines)

    def test_watch(self):
        watcher = subprocess.Popen([STARLING, "watch", "stock", "--json", "--count", "2", "--dir", self.nodes.dir("a")],
                                   stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(PATIENCE, watcher.kill)
        timer.start()
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(watcher.stdout))
        reader.start()
        for number in range(10_000):  # the watch begins at some moment; writes after it are seen
            self.check(["put", "other", "x", number], "")
            self.check(["put", "stock", "x", number], "")
            if watcher.poll() is not None:
                break
        reader.join()
        timer.cancel()
        watcher.stdout.close()
        self.assertEqual(OK, watcher.wait())
        changes = [json.loads(line) for line in lines]
        self.assertEqual(2, len(changes))
        self.assertEqual(1, changes[1]["changes"][0]["value"] - changes[0]["changes"][0]["value"])
        self.assertEqual({"stock"}, {change["key"] for line in changes for change in line["changes"]})
        self.assertTrue(changes[0]["local"])

    def test_looks(self):
        self.check(["put", "m", "f", "old"], "")
        self.check(["put", "m", "f", "new"], "")
        reasons = self.nodes.json("a", "explain", "map", "m", "f")["reasons"]
        self.assertEqual([("new", True)], [(reason["value"], reason["decides"]) for reason in reasons])
        self.assertIn("* new", self.nodes.run("a", "explain", "map", "m", "f").out)
        self.check(["explain", "map", "m", "absent"], "", ABSENT)
        self.check(["explain", "map", "m"], "", USAGE)
        self.check(["explain", "list", "m"], "", INPUT)
        self.check(["keys", "m"], "map\tm\n")
        status = self.nodes.json("a", "status")
        self.assertRegex(status["fingerprint"], r"\A[0-9a-f]{32}\Z")
        self.assertEqual((3, 2, []), (status["events"], status["live_entries"], status["peers"]))
        self.assertIn(status["node"], self.nodes.run("a", "status").out)
        self.check(["peers"], "no peer is linked\n")
        self.check(["wait", "--timeout", "0"], "", ABSENT)
        self.check(["wait", "--version", status["version"], "--timeout", "0"], "")
        self.assertRegex(self.nodes.run("a", "invite").out, r"\Astarling3-\S+\n\Z")
        self.check(["fault", "block", "abc"], "", INPUT)
        self.check(["fault", "block", "ab" * 32], "blocked nodes: 1\n")
        self.check(["fault", "unblock"], "blocked nodes: 0\n")

    def test_import(self):
        file = pathlib.Path(self.nodes.dir("parts.jsonl"))
        file.write_text("".join(json.dumps({"sku": f"p{n}", "n": n}) + "\n" for n in range(3000)), encoding="utf-8")
        ran = self.nodes.run("a", "import", "parts", str(file), "--key", "sku", "--json")
        self.assertEqual((OK, 3000, 3000), (ran.code, *map(json.loads(ran.out).get, ("imported", "lines"))), ran.err)
        self.check(["get", "parts", "p2999"], '{"sku":"p2999","n":2999}\n')
        self.assertEqual(OK, self.nodes.run("a", "import", "pairs", "-", stdin='["x", 1]\n\n[2, "y"]\n').code)
        self.check(["get", "pairs", "2"], "y\n")

        file.write_text('["a", 1]\n["b", 2]\n["c" 3]\n["d", 4]\n', encoding="utf-8")
        ran = self.check(["import", "wrong", str(file)], "", INPUT)
        self.assertRegex(ran.err, re.escape(str(file)) + r":3: .*lines 1 to 2 were imported \(2 writes\)")
        self.check(["get", "wrong", "b"], "2\n")
        self.check(["get", "wrong", "d"], "", ABSENT)

        file.write_text('["a", 1]\n["b", "' + "x" * 300_000 + '"]\n', encoding="utf-8")
        ran = self.check(["import", "large", str(file)], "", INPUT)
        self.assertRegex(ran.err, r":2: .*lines 1 to 1 were imported")
        self.check(["import", "m", "/nowhere"], "", INPUT)
        self.check(["import", "m", "/tmp"], "", INPUT)

    def test_export_is_what_import_writes_again(self):
        writes = [["put", "m", "f", '{"a": [1, null, "x"]}'], ["put", "m", "7", "-3"], ["incr", "c", "41"], ["incr", "c"],
                  ["add", "s", "one"], ["add", "s", "2"], ["set", "r", '{"$hex":"00ff"}'], ["append", "j", "1", "2"],
                  ["append", "j", "--key", "k1", "3", "4"], ["append", "j", "5"], ["put", "gone", "f", "1"], ["erase", "gone", "f"]]
        for write in writes:
            self.assertEqual(OK, self.nodes.run("a", *write).code, write)
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self.nodes.dir("a") + "/control.sock")
            answers = control.makefile(encoding="utf-8")
            for request in ({"op": "set", "flag": "on", "value": True},
                            {"op": "set", "multi_value": "many", "value": "v"}):
                control.sendall(json.dumps({"v": 1, **request}).encode() + b"\n")
                while "ok" not in (answer := json.loads(answers.readline())):
                    pass
                self.assertTrue(answer["ok"], answer)
        exported = self.nodes.run("a", "export")
        self.assertEqual((OK, ""), (exported.code, exported.err))
        self.assertEqual(12, len(exported.out.splitlines()), exported.out)

        run("init", "--dir", self.nodes.dir("b"))
        self.assertTrue(self.nodes.up("b", "--no-discovery"))
        ran = self.nodes.run("b", "import", "-", stdin=exported.out)
        self.assertEqual(OK, ran.code, ran.err)
        self.assertEqual(exported.out, self.nodes.run("b", "export").out)
        self.assertEqual("3\n4\n", "".join(self.nodes.run("b", "since", "j").out.splitlines(True)[2:4]))
        self.assertIn("appended before", self.nodes.run("b", "append", "j", "--key", "k1", "9").out)
        self.assertEqual(["m"], sorted({json.loads(line)["map"] for line in self.nodes.run("b", "export", "m").out.splitlines()
                                        if "map" in json.loads(line)}))

        for text, code in (('{"no": 1}\n', INPUT), ("[1, 2]\n", INPUT), ('{"op": "fly"}\n', INPUT)):
            ran = self.nodes.run("b", "import", "-", stdin=text)
            self.assertEqual(code, ran.code, (text, ran.err))
            self.assertRegex(ran.err, r"\Astarling: standard input:1: [^\n]+\n\Z")
        self.assertEqual(USAGE, self.nodes.run("b", "import", "-", "--key", "k", stdin="").code)

    def test_usage(self):
        for arguments in (["bogus"], [], ["put"], ["put", "m"], ["put", "m", "f", "v", "more"], ["get", "--unknown", "m"],
                          ["up", "--listen", "nonsense:port"], ["fault"], ["up", "--discovery-port", "70000"]):
            ran = run(*arguments)
            self.assertEqual(USAGE, ran.code, (arguments, ran.err))
            self.assertRegex(ran.err, r"\Astarling: [^\n]+\n\Z")
        for arguments in (["--help"], ["put", "--help"], ["up", "--help"], ["--version"]):
            ran = run(*arguments)
            self.assertEqual((OK, ""), (ran.code, ran.err))
            self.assertTrue(ran.out)
        self.assertIn("Exit codes", run("--help").out)
        self.assertNotIn("\n  fault ", run("--help").out)

    def test_the_directory_comes_from_the_environment_too(self):
        self.assertEqual(OK, run("put", "m", "f", "1", env={"STARLING_DIR": self.nodes.dir("a")}).code)
        self.assertEqual("1\n", run("--dir", self.nodes.dir("a"), "get", "m", "f").out)

    def test_garbage_on_the_socket(self):
        for garbage in (b"\n", b"{}\n", b"[" * 100_000 + b"\n", b"\xff\x00\n", b'{"v":1,"op":"put","map":{}}\n',
                        b'{"v":1,"op":"transact","writes":[1]}\n', b'{"v":1,"op":"fault","block":7}\n',
                        b'{"v":1,"op":"incr","counter":"c","amount":1,"durable":"no"}\n', b'{"v":1,"op":"trim","journal":"j"}\n',
                        b'{"v":1,"op":"nothing"}\n', b'{"v":1,"op":"transact","writes":[{"op":"status"}]}\n'):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(self.nodes.dir("a") + "/control.sock")
                client.sendall(garbage)
                answer = json.loads(client.makefile().readline())
                self.assertFalse(answer["ok"], garbage)
        self.check(["count", "c"], "0\n")


class Mesh(unittest.TestCase):
    def setUp(self):
        self.nodes = Nodes(self)

    def three(self):
        code = run("init", "--dir", self.nodes.dir("a")).out.strip()
        for name in "bc":
            self.assertEqual(OK, run("join", code, "--dir", self.nodes.dir(name)).code)
        ready = {name: self.nodes.up(name) for name in "abc"}
        for name in "abc":
            self.assertTrue(self.nodes.linked(name, 2), name)
        return ready

    def same(self, names="abc"):
        def states():
            return {(s["version"], s["fingerprint"]) for s in (self.nodes.json(name, "status") for name in names)}
        return until(lambda: len(states()) == 1)

    def test_three_nodes(self):
        ready = self.three()
        for name in "abc":
            self.assertEqual(OK, self.nodes.run(name, "incr", "all").code)
            self.assertEqual(OK, self.nodes.run(name, "put", "m", name, name.upper()).code)
        self.assertTrue(self.same())
        for name in "abc":
            self.assertEqual("3\n", self.nodes.run(name, "count", "all").out)
            self.assertEqual("a\tA\nb\tB\nc\tC\n", self.nodes.run(name, "get", "m").out)
            self.assertEqual(OK, self.nodes.run(name, "wait").code)
        self.assertIn("in step", self.nodes.run("a", "peers").out)

        # cut c off, by the beginning of its name, and let it in again
        for name in "ab":
            self.assertEqual(OK, self.nodes.run(name, "fault", "block", ready["c"]["node"][:12]).code)
        self.assertTrue(self.nodes.linked("c", 0))
        self.nodes.run("a", "incr", "all")
        self.nodes.run("c", "incr", "all")
        self.assertEqual("4\n", self.nodes.run("c", "count", "all").out)
        for name in "ab":
            self.assertEqual(OK, self.nodes.run(name, "fault", "unblock").code)
        self.assertTrue(self.same())
        self.assertEqual("5\n", self.nodes.run("b", "count", "all").out)

        # kill -9, and back: same name, new life, nothing lost
        self.nodes.kill("b")
        self.assertEqual(NO_NODE, self.nodes.run("b", "count", "all").code)
        self.nodes.run("a", "incr", "all")
        self.assertEqual(ready["b"]["node"], self.nodes.up("b")["node"])
        self.assertTrue(self.same())
        self.assertEqual("6\n", self.nodes.run("b", "count", "all").out)
        self.assertEqual("7\n", self.nodes.run("b", "incr", "all").out)
        self.assertTrue(self.same())
        lives = re.findall(ready["b"]["node"] + r"\.([0-9a-f]{16})", self.nodes.json("c", "status")["version"])
        self.assertEqual(2, len(set(lives)))

    def test_a_stranger_is_refused(self):
        ready = self.three()
        self.nodes.run("a", "put", "m", "f", "ours")
        run("init", "--dir", self.nodes.dir("stranger"))
        peers = [word for one in ready.values() for word in ("--peer", f"127.0.0.1:{one['port']}")]
        self.nodes.up("stranger", *peers)
        self.nodes.run("stranger", "put", "stranger/m", "f", "theirs")
        time.sleep(1.5)
        self.assertEqual([], self.nodes.json("stranger", "peers")["peers"])
        self.assertEqual(ABSENT, self.nodes.run("stranger", "get", "m", "f").code)
        for name in "abc":
            self.assertEqual(2, len(self.nodes.json(name, "peers")["peers"]))
            self.assertEqual([], self.nodes.json(name, "keys", "stranger/")["keys"])

    def test_one_directory_one_node(self):
        run("init", "--dir", self.nodes.dir("a"))
        self.assertTrue(self.nodes.up("a"))
        lost = self.nodes.run("nowhere", "up")
        self.assertEqual(INPUT, lost.code)
        self.assertRegex(lost.err, r"\Astarling: there is no mesh in [^\n]+\n\Z")
        self.assertFalse(pathlib.Path(self.nodes.dir("nowhere")).exists())
        second = self.nodes.run("a", "up")
        self.assertEqual(MACHINE, second.code)
        self.assertRegex(second.err, r"\Astarling: [^\n]+\n\Z")
        self.assertEqual("0\n", self.nodes.run("a", "count", "c").out)
        self.assertEqual(MACHINE, self.nodes.run("a", "init").code)

    def test_ways_to_stop(self):
        run("init", "--dir", self.nodes.dir("a"))
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.assertTrue(self.nodes.up("a", "--no-discovery"))
            self.assertEqual(OK, self.nodes.kill("a", stop))
        self.assertTrue(self.nodes.up("a", "--no-discovery"))
        self.assertEqual(OK, self.nodes.run("a", "stop").code)
        self.assertTrue(self.nodes.up("a", "--no-discovery"))  # at once: stop waits for the end
        self.assertEqual(OK, self.nodes.run("a", "stop").code)
        self.assertEqual(OK, self.nodes.running["a"].wait(PATIENCE))
        self.assertEqual(NO_NODE, self.nodes.run("a", "stop").code)
        self.assertFalse(pathlib.Path(self.nodes.dir("a"), "control.sock").exists())

    def test_output_that_is_lost_is_an_error(self):
        with open("/dev/full", "w") as full:
            for command in (["init", "--dir", self.nodes.dir("a")], ["sim", "--nodes", "2"]):
                done = subprocess.run([STARLING, *command], stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(MACHINE, done.returncode, command)
                self.assertRegex(done.stderr, r"\Astarling: [^\n]+\n\Z")
        self.assertTrue(self.nodes.up("a", "--no-discovery"))
        closed = subprocess.run(["sh", "-c", 'exec "$0" status --dir "$1" <&- >&-', STARLING, self.nodes.dir("a")],
                                stderr=subprocess.PIPE, text=True)
        self.assertEqual(MACHINE, closed.returncode, closed.stderr)
        self.assertEqual("0\n", self.nodes.run("a", "count", "c").out)

    def test_codes_and_directories(self):
        code = run("init", "--dir", self.nodes.dir("a")).out.strip()
        wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
        for bad in (wrong, "starling1-", "hello", ""):
            ran = run("join", bad, "--dir", self.nodes.dir("b"))
            self.assertEqual(INPUT, ran.code, (bad, ran.err))
            self.assertRegex(ran.err, r"\Astarling: [^\n]+\n\Z")
        self.assertEqual(OK, run("join", code, "--dir", self.nodes.dir("b")).code)
        other = run("init", "--dir", self.nodes.dir("other"), "--json")
        self.assertEqual(MACHINE, run("join", json.loads(other.out)["join_code"], "--dir", self.nodes.dir("b")).code)
        self.assertEqual(MACHINE, run("init", "--dir", "/proc/nowhere").code)
        self.assertEqual(NO_NODE, run("get", "m", "--dir", "/nowhere").code)

    def test_invitations(self):
        self.assertEqual(OK, run("init", "--dir", self.nodes.dir("a")).code)
        self.assertTrue(self.nodes.up("a", "--no-discovery"))
        self.assertEqual("admin", self.nodes.json("a", "status")["role"])
        drawn = self.nodes.run("a", "invite", "--role", "writer", "--expires", "1h", "--uses", "2", "--qr").out.split("\n", 1)
        self.assertRegex(drawn[1], r"\A(\x1b\[40;97m[█▀▄ ]+\x1b\[0m\n)+\Z")
        self.assertEqual(OK, run("join", drawn[0], "--dir", self.nodes.dir("b")).code)
        self.assertTrue(self.nodes.up("b", "--no-discovery"))
        self.assertTrue(until(lambda: self.nodes.json("a", "peers")["peers"]))
        self.assertEqual("writer", self.nodes.json("a", "peers")["peers"][0]["role"])
        self.assertIn("writer", self.nodes.run("a", "peers").out)
        self.assertRegex(self.nodes.run("b", "status").out, r"role         writer, for another 3\d\d\d s\n")
        refused = self.nodes.run("b", "invite")
        self.assertEqual(INPUT, refused.code)
        self.assertRegex(refused.err, r"\Astarling: [^\n]*admin[^\n]*\n\Z")
        self.assertEqual("joined as writer, for another 3600 s\n",
                         re.sub(r"3\d\d\d", "3600", run("join", "-", "--dir", self.nodes.dir("e"), stdin=drawn[0]).out))
        for bad in (["--role", "king"], ["--expires", "soon"], ["--expires", "5"], ["--expires", "0s"], ["--uses", "-1"], ["--uses", "65536"]):
            self.assertEqual(USAGE, self.nodes.run("a", "invite", *bad).code, bad)
        reader = self.nodes.run("a", "invite", "--role", "reader").out.strip()
        self.assertEqual(OK, run("join", reader, "--dir", self.nodes.dir("c")).code)
        self.assertTrue(self.nodes.up("c", "--no-discovery"))
        self.assertEqual(INPUT, self.nodes.run("c", "incr", "x").code)
        brief = self.nodes.run("a", "invite", "--expires", "1s").out.strip()
        time.sleep(1.1)
        over = run("join", brief, "--dir", self.nodes.dir("d"))
        self.assertEqual(INPUT, over.code, over.err)
        self.assertIn("over", over.err)
        self.assertFalse(pathlib.Path(self.nodes.dir("d"), "mesh.key").exists())

    def test_members_and_revocation(self):
        self.assertEqual(OK, run("init", "--dir", self.nodes.dir("a")).code)
        self.assertTrue(self.nodes.up("a", "--no-discovery"))
        for name in ("b", "c"):
            code = self.nodes.run("a", "invite", "--role", "writer").out.strip()
            self.assertEqual(OK, run("join", code, "--dir", self.nodes.dir(name)).code)
            self.assertTrue(self.nodes.up(name, "--no-discovery"))
        listed = lambda name: self.nodes.json(name, "members")["members"]
        self.assertTrue(until(lambda: all(len(listed(name)) == 3 for name in "abc")))
        self.assertTrue(self.nodes.linked("a", 2))
        ids = {name: self.nodes.json(name, "status")["node"] for name in "abc"}
        by_id = {member["id"]: member for member in listed("a")}
        self.assertEqual({("admin", True, False), ("writer", False, True)},
                         {(member["role"], member["self"], member["linked"]) for member in by_id.values()})
        self.assertIn(f"{ids['a']}  admin  this node\n", self.nodes.run("a", "members").out)

        for name, arguments, code, why in (("b", [ids["c"]], INPUT, "admin"), ("a", ["ffff" * 16], INPUT, "no such member"),
                                           ("a", ["abc"], INPUT, "no node or invitation"), ("a", [ids["a"][:8]], INPUT, "itself"),
                                           ("a", [], USAGE, "KEY")):
            ran = self.nodes.run(name, "revoke", *arguments)
            self.assertEqual((code, ""), (ran.code, ran.out), ran.err)
            self.assertRegex(ran.err, r"\Astarling: [^\n]*" + why + r"[^\n]*\n\Z")
        self.assertEqual(f"revoked {ids['c']}\n", self.nodes.run("a", "revoke", ids["c"][:8]).out)
        self.assertEqual(f"was revoked before: {ids['c']}\n", self.nodes.run("a", "revoke", ids["c"]).out)
        self.assertTrue(self.nodes.linked("c", 0))
        self.assertTrue(until(lambda: self.nodes.json("c", "status")["revoked"] in ("key", "told")))
        self.assertIn("revoked: see", self.nodes.run("c", "status").out)
        self.assertRegex(self.nodes.run("c", "doctor").out, r"trouble .*revoked")
        self.assertIn("revoked", [line for line in self.nodes.run("b", "members").out.split("\n") if ids["c"] in line][0])

        self.assertEqual(INPUT, self.nodes.run("b", "rotate").code)
        self.assertEqual("the mesh's secret is number 1 now\n", self.nodes.run("a", "rotate").out)
        self.assertTrue(until(lambda: self.nodes.json("b", "status")["secret_epoch"] == 1))
        self.assertEqual(0, self.nodes.json("c", "status")["secret_epoch"])
        late = self.nodes.run("a", "invite").out.strip()
        self.assertEqual(OK, run("join", late, "--dir", self.nodes.dir("late")).code)
        self.assertTrue(self.nodes.up("late", "--no-discovery"))
        self.assertTrue(self.nodes.linked("late", 2))
        self.assertEqual(1, self.nodes.json("late", "status")["secret_epoch"])
        self.assertEqual(OK, self.nodes.run("late", "stop").code)
        self.assertTrue(self.nodes.linked("a", 1))

        # By the code that it joined with.
        code = by_id[ids["b"]]["invitation"]
        self.assertEqual(OK, self.nodes.run("a", "revoke", code[:12]).code)
        self.assertTrue(self.nodes.linked("a", 0))
        for name in "ab":
            self.nodes.kill(name, signal.SIGTERM)
            self.assertTrue(self.nodes.up(name))
        self.assertTrue(until(lambda: "revoked" in self.nodes.json("a", "status")["refusals"]))
        self.assertEqual([], self.nodes.json("a", "peers")["peers"])

    def test_sealed_keys(self):
        right, wrong, empty = (pathlib.Path(self.nodes.home.name, name) for name in ("right", "wrong", "empty"))
        right.write_text("open sesame\n")
        wrong.write_text("open barley\n")
        empty.write_text("\n")
        for file in (right, wrong, empty):
            file.chmod(0o600)
        shown = pathlib.Path(self.nodes.home.name, "shown")
        shown.write_text("open sesame\n")
        shown.chmod(0o644)
        self.assertEqual(OK, run("init", "--dir", self.nodes.dir("a"), "--passphrase-file", str(right)).code)
        for bad, code in (([], INPUT), (["--passphrase-file", str(wrong)], INPUT),
                          (["--passphrase-file", str(empty)], USAGE), (["--passphrase-file", str(shown)], USAGE), (["--passphrase-file", "/nowhere"], USAGE)):
            ran = run("up", "--dir", self.nodes.dir("a"), *bad)
            self.assertEqual(code, ran.code, (bad, ran.err))
            self.assertRegex(ran.err, r"\Astarling: [^\n]+\n\Z")
        self.assertTrue(self.nodes.up("a", "--no-discovery", "--passphrase-file", str(right)))
        self.assertEqual("1\n", self.nodes.run("a", "incr", "x").out)


if __name__ == "__main__":
    unittest.main()
