#!/usr/bin/env python3
"""Work queues and elections on the command line: real nodes, workers in shells, kill -9 and cuts."""

import json
import socket
import subprocess
import threading
import unittest

from process_test import ABSENT, INPUT, NO_NODE, OK, PATIENCE, STARLING, USAGE, ThreeNodes, run, until

NO_MAJORITY, LOST = 6, 7
NAMES = "abc"


class ThreeVoters(ThreeNodes):
    def setUp(self):
        super().setUp()
        self.name_voters()


class Queues(ThreeVoters):
    def queue(self, name, verb, *arguments, code=OK):
        ran = self.nodes.run(name, "queue", verb, "jobs", *arguments)
        self.assertEqual(code, ran.code, ran.err)
        if code not in (OK, ABSENT):
            self.assertRegex(ran.err, r"\Astarling: [^\n]+\n\Z")
        return ran.out

    def take(self, name, *arguments):
        """[receipt, attempt, value] of the jobs taken; waits for one."""
        lines = self.queue(name, "take", "--wait", f"{PATIENCE}s", *arguments).splitlines()
        return [[receipt, int(attempt), value] for receipt, attempt, value in (line.split("\t") for line in lines)]

    def show(self, name):
        """With what is leased, once a majority says so."""
        shown = lambda: self.nodes.json(name, "queue", "show", "jobs")
        told = until(lambda: (said := shown())["leased"] is not None and said)
        self.assertTrue(told, f"no majority answered {name}")
        return told

    def test_jobs_are_put_taken_and_done(self):
        self.assertEqual(USAGE, self.nodes.run("a", "queue").code)
        self.assertEqual(NO_NODE, run("queue", "show", "jobs", "--dir", self.nodes.dir("nobody")).code)
        self.queue("a", "take", code=ABSENT)
        for value in ("first", '{"n":2}', "3"):
            self.queue("a", "put", value)
        first = self.queue("b", "put", "fourth", "--key", "k").strip()
        self.assertEqual(f"{first} put before\n", self.queue("b", "put", "again", "--key", "k"))
        self.assertTrue(until(lambda: self.show("c")["waiting"] == 4))
        taken = self.take("c", "--count", "3")
        self.assertEqual(["first", '{"n":2}', "3"], [value for _, _, value in taken])
        shown = self.show("a")
        self.assertEqual((1, 3, 0, []), (shown["waiting"], shown["leased"], shown["delayed"], shown["dead"]))
        self.assertEqual([self.ids["c"]], [lease["node"] for lease in shown["leases"]])
        self.assertTrue(until(lambda: "waiting 1, leased 3" in self.queue("a", "show")))
        self.queue("c", "ack", taken[0][0], taken[2][0])
        self.queue("c", "nack", taken[1][0], "--delay", "1h")
        self.assertEqual("fourth", self.take("a")[0][2])
        self.queue("a", "take", code=ABSENT)
        self.assertTrue(until(lambda: (self.show("a")["waiting"], self.show("a")["delayed"]) == (0, 1)))
        for verb, *wrong in (["ack", "x"], ["ack", first], ["nack", first + "-1x"], ["again", "x"], ["drop", ""]):
            self.queue("a", verb, *wrong, code=INPUT)
        self.queue("a", "drop", first, code=ABSENT)
        self.queue("a", "take", "--lease", "1ms", code=INPUT)
        self.queue("a", "take", "--count", "33", code=USAGE)

    def test_workers_in_shells_lose_nothing_when_some_are_killed(self):
        jobs, done = 40, self.home / "done"
        done.mkdir()
        killed, errors = [], []

        def work(name, dies):
            while len(list(done.iterdir())) < jobs:
                ran = self.nodes.run(name, "queue", "take", "jobs", "--wait", "200ms", "--lease", "1s", "--count", "2")
                if ran.code in (ABSENT, NO_MAJORITY):  # or, on a busy machine, not in time: then it asks again
                    continue
                self.assertEqual(OK, ran.code, ran.err)
                for line in ran.out.splitlines():
                    receipt, attempt, value = line.split("\t")
                    if dies and int(value) % 10 == 7 and attempt == "1":
                        killed.append(value)  # as if: it says nothing any more of this one
                        continue
                    (done / value).touch()
                    self.assertEqual(OK, self.nodes.run(name, "queue", "ack", "jobs", receipt).code)

        def worker(name):
            try:
                work(name, dies=name == "b")
            except Exception as error:  # else it would end the thread alone, and not the test
                errors.append(f"{name}: {error!r}")

        workers = [threading.Thread(target=worker, args=(name,)) for name in NAMES]
        for thread in workers:
            thread.start()
        for n in range(jobs):
            self.queue(NAMES[n % 3], "put", str(n))
        for thread in workers:
            thread.join()
        self.assertEqual([], errors)
        self.assertEqual(sorted(map(str, range(jobs))), sorted(path.name for path in done.iterdir()))
        self.assertTrue(until(lambda: self.show("a")["waiting"] + self.show("a")["leased"] == 0))

    def test_a_killed_node_and_dead_letters(self):
        self.queue("a", "put", "poison")
        self.assertTrue(until(lambda: self.show("c")["waiting"] == 1))
        self.assertEqual(1, self.take("c", "--lease", "1s")[0][1])
        self.nodes.kill("c")
        receipt, attempt, value = self.take("b", "--attempts", "2")[0]
        self.assertEqual((2, "poison"), (attempt, value))
        self.queue("b", "nack", receipt, "--attempts", "2")
        dead = self.show("b")["dead"]
        self.assertEqual([("poison", 2)], [(letter["value"], letter["attempts"]) for letter in dead])
        self.assertIn("poison", self.queue("b", "show"))
        self.queue("b", "again", dead[0]["job"])
        self.queue("b", "again", dead[0]["job"], code=ABSENT)
        self.assertEqual((1, "poison"), tuple(self.take("b")[0][1:]))

    def test_the_minority_puts_and_is_refused(self):
        self.queue("c", "put", "before")
        receipt = self.take("c")[0][0]
        self.nodes.run("c", "fault", "block", self.ids["a"], self.ids["b"])
        self.assertTrue(self.nodes.linked("c", 0))
        self.queue("c", "put", "cut off")
        self.queue("c", "take", code=NO_MAJORITY)
        self.assertIn("leased unknown", self.queue("c", "show"))
        self.assertFalse(self.nodes.json("c", "queue", "ack", "jobs", receipt)["told"])
        self.queue("b", "take", code=ABSENT)
        self.nodes.run("c", "fault", "unblock")
        self.assertEqual("cut off", self.take("b")[0][2])

    def test_a_taker_that_hangs_up_waits_no_more_and_a_bad_request_is_told(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(f"{self.nodes.dir('a')}/control.sock")
            client.sendall(b'{"v":1,"op":"queue_take","queue":"jobs","wait_ms":3600000}\n')
            for wrong in ({}, {"queue": 5}, {"queue": ""}, {"queue": "jobs", "jobs": "x"},
                          {"queue": "jobs", "attempts": 0}, {"queue": "jobs", "lease_ms": 1.5}):
                client.sendall(json.dumps({"v": 1, "op": "queue_take", **wrong}).encode() + b"\n")
            with client.makefile() as answers:
                lines = [json.loads(answers.readline()) for _ in range(7)]
        self.assertEqual([True] + 6 * [False], [line["ok"] for line in lines])
        self.queue("a", "put", "one")
        self.assertEqual("one", self.take("a")[0][2])


class Elections(ThreeVoters):
    def elect(self, name, *command, options=()):
        return subprocess.Popen(
            [STARLING, "elect", "boss", "--ttl", "2s", *options, "--dir", self.nodes.dir(name), "--", *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

    def test_one_leads_until_it_ends_or_is_cut_off(self):
        self.assertEqual(ABSENT, self.nodes.run("a", "elect", "boss").code)
        begun = self.home / "begun"
        first = self.elect("a", "sh", "-c", f"echo $STARLING_TOKEN > {begun}; exec sleep 60", options=("--note", "A"))
        self.assertTrue(until(lambda: begun.exists() and begun.read_text().strip()))
        leader = self.nodes.json("b", "elect", "boss")["leader"]
        self.assertEqual((self.ids["a"], "A"), (leader["node"], leader["note"]))
        self.assertEqual(int(begun.read_text()), leader["token"])
        self.assertIn("\tA\n", self.nodes.run("c", "elect", "boss").out)
        refused = self.elect("b", "true", options=("--wait", "300ms"))
        refused.communicate(timeout=PATIENCE)
        self.assertEqual(ABSENT, refused.returncode)
        self.nodes.run("a", "fault", "block", self.ids["b"], self.ids["c"])
        _, err = first.communicate(timeout=PATIENCE)
        self.assertEqual(LOST, first.returncode, err)
        self.assertRegex(err, r"\Astarling: the role 'boss' was lost[^\n]+\n\Z")
        second = self.elect("b", "sh", "-c", "echo $STARLING_TOKEN")
        out, err = second.communicate(timeout=PATIENCE)
        self.assertEqual((0, ""), (second.returncode, err))
        self.assertGreater(int(out), leader["token"])
        self.assertEqual(NO_MAJORITY, self.nodes.run("a", "elect", "boss").code)


if __name__ == "__main__":
    unittest.main()
