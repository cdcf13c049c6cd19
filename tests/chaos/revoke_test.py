#!/usr/bin/env python3
"""A node is revoked and the mesh gets a new secret while a part of it is cut off: on a virtual LAN. Where no namespaces can
be made, the test is skipped and says why."""

import json

from hosts import Hosts, run_tests, until

ADMIN, NEAR, OUT, FAR = range(4)


class Revocation(Hosts):
    count = 4

    def asked(self, host, verb):
        ran = self.run_on(host, verb, "--json")
        self.assertEqual(0, ran.returncode, ran.stderr)
        return json.loads(ran.stdout)

    def linked(self, host):
        return {peer["id"] for peer in self.asked(host, "peers")["peers"]}

    def cut(self, *halves):
        """Hosts of different halves do not hear each other."""
        for half in halves:
            for host in half:
                self.lan.rules(host, {other for others in halves if others is not half for other in others}, 0)

    def test_under_partition_and_after_the_heal(self):
        self.assertEqual(0, self.run_on(ADMIN, "init").returncode)
        ends = {ADMIN: self.up(ADMIN)}
        for host in (NEAR, OUT, FAR):
            self.invited(ADMIN, host, "--role", "writer")
            ends[host] = self.up(host)
        ids = {host: self.asked(host, "status")["node"] for host in ends}
        others = lambda host, *among: {ids[other] for other in among if other != host}
        stay = (ADMIN, NEAR, FAR)
        self.assertTrue(until(lambda: all(self.linked(host) == others(host, *ends) for host in ends)))
        self.assertTrue(until(lambda: all(len(self.asked(host, "members")["members"]) == 4 for host in ends)))
        self.assertEqual(0, self.run_on(OUT, "incr", "x", "1").returncode)

        self.cut({ADMIN, NEAR}, {OUT, FAR})
        self.assertTrue(until(lambda: self.linked(ADMIN) == {ids[NEAR]} and self.linked(FAR) == {ids[OUT]}))
        self.assertEqual(0, self.run_on(ADMIN, "revoke", ids[OUT][:12]).returncode)
        self.assertEqual(0, self.run_on(ADMIN, "rotate").returncode)
        self.assertTrue(until(lambda: self.asked(NEAR, "status")["secret_epoch"] == 1))
        self.assertEqual(0, self.run_on(OUT, "incr", "x", "10").returncode)  # to who does not know
        self.assertTrue(until(lambda: self.run_on(FAR, "count", "x").stdout == "11\n"))
        self.assertEqual({ids[OUT]}, self.linked(FAR))

        self.cut({ADMIN, NEAR, OUT, FAR})
        self.assertTrue(until(lambda: all(self.linked(host) == others(host, *stay) for host in stay)))
        self.assertTrue(until(lambda: self.linked(OUT) == set()))
        self.assertTrue(until(lambda: self.asked(FAR, "status")["secret_epoch"] == 1))
        self.assertEqual(0, self.run_on(OUT, "incr", "x", "100").returncode)
        same = lambda: {(self.asked(host, "status")["version"], self.asked(host, "status")["fingerprint"]) for host in stay}
        self.assertTrue(until(lambda: len(same()) == 1))
        # What it wrote before its peer knew has stayed, everywhere; nothing since.
        self.assertEqual({"11\n"}, {self.run_on(host, "count", "x").stdout for host in stay})

        for host in (OUT, FAR, NEAR):
            ends[host]()
            self.up(host)
        self.assertTrue(until(lambda: all(self.linked(host) == others(host, *stay) for host in stay)))
        self.assertFalse(until(lambda: self.linked(OUT), 3))
        self.assertEqual(0, self.asked(OUT, "status")["secret_epoch"])
        self.assertEqual({"11\n"}, {self.run_on(host, "count", "x").stdout for host in stay})


if __name__ == "__main__":
    run_tests()
