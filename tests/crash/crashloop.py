#!/usr/bin/env python3
"""Three nodes that write and gossip on the loopback are killed with SIGKILL in mid-write, one, two or all at once, again and again,
and come back from their directories. A ledger outside of them knows what was acknowledged: none of it is lost, nothing that was
removed is back, no transaction is half there, no dot is used twice, and all nodes end equal.

  tests/crash/crashloop.py --starling BUILD/cli/starling [--rounds N] [--seed X] [--keep] [--control]

One JSON line says what happened. With --control the nodes acknowledge what is not on the disk yet: what they lose must be noticed,
and all else must hold. Exit code 1: a check failed; the directories are kept then."""

import argparse
import json
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

from ledger import OK, UNKNOWN, check
from mesh import Mesh

ROUNDS = 200
CHECK_ROUNDS = 20       # how often writers rest and the ledger is compared
MESH_ROUNDS = 200       # then a new mesh begins: data and lives grow with every round, and starts take longer
WRITE_SECONDS_MAX = 0.5  # from one return to the next kill
AWAY_SECONDS_MAX = 0.4
STARTUP_SECONDS_MAX = 0.15  # a kill in the midst of the start comes no later than this
WRONG_MAX = 20          # lines of the report
INTERRUPTED_MIN = 0.25  # of the rounds: a run whose kills catch nobody writing proves nothing


class Loop:
    """Rounds on one mesh after another."""

    def __init__(self, options, home):
        self.options, self.home = options, home
        self.random = random.Random(options.seed)
        self.wrong, self.rounds, self.kills, self.stillborn, self.interrupted = [], 0, 0, 0, 0
        self.writes, self.acknowledged, self.unknown, self.lives = 0, 0, 0, 0
        self.start_seconds = []

    def run(self):
        while self.rounds < self.options.rounds and not self.wrong:
            mesh = Mesh(self.options.starling, self.home / f"mesh-{self.rounds}", f"{self.options.seed}-{self.rounds}",
                        durable=not self.options.control)
            try:
                mesh.start()
                self.play(mesh, min(MESH_ROUNDS, self.options.rounds - self.rounds))
            finally:
                mesh.close()
            self.add_up(mesh)
            print(f"{self.rounds} rounds, {self.acknowledged} writes acknowledged", file=sys.stderr, flush=True)
            if not self.wrong and not self.options.keep:
                shutil.rmtree(mesh.home)
        if self.interrupted < self.rounds * INTERRUPTED_MIN:
            self.wrong.append(f"vacuous: only {self.interrupted} times did a kill catch a writer who waited for an answer")

    def play(self, mesh, rounds):
        for number in range(1, rounds + 1):
            self.round(mesh)
            if (number % CHECK_ROUNDS == 0 or number == rounds) and not self.settle(mesh, last=number == rounds):
                return

    def round(self, mesh):
        self.rounds += 1
        victims = self.random.sample(mesh.nodes, self.random.choices((1, 2, 3), weights=(75, 15, 10))[0])
        time.sleep(self.random.uniform(0, WRITE_SECONDS_MAX))
        for victim in victims:
            victim.kill()
        self.kills += len(victims)
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(0, AWAY_SECONDS_MAX))
        for victim in victims:
            victim.spawn()
        if self.random.random() < 0.15:  # once more, while they read their disks
            time.sleep(self.random.uniform(0, STARTUP_SECONDS_MAX))
            for victim in victims:
                victim.kill()
                victim.spawn()
            self.stillborn += len(victims)
        for victim in victims:
            victim.ready()

    def settle(self, mesh, last):
        """Compares with the ledger; at the end once more after everybody was killed, at rest, and came back."""
        equal = mesh.rest()
        if equal and last:
            for node in mesh.nodes:
                node.kill()
            self.kills += len(mesh.nodes)
            for node in mesh.nodes:
                node.spawn()
            for node in mesh.nodes:
                node.ready()
            equal = mesh.rest()
        finals = [mesh.final(node) for node in mesh.nodes]
        self.wrong += mesh.wrong + [writer.error for writer in mesh.writers if writer.error]
        self.wrong += check(mesh.ledger, finals) + mesh.lives.check(finals[0].version)
        if not equal:
            self.wrong.append("diverged: the nodes did not become equal in time")
        if not last:
            mesh.writing.set()
        return not self.wrong

    def add_up(self, mesh):
        self.writes += len(mesh.ledger.writes)
        self.acknowledged += mesh.ledger.count(OK)
        self.unknown += mesh.ledger.count(UNKNOWN)
        self.interrupted += sum(writer.interrupted for writer in mesh.writers)
        self.lives += len(mesh.lives.told)
        for node in mesh.nodes:
            self.start_seconds += node.start_seconds

    def passed(self):
        """The control must lose what was acknowledged, removals among it, and break nothing else."""
        kinds = self.kinds()
        return "lost" in kinds and {*kinds} <= {"lost", "resurrected"} if self.options.control else not kinds

    def kinds(self):
        return [line.split(":")[0] for line in self.wrong]

    def report(self, seconds, passed):
        kinds = self.kinds()
        starts = sorted(self.start_seconds) or [0]
        return {"seed": self.options.seed, "rounds": self.rounds, "seconds": round(seconds, 1), "passed": passed,
                "kills": self.kills, "killed_while_starting": self.stillborn, "interrupted": self.interrupted,
                "writes": self.writes, "acknowledged": self.acknowledged, "unknown": self.unknown, "lives": self.lives,
                "start_p50_ms": round(1000 * starts[len(starts) // 2]), "start_max_ms": round(1000 * starts[-1]),
                **{kind: kinds.count(kind) for kind in ("lost", "resurrected", "half", "hole", "reused", "diverged")},
                "wrong": self.wrong[:WRONG_MAX]}


def options_of():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starling", required=True)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="leave the nodes' directories, with their logs")
    parser.add_argument("--control", action="store_true", help="acknowledge what is not durable: the ledger must see it")
    return parser.parse_args()


def main():
    options = options_of()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # and its nodes with it
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    home = pathlib.Path(tempfile.mkdtemp(prefix="starling-crash-"))
    loop, passed, began = Loop(options, home), False, time.monotonic()
    try:
        loop.run()
        passed = loop.passed()
    except BaseException as error:
        loop.wrong.append(f"ended: in round {loop.rounds} by {error!r}")
        raise
    finally:
        print(json.dumps(loop.report(time.monotonic() - began, passed)), flush=True)
        if options.keep or not passed:
            print(f"the nodes' directories are in {home}", file=sys.stderr)
        else:
            shutil.rmtree(home, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
