#!/usr/bin/env python3
"""The checks of recorded histories are checked: what is right passes, and each thing that can go wrong is found."""

import copy
import os
import subprocess
import tempfile
import unittest

from agreed_history import OK, REFUSED, UNKNOWN, Call, History, Look, Turn, Write, check_locks

JUDGE = os.environ["JUDGE"]
R = "r"


def good_calls():
    return [Call(R, "append", 1, 7, end=2, after=[7], outcome=OK),
            Call(R, "read", 3, end=6, after=[7], outcome=OK),
            Call(R, "swap", 4, 8, [7], end=5, after=[8], changed=True, outcome=OK),
            Call(R, "append", 7, 9),  # nobody knows
            Call(R, "read", 8, end=9, after=[8], outcome=OK),
            Call(R, "read", 10, end=11, after=[8, 9], outcome=OK),
            Call(R, "swap", 12, 10, [8], end=13, after=[8, 9], changed=False, outcome=OK),
            Call(R, "put", 14, 11, end=15, after=[11], outcome=OK),
            Call(R, "append", 16, 12, outcome=REFUSED),
            Call(R, "read", 18, end=19, after=[11], outcome=OK)]


class Registers(unittest.TestCase):
    def judged(self, calls):
        history = History()
        for call in calls:
            history.add(call)
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write("\n".join(history.lines()))
            file.flush()
            ran = subprocess.run([JUDGE, file.name], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual("", ran.stderr)
        return ran.returncode, ran.stdout

    def refused(self, calls, shows):
        code, out = self.judged(calls)
        self.assertEqual(1, code, out)
        self.assertIn(shows, out)

    def test_what_is_right(self):
        code, out = self.judged(good_calls())
        self.assertEqual(0, code, out)
        self.assertIn("9 calls of 1 registers, 1 without an answer: linearizable", out)

    def test_a_stale_read(self):
        calls = good_calls()
        calls[5].after = [8]
        self.assertEqual(0, self.judged(calls[:6])[0])  # the append may be late
        calls[4].after = [7]
        self.refused(calls, "read -> [7]")

    def test_a_lost_update(self):
        calls = good_calls()[:1] + [Call(R, "append", 3, 8, end=4, after=[8], outcome=OK)]
        self.refused(calls, "append 8 -> [8]")
        both = [Call(R, "swap", 3, 8, [7], end=6, after=[8], changed=True, outcome=OK),
                Call(R, "swap", 4, 9, [7], end=5, after=[9], changed=True, outcome=OK)]
        self.refused(good_calls()[:1] + both, "changed")

    def test_an_unknown_outcome_takes_effect_once_or_never(self):
        begun = good_calls()[:1] + [Call(R, "append", 3, 8)]
        read = lambda begin, after: Call(R, "read", begin, end=begin + 1, after=after, outcome=OK)
        self.assertEqual(0, self.judged(begun + [read(4, [7]), read(6, [7, 8])])[0])
        self.assertEqual(0, self.judged(begun + [read(4, [7]), read(6, [7])])[0])
        self.refused(begun + [read(4, [7, 8]), read(6, [7])], "read -> [7]")
        self.refused(begun + [read(4, [7, 8, 8])], "[7 8 8]")

    def test_what_was_refused_and_is_there(self):
        calls = good_calls()
        calls[-1].after = [11, 12]
        self.refused(calls, "[11 12]")

    def test_registers_are_judged_by_themselves_and_the_wrong_one_is_named(self):
        others = copy.deepcopy(good_calls())
        for call in others:
            call.register = "other"
        others[1].after = [3]
        self.refused(good_calls() + others, "'other'")

    def test_what_is_no_history(self):
        for text in ("", "{}", "nonsense", '{"register":"r","kind":"read","call":2,"return":1}'):
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(text)
                file.flush()
                ran = subprocess.run([JUDGE, file.name], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(2, ran.returncode, text)
            self.assertIn("no history", ran.stderr)


class Locks(unittest.TestCase):
    """Node 1 has token 3 and is stopped; node 2 has token 5 and writes; node 1 goes on and writes, too late."""

    def setUp(self):
        self.history = History()
        self.turns = [self.history.add(turn) for turn in (Turn(1, 1, 2, 3), Turn(2, 3, 6, 5))]
        self.writes = [self.history.add(write) for write in
                       (Write(1, 1, 0, 3, 100, 3, 4, OK), Write(2, 1, 0, 5, 101, 7, 8, OK),
                        Write(1, 1, 0, 3, 102, 9, 10, OK),           # it has not heard of 5
                        Write(1, 1, 0, 3, 103, 13, 14, REFUSED))]    # now it has
        self.looks = [self.history.add(look) for look in (Look(1, 1, 0, 11, 12, 5, 101), Look(1, 2, 0, 15, 16, 3, 102))]
        self.finals = [{0: (5, 101)} for _ in range(3)]

    def found(self, words):
        wrong = check_locks(self.history, self.finals)
        self.assertTrue(any(words in line for line in wrong), wrong)

    def test_what_is_right(self):
        self.assertEqual([], check_locks(self.history, self.finals))

    def test_one_token_twice(self):
        self.turns[1].token = 3
        self.found("was given to node 1 and to node 2")

    def test_a_token_that_falls(self):
        self.turns[1].token = 2
        self.found("token 2 was given to who asked after 3")

    def test_a_late_write_that_wins(self):
        self.finals = [{0: (3, 102)} for _ in range(3)]
        self.found("token 3 won against 5")

    def test_nodes_that_differ(self):
        self.finals[2] = {0: (3, 102)}
        self.found("diverged")

    def test_a_value_of_nobody_and_one_that_was_refused(self):
        self.finals = [{0: (5, 999)} for _ in range(3)]
        self.found("999 under token 5 was never written")
        self.writes[1].outcome = REFUSED
        self.finals = [{0: (5, 101)} for _ in range(3)]
        self.found("101 was refused, and won")

    def test_an_earlier_write_of_the_same_holder_that_wins(self):
        self.history.add(Write(2, 1, 0, 5, 104, 9, 10, OK))
        self.found("101 won against 104")

    def test_a_node_that_takes_a_lower_token_than_it_knows(self):
        self.writes[3].outcome = OK
        self.found("accepted a write under token 3 after 5")

    def test_a_read_that_goes_back(self):
        self.looks[1].life = 1
        self.found("read under token 3 after 5")

    def test_what_a_node_accepted_stays_after_kill(self):
        self.history.add(Look(2, 2, 0, 9, 10, 3, 102))
        self.found("node 2, field 0: read under token 3 after 5")

    def test_what_nobody_knows_may_win_or_not(self):
        self.writes[1].end, self.writes[1].outcome = None, UNKNOWN
        self.assertEqual([], check_locks(self.history, self.finals))


if __name__ == "__main__":
    unittest.main()
