#!/usr/bin/env python3
"""Strangers on a virtual LAN try a node with all that they can send without a key. Meanwhile two members go on writing and
converging, and another one joins; no more is in the data than the members wrote, and the node's memory stays what it was.
STARLING_BOGUS_BEACONS=N sends so many. Where no namespaces can be made, the tests are skipped and say why."""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from hosts import Hosts, run_tests, until
from lan import SUBNET

HOST, GUEST, LATE, STRANGER = range(4)
DESCRIPTORS_MAX = 256  # of the node that is tried
CONNECTIONS_MIN = 10 * DESCRIPTORS_MAX
BEACONS = int(os.environ.get("STARLING_BOGUS_BEACONS", "100000"))
REPLAYS = 1000
RESIDENT_SLACK = 32 << 20  # bytes that a small node may grow by, as any does
PROGRAM = pathlib.Path(__file__).with_name("stranger.py")
PATIENCE = 60  # seconds, for a stranger that was told to stop


class Strangers(Hosts):
    count = 4

    def setUp(self):
        super().setUp()
        self.written = 0
        self.assertEqual(0, self.run_on(HOST, "init").returncode)
        self.up(HOST, descriptors=DESCRIPTORS_MAX)
        self.invited(HOST, GUEST)

    def asked(self, host, verb):
        ran = self.run_on(host, verb, "--json")
        self.assertEqual(0, ran.returncode, ran.stderr)
        return json.loads(ran.stdout)

    def links(self, host):
        return {peer["id"] for peer in self.asked(host, "peers")["peers"]}

    def stranger(self, *arguments, host=STRANGER):
        process = subprocess.Popen(self.lan.within(host, sys.executable, str(PROGRAM), *map(str, arguments)),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def end():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                pipe.close()
        self.addCleanup(end)
        return process

    def told(self, process):
        """What it has done, as soon as it has."""
        line = process.stdout.readline()
        self.assertTrue(line, "the stranger ended without a word")
        return json.loads(line)

    def stop(self, process):
        process.stdin.close()
        process.wait(PATIENCE)

    def memory(self, figure):
        """Of the node that is tried, in bytes: VmRSS now, VmHWM at most."""
        status = pathlib.Path(f"/proc/{self.processes[HOST].pid}/status").read_text(encoding="utf-8")
        return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith(figure + ":")))

    def descriptors(self):
        """That the node which is tried has open, most of the time."""
        counts = []
        for _ in range(21):
            counts.append(len(os.listdir(f"/proc/{self.processes[HOST].pid}/fd")))
            time.sleep(0.05)
        return statistics.median(counts)

    @contextlib.contextmanager
    def bounded_memory(self):
        """What is done within may not double the memory of the node, not even for a moment; a small one may grow a little more."""
        before = self.memory("VmRSS")
        pathlib.Path(f"/proc/{self.processes[HOST].pid}/clear_refs").write_text("5", encoding="utf-8")
        yield
        most = self.memory("VmHWM")
        self.assertLess(most, max(2 * before, before + RESIDENT_SLACK), f"{before} bytes before")

    def converge(self, *others):
        """Each of these writes, and all the others and the node that is tried get it."""
        for host in (HOST, *others):
            self.assertEqual(0, self.run_on(host, "incr", "x", "1").returncode)
            self.written += 1
        for host in (HOST, *others):
            self.assertTrue(until(lambda: self.run_on(host, "count", "x").stdout == f"{self.written}\n"), host)

    def linked(self, *hosts):
        ids = {host: self.asked(host, "status")["node"] for host in hosts}
        return until(lambda: all(self.links(host) == {ids[other] for other in hosts if other != host} for host in hosts))

    def address(self):
        return f"{SUBNET}.{self.lan.address[HOST]}", self.asked(HOST, "status")["port"]

    def refusals(self):
        return sum(self.asked(HOST, "status")["refusals"].values())

    def test_a_flood_of_handshakes_cuts_no_link_and_keeps_no_member_out(self):
        self.up(GUEST)
        self.assertTrue(self.linked(HOST, GUEST))
        self.converge(GUEST)
        linked_at = time.monotonic()
        with self.bounded_memory():
            flood = self.stranger("flood", *self.address(), CONNECTIONS_MIN)
            self.assertTrue(until(self.refusals))
            self.converge(GUEST)
            self.assertLessEqual(CONNECTIONS_MIN, self.told(flood)["made"])
            self.assertLess(self.descriptors(), DESCRIPTORS_MAX * 3 / 4)  # the crowd leaves room for others
            self.assertLess(0, self.asked(HOST, "status")["refusals"]["too many"])
            self.converge(GUEST)
            self.invited(HOST, LATE)
            self.up(LATE)
            self.assertTrue(self.linked(HOST, GUEST, LATE))
            self.converge(GUEST, LATE)
            self.assertIsNone(flood.poll(), "the flood ended before the member was in")
            self.stop(flood)
        self.converge(GUEST, LATE)
        self.assertEqual(3, len(self.asked(HOST, "members")["members"]))
        passed_ms = 1000 * (time.monotonic() - linked_at)
        self.assertLess(passed_ms, max(peer["connected_ms"] for peer in self.asked(HOST, "peers")["peers"]))

    def test_frames_that_claim_200_mb_and_bogus_beacons_take_no_memory(self):
        self.up(GUEST)
        self.assertTrue(self.linked(HOST, GUEST))
        self.converge(GUEST)
        with self.bounded_memory():
            refused = self.refusals()
            claim = self.stranger("claim", *self.address(), DESCRIPTORS_MAX)
            self.assertLess(0, self.told(claim)["made"])
            self.assertTrue(until(lambda: self.refusals() > refused))
            self.converge(GUEST)
        with self.bounded_memory():
            beacons = self.stranger("beacons", *self.address(), BEACONS)
            self.converge(GUEST)
            self.assertEqual(BEACONS, self.told(beacons)["sent"])
            self.converge(GUEST)
        self.assertIn(f"came from {SUBNET}.{self.lan.address[STRANGER]}:", self.run_on(HOST, "doctor").stdout)

    def test_a_recording_that_is_sent_again_a_thousand_times_changes_nothing(self):
        tap = self.stranger("record", f"p{HOST}", self.home / "recording", host="switch")
        self.told(tap)
        self.up(GUEST)
        self.assertTrue(self.linked(HOST, GUEST))
        self.converge(GUEST)
        self.stop(tap)
        recorded = self.told(tap)
        self.assertLess(0, recorded["beacons"])
        self.assertLess(0, recorded["streams"])
        self.assertLess(500, recorded["bytes"])  # further than greeting, handshake and door
        before = {host: self.asked(host, "status") for host in (HOST, GUEST)}
        with self.bounded_memory():
            again = self.stranger("replay", self.home / "recording", REPLAYS)
            sent = self.told(again)
            self.assertEqual(REPLAYS, sent["rounds"])
            self.assertLess(REPLAYS / 2, sent["connections"])  # the node may be busy with some when others come
        for host in (HOST, GUEST):
            after = self.asked(host, "status")
            for figure in ("version", "fingerprint", "live_entries"):
                self.assertEqual(before[host][figure], after[figure])
            self.assertEqual(before[host]["counters"]["door_admitted"], after["counters"]["door_admitted"])
        self.assertTrue(self.linked(HOST, GUEST))
        self.converge(GUEST)


if __name__ == "__main__":
    run_tests()
