#!/usr/bin/env python3
"""Voters and locks on the command line: real nodes, real commands under a lock, kill -9 and cuts."""

import json
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from process_test import ABSENT, INPUT, NO_NODE, OK, PATIENCE, STARLING, USAGE, ThreeNodes, run, until

NO_MAJORITY, LOST = 6, 7
NAMES = "abc"


class Agreed(ThreeNodes):
    def lock(self, name, *command, options=("--ttl", "2s")):
        return subprocess.Popen([STARLING, "lock", "press", *options, "--dir", self.nodes.dir(name), "--", *command],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

    def ended(self, process):
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    def test_voters(self):
        first = self.nodes.json("b", "voters")
        self.assertEqual([self.ids["a"]], [voter["node"] for voter in first["voters"]])
        self.assertFalse(first["votes"])
        self.assertIn("this node", self.nodes.run("a", "voters").out)
        self.name_voters()
        seen = self.nodes.json("c", "voters")
        self.assertTrue(seen["votes"])
        self.assertEqual(sorted(self.ids.values()), [voter["node"] for voter in seen["voters"]])
        for wrong, code in ((["zzzz"], INPUT), ([self.ids["a"], self.ids["b"]], INPUT), ([], USAGE)):
            ran = self.nodes.run("a", "voters", "set", *wrong)
            self.assertEqual(code, ran.code, ran.err)
            self.assertRegex(ran.err, r"\Astarling: [^\n]+\n\Z")
        self.assertEqual(INPUT, self.nodes.run("b", "voters", "set", self.ids["b"]).code)  # no admin
        self.assertEqual(NO_NODE, run("voters", "--dir", self.nodes.dir("nobody")).code)

    def test_a_command_has_a_token_that_grows_and_its_exit_code_is_passed_on(self):
        self.name_voters()
        tokens = []
        for name in "abca":
            code, out, err = self.ended(self.lock(name, "sh", "-c", "echo $STARLING_TOKEN; exit 3"))
            self.assertEqual((3, ""), (code, err))
            tokens.append(int(out))
        self.assertEqual(sorted(set(tokens)), tokens)
        self.assertEqual(128 + signal.SIGKILL, self.ended(self.lock("a", "sh", "-c", "kill -9 $$"))[0])
        code, _, err = self.ended(self.lock("a", "/nowhere/nothing"))
        self.assertEqual(127, code)
        self.assertIn("cannot run", err)
        self.assertEqual(USAGE, self.nodes.run("a", "lock", "press").code)
        self.assertEqual(INPUT, self.ended(self.lock("a", "true", options=("--ttl", "1ms")))[0])
        self.assertEqual(NO_NODE, run("lock", "press", "--dir", self.nodes.dir("nobody"), "--", "true").code)

    def test_the_end_of_a_command_is_seen_where_ends_of_children_are_ignored(self):
        command = [STARLING, "lock", "press", "--dir", self.nodes.dir("a"), "--", "sh", "-c", "exit 3"]
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
                             preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(3, ran.returncode, ran.stderr)

    def test_a_connection_is_for_one_lock(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(f"{self.nodes.dir('a')}/control.sock")
            wish = b'{"v":1,"op":"lock","lock":"press","ttl_ms":10000}\n'
            client.sendall(wish + wish)
            with client.makefile() as answers:
                lines = [json.loads(answers.readline()) for _ in range(3)]
        self.assertEqual([True, True, False], sorted((line["ok"] for line in lines), reverse=True))
        self.assertEqual((0, "", ""), self.ended(self.lock("b", "true")))  # it is given up with the connection

    def test_commands_of_all_nodes_exclude_each_other(self):
        self.name_voters()
        file = self.home / "count"
        file.write_text("0")
        # Reads, waits and writes back: whoever comes between loses a count.
        step = f'n=$(cat {file}); sleep 0.05; echo $((n + 1)) > {file}'
        running = [self.lock(name, "sh", "-c", step, options=("--ttl", "30s")) for name in NAMES * 4]
        for process in running:
            self.assertEqual((0, "", ""), self.ended(process))
        self.assertEqual(len(running), int(file.read_text()))

    def test_somebody_elses_turn(self):
        self.name_voters()
        begun = self.home / "begun"
        holder = self.lock("a", "sh", "-c", f"touch {begun}; sleep 60", options=("--ttl", "30s"))
        self.assertTrue(until(begun.exists))
        self.assertEqual(ABSENT, self.ended(self.lock("b", "true", options=("--wait", "0s")))[0])
        self.assertEqual(ABSENT, self.ended(self.lock("b", "true", options=("--wait", "1s")))[0])
        waits = self.lock("b", "echo", "mine")
        holder.terminate()  # goes on to the command
        self.assertEqual(128 + signal.SIGTERM, self.ended(holder)[0])
        self.assertEqual((0, "mine\n", ""), self.ended(waits))
        # Killed, the command goes with it, and the node gives the lock up since the connection is gone.
        holder = self.lock("c", "sh", "-c", f"trap '' TERM; echo $$ > {begun}; exec sleep 60", options=("--ttl", "60s"))
        self.assertTrue(until(lambda: begun.read_text().strip()))
        child = int(begun.read_text())
        holder.kill()
        self.ended(holder)
        self.assertEqual((0, "", ""), self.ended(self.lock("a", "true")))
        self.assertTrue(until(lambda: not pathlib.Path(f"/proc/{child}").exists()))

    def test_the_command_is_ended_when_the_lock_is_lost(self):
        self.name_voters()
        begun = self.home / "begun"
        holder = self.lock("a", "sh", "-c", f"trap 'echo told; exit 0' TERM; touch {begun}; while :; do sleep 0.1; done")
        self.assertTrue(until(begun.exists))
        self.nodes.run("a", "fault", "block", self.ids["b"], self.ids["c"])
        code, out, err = self.ended(holder)
        self.assertEqual((LOST, "told\n"), (code, out))
        self.assertRegex(err, r"starling: [^\n]+lost[^\n]+\n\Z")
        self.assertEqual((0, "", ""), self.ended(self.lock("b", "true")))  # the majority goes on
        code, _, err = self.ended(self.lock("a", "true", options=("--wait", "500ms")))
        self.assertEqual(NO_MAJORITY, code, err)
        self.assertRegex(err, r"\Astarling: [^\n]+\n\Z")
        self.nodes.run("a", "fault", "unblock")
        self.assertEqual((0, "", ""), self.ended(self.lock("a", "true")))
        # One that hears nothing of it is killed; and the end of the node is the end of its locks.
        begun.unlink()
        holder = self.lock("a", "sh", "-c", f"trap '' TERM; touch {begun}; while :; do sleep 0.1; done")
        self.assertTrue(until(begun.exists))
        self.nodes.kill("a")
        self.assertEqual(LOST, self.ended(holder)[0])

    def test_a_holder_that_stands_still_past_its_time_is_ended(self):
        self.name_voters()
        begun = self.home / "begun"
        holder = self.lock("a", "sh", "-c", f"echo $STARLING_TOKEN > {begun}; exec sleep 60", options=("--ttl", "1s"))
        self.assertTrue(until(lambda: begun.exists() and begun.read_text().strip()))
        self.nodes.running["a"].send_signal(signal.SIGSTOP)
        code, out, err = self.ended(self.lock("b", "sh", "-c", "echo $STARLING_TOKEN"))
        self.assertEqual((0, ""), (code, err))
        self.assertGreater(int(out), int(begun.read_text()))
        self.nodes.running["a"].send_signal(signal.SIGCONT)
        self.assertEqual(LOST, self.ended(holder)[0])

    def test_a_killed_voter_is_missed_by_nobody_and_remembers(self):
        self.name_voters()
        tokens = []

        def turn(name):
            code, out, err = self.ended(self.lock(name, "sh", "-c", "echo $STARLING_TOKEN"))
            self.assertEqual((0, ""), (code, err))
            tokens.append(int(out))

        turn("a")
        self.nodes.kill("c")
        turn("b")
        self.nodes.up("c")
        self.assertTrue(until(lambda: self.nodes.json("c", "voters")["votes"]))
        self.nodes.kill("a")
        self.assertTrue(self.nodes.linked("c", 1))
        turn("c")  # with b: a majority of which one was dead meanwhile
        self.nodes.kill("b")
        code, _, err = self.ended(self.lock("c", "true", options=("--wait", "500ms")))
        self.assertEqual(NO_MAJORITY, code, err)
        self.assertRegex(err, r"\Astarling: [^\n]+\n\Z")
        self.assertEqual(sorted(set(tokens)), tokens)


class Losses(unittest.TestCase):
    def test_a_lock_that_was_lost_before_it_was_read_runs_nothing(self):
        locked, lost = b'{"v":1,"ok":true,"locked":{"token":7}}\n', b'{"v":1,"ok":true,"lost":true}\n'
        for told, code in ((locked + lost, LOST), (lost + locked, LOST), (locked, OK)):
            with tempfile.TemporaryDirectory() as home, socket.socket(socket.AF_UNIX) as door:
                door.bind(f"{home}/control.sock")
                door.listen()
                ran = pathlib.Path(home, "ran")

                def serve(told=told, door=door):
                    client = door.accept()[0]
                    with client:
                        while not client.recv(4096).endswith(b"\n"):
                            pass
                        client.sendall(b'{"v":1,"ok":true}\n' + told)
                        client.recv(4096)  # until it hangs up

                server = threading.Thread(target=serve)
                server.start()
                ended = run("lock", "press", "--dir", home, "--", "touch", str(ran))
                server.join()
                self.assertEqual(code, ended.code, ended.err)
                self.assertEqual(code == OK, ran.exists())


if __name__ == "__main__":
    unittest.main()
