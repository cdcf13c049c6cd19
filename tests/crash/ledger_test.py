#!/usr/bin/env python3
"""The ledger sees each kind of loss in histories made up for it, and passes what is right."""

import unittest

from ledger import OK, REFUSED, UNKNOWN, Final, Ledger, Lives, check, half_pairs


def ledger(*writes):
    made = Ledger()
    for kind, subject, outcome, *more in writes:
        process = more[0] if more else 1
        made.begin(0, process, kind, subject, slot="0/0" if kind == "transfer" else "").outcome = outcome
    return made


def final(once=(), toggled=(), count=0, transfers=(), appends=(), pairs=None, counted=None, journal=None, **more):
    """What a node holds that has these, whole, unless told otherwise."""
    entries = sorted([[0, number, "transfer"] for number in transfers] + [[0, number, "append"] for number in appends])
    whole = {"0/0/a": max(transfers), "0/0/b": max(transfers)} if transfers else {}
    return Final(**{"version": {"v": 1}, "fingerprint": "f", "once": set(once), "toggled": set(toggled), "count": count,
                    "pairs": whole if pairs is None else pairs, "transfers": len(transfers) if counted is None else counted,
                    "journal": [(f"d:{i}", e) for i, e in enumerate(entries if journal is None else journal)], "faults": [], **more})


class Checks(unittest.TestCase):
    def expect(self, kinds, made, *finals):
        self.assertEqual(kinds, [line.split(":")[0] for line in check(made, finals)])

    def test_what_is_right_passes(self):
        made = ledger(("once.add", 1, OK), ("once.add", 2, UNKNOWN), ("once.add", 3, OK), ("once.rm", 3, OK),
                      ("once.rm", 1, REFUSED), ("toggled.add", "x", OK), ("toggled.rm", "x", UNKNOWN), ("count", 4, OK),
                      ("count", 2, UNKNOWN), ("append", 1, OK), ("transfer", 2, OK), ("transfer", 3, UNKNOWN))
        self.expect([], made, *[final({1}, (), 4, (2,), (1,))] * 3)
        self.expect([], made, *[final({1, 2}, {"x"}, 6, (2, 3), (1,))] * 3)

    def test_an_acknowledged_write_is_missing(self):
        self.expect(["lost"], ledger(("once.add", 1, OK)), final())
        self.expect(["lost"], ledger(("toggled.rm", "x", OK), ("toggled.add", "x", OK)), final())
        self.expect(["lost"], ledger(("count", 4, OK), ("count", 2, UNKNOWN)), final(count=3))
        self.expect(["lost"], ledger(("append", 1, OK)), final())
        self.expect(["lost"], ledger(("transfer", 1, OK)), final())
        self.expect(["lost"] * 2, ledger(("transfer", 1, OK), ("append", 2, OK), ("append", 3, UNKNOWN)), final())

    def test_what_was_removed_is_back(self):
        self.expect(["resurrected"], ledger(("once.add", 1, OK), ("once.rm", 1, OK)), final({1}))
        self.expect([], ledger(("once.add", 1, OK), ("once.rm", 1, UNKNOWN)), final({1}))
        gone = ledger(("toggled.add", "x", OK), ("toggled.rm", "x", OK))
        self.expect(["resurrected"], gone, final(toggled={"x"}))
        gone.begin(0, 2, "toggled.add", "x")
        self.expect([], gone, final(toggled={"x"}))  # added again, perhaps

    def test_what_nobody_wrote(self):
        self.expect(["unexpected"], ledger(), final({7}))
        self.expect(["unexpected"], ledger(("once.add", 7, REFUSED)), final({7}))
        self.expect(["unexpected"], ledger(), final(toggled={"x"}))
        self.expect(["unexpected"], ledger(("count", 1, UNKNOWN)), final(count=2))
        self.expect(["unexpected"], ledger(), final(appends=(1,)))
        self.expect(["unexpected"], ledger(("append", 1, OK)), final(journal=[[0, 1, "append"]] * 2))

    def test_half_a_transaction(self):
        made = ledger(("transfer", 1, OK), ("transfer", 2, UNKNOWN))
        self.expect(["half"], made, final(transfers=(1,), pairs={"0/0/a": 1, "0/0/b": 2}))
        self.expect(["half"], made, final(transfers=(1,), counted=2))
        self.expect(["half"] * 2, made, final(transfers=(1, 2), pairs={"0/0/a": 1, "0/0/b": 1}))
        self.expect(["half"] * 3, made, final(transfers=(1,), pairs={}, counted=0))

    def test_readers_see_no_half(self):
        self.assertEqual([], half_pairs({"0/0/a": 1, "0/0/b": 1, "1/0/a": 2, "1/0/b": 2}))
        for half in ({"0/0/a": 1}, {"0/0/b": 1}, {"0/0/a": 1, "0/0/b": 2}):
            self.assertEqual(1, len(half_pairs(half)))

    def test_a_hole(self):
        made = ledger(("append", 1, OK), ("append", 2, UNKNOWN), ("append", 3, UNKNOWN))
        self.expect(["hole"], made, final(appends=(1, 3)))
        made = ledger(("append", 1, OK), ("append", 2, UNKNOWN, 1), ("append", 3, UNKNOWN, 2))
        self.expect([], made, final(appends=(1, 3)))  # of another process

    def test_an_order_that_is_none(self):
        made = ledger(("append", 1, OK), ("append", 2, OK))
        self.expect(["order"], made, final(journal=[[0, 2, "append"], [0, 1, "append"]]))

    def test_nodes_that_differ_and_faults(self):
        self.expect(["diverged"], ledger(), final(), final(fingerprint="g"))
        self.expect(["fault"], ledger(), final(faults=["quarantined"]))


class LivesTest(unittest.TestCase):
    """Node "n", whose lives are n.1, n.2, …; another node's lives do not matter to it."""

    def expect(self, kinds, lives, version):
        self.assertEqual(kinds, [line.split(":")[0] for line in lives.check(version)])

    def setUp(self):
        self.lives = Lives()
        self.lives.opened("n", 1, {})
        self.lives.acknowledged("n", 1, "m.1:5,n.1:1")
        self.lives.acknowledged("n", 1, "m.1:7,n.1:3")

    def test_what_is_right_passes(self):
        self.expect([], self.lives, {"n.1": 4, "m.1": 9})
        self.lives.opened("n", 2, {"n.1": 4})
        self.lives.acknowledged("n", 1, "n.1:4")  # heard late
        self.lives.acknowledged("n", 2, "n.1:4,n.2:1")
        self.expect([], self.lives, {"n.1": 4, "n.2": 2})

    def test_a_dot_that_was_acknowledged_is_not_on_the_disk(self):
        self.lives.opened("n", 2, {"n.1": 2})
        self.expect(["lost"] * 2, self.lives, {"n.1": 2})

    def test_and_not_on_the_others(self):
        self.expect(["lost"], self.lives, {"m.1": 9})

    def test_a_life_that_goes_on(self):
        self.lives.opened("n", 2, {"n.1": 3})
        self.lives.acknowledged("n", 2, "n.1:4")
        self.expect(["reused"] * 2, self.lives, {"n.1": 4})

    def test_a_life_that_says_it_is_a_member_before_it_writes(self):
        self.lives.opened("m", 1, {"m.1": 1})
        self.lives.acknowledged("m", 1, "m.1:2")
        self.expect([], self.lives, {"m.1": 2, "n.1": 3})
        self.lives.opened("m", 2, {"m.1": 2})
        self.lives.acknowledged("m", 2, "m.1:3")
        self.expect(["reused"] * 2, self.lives, {"m.1": 3, "n.1": 3})

    def test_others_know_more_of_a_life_than_its_disk(self):
        self.lives.opened("n", 2, {"n.1": 3})
        self.expect(["reused"], self.lives, {"n.1": 4})
        self.lives.opened("n", 3, {"n.1": 5})
        self.expect(["reused"] * 2, self.lives, {"n.1": 5})

    def test_a_dot_twice(self):
        self.lives.acknowledged("n", 1, "m.1:8,n.1:3")
        self.expect(["reused"], self.lives, {"n.1": 3})


if __name__ == "__main__":
    unittest.main()
