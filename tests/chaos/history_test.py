#!/usr/bin/env python3
"""The checkers find what they are there to find, in histories made up for it."""

import unittest

from history import OK, REFUSED, UNKNOWN, History, check


def history(*operations):
    made = History()
    for kind, value, outcome in operations:
        made.begin(0, 1, kind, value).outcome = outcome
    return made


def final(members=(), count=0, version="v", fingerprint="f"):
    return {"version": version, "fingerprint": fingerprint, "members": set(members), "count": count}


class Checks(unittest.TestCase):
    def wrong(self, made, *finals):
        return [line.split(":")[0] for line in check(made, finals)]

    def test_what_is_right_passes(self):
        made = history(("add", 1, OK), ("add", 2, UNKNOWN), ("add", 3, OK), ("rm", 3, OK), ("incr", 4, OK),
                       ("incr", 2, UNKNOWN), ("add", 5, REFUSED), ("rm", 1, REFUSED))
        for members in ({1}, {1, 2}):
            for count in (4, 6):
                self.assertEqual([], self.wrong(made, final(members, count), final(members, count)))

    def test_an_acknowledged_element_is_missing(self):
        self.assertEqual(["lost"], self.wrong(history(("add", 1, OK)), final()))

    def test_a_removed_element_is_back(self):
        self.assertEqual(["resurrected"], self.wrong(history(("add", 1, OK), ("rm", 1, OK)), final({1})))
        self.assertEqual([], self.wrong(history(("add", 1, OK), ("rm", 1, UNKNOWN)), final({1})))

    def test_an_element_out_of_nowhere(self):
        self.assertEqual(["unexpected"], self.wrong(history(), final({7})))
        self.assertEqual(["unexpected"], self.wrong(history(("add", 7, REFUSED)), final({7})))

    def test_a_counter_out_of_bounds(self):
        made = history(("incr", 4, OK), ("incr", 2, UNKNOWN))
        self.assertEqual(["counter"], self.wrong(made, final(count=3)))
        self.assertEqual(["counter"], self.wrong(made, final(count=7)))

    def test_a_counter_that_goes_back(self):
        made = history(("incr", 4, OK))
        for value in (4, 0):
            made.read(0, 1, value)
        made.read(0, 2, 0)  # another process
        self.assertEqual(["counter"], self.wrong(made, final(count=4)))

    def test_nodes_that_differ(self):
        self.assertEqual(["diverged"], self.wrong(history(), final(), final(fingerprint="g")))


if __name__ == "__main__":
    unittest.main()
