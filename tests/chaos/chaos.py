#!/usr/bin/env python3
"""Real nodes on a virtual LAN, clients that write on each, and faults drawn from a seed; when all is over, nothing that was
acknowledged is lost, nothing that was removed is back, and all nodes hold the same.

  tests/chaos/chaos.py --starling BUILD/cli/starling [--nodes N] [--seconds S] [--seed X] [--keep]

One JSON line says what happened. Exit code 1: a check failed; 77: this machine cannot make network namespaces."""

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from control import NoAnswer
from history import OK, REFUSED, History, check
from lan import Lan, Unavailable
from nodes import Node

SKIPPED = 77
READY_SECONDS_MAX = 60
CONVERGE_SECONDS_MAX = 120
FAULT_SECONDS = (1, 4)      # how long a fault lasts
BETWEEN_SECONDS = (0.2, 1)  # and until the next begins
CLIENT_PAUSE_SECONDS = 0.02
COUNTER, SET = "chaos/count", "chaos/set"


class Client(threading.Thread):
    """Writes on one node, one operation after the other, and notes what it is told."""

    def __init__(self, mesh, node, seed):
        super().__init__(daemon=True)
        self.mesh, self.node, self.random = mesh, node, random.Random(seed)
        self.next = node.host  # elements of its own: host, host + nodes, …
        self.control = None
        self.error = None

    def run(self):
        try:
            while not self.mesh.over.is_set():
                time.sleep(CLIENT_PAUSE_SECONDS)
                if self.node.answers:
                    self.try_turn()
        except Exception as error:  # the run fails with it
            self.error = f"the client of node {self.node.host}: {error!r}"
        self.hang_up()

    def try_turn(self):
        try:
            self.turn(self.node.life)
        except NoAnswer:
            self.hang_up()

    def hang_up(self):
        if self.control is not None:
            self.control.close()
            self.control = None

    def turn(self, life):
        if self.control is None:
            self.control = self.node.control()
        chance = self.random.random()
        if chance < 0.4:
            self.write(life, "add", self.next, "add", set=SET, element=self.next)
            self.next += len(self.mesh.nodes)
        elif chance < 0.55:
            members = self.control.ask("members", set=SET).get("members", [])
            if members:
                element = self.random.choice(members)
                self.write(life, "rm", element, "rm", set=SET, element=element)
        elif chance < 0.9:
            amount = self.random.randint(1, 5)
            self.write(life, "incr", amount, "incr", counter=COUNTER, amount=amount)
        else:
            answer = self.control.ask("count", counter=COUNTER)
            if answer["ok"]:
                self.mesh.history.read(self.node.host, life, answer["value"])

    def write(self, life, kind, value, op, **arguments):
        operation = self.mesh.history.begin(self.node.host, life, kind, value)
        answer = self.control.ask(op, **arguments)
        if not answer["ok"]:
            if answer["error"]["code"] == "absent":
                operation.outcome = REFUSED
        elif answer.get("wrote", True):
            operation.outcome = OK


class Mesh:
    def __init__(self, starling, lan, directory, count):
        self.lan, self.history, self.over = lan, History(), threading.Event()
        self.nodes = [Node(starling, lan, host, directory) for host in range(count)]
        self.deaf = {host: set() for host in range(count)}  # host → whom it does not hear
        self.loss_permille = 0
        code = self.verb(self.nodes[0], "init")
        for node in self.nodes[1:]:
            self.verb(node, "join", code)
        for node in self.nodes:
            node.start()

    @staticmethod
    def verb(node, *arguments):
        node.dir.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([node.starling, *arguments, "--dir", str(node.dir)], capture_output=True, text=True,
                              timeout=20, check=True)
        return done.stdout.split()[-1] if done.stdout.split() else ""

    def apply_rules(self):
        for node in self.nodes:
            self.lan.rules(node.host, self.deaf[node.host], self.loss_permille)

    def split(self, sides, one_way):
        for a in sides[0]:
            for b in sides[1]:
                self.deaf[a].add(b)
                if not one_way:
                    self.deaf[b].add(a)
        self.apply_rules()

    def heal(self):
        self.deaf = {host: set() for host in self.deaf}
        self.loss_permille = 0
        self.apply_rules()

    def final(self, node):
        status = node.ask("status")
        members = node.ask("members", set=SET).get("members", [])
        count = node.ask("count", counter=COUNTER)
        return {"version": status["version"], "fingerprint": status["fingerprint"], "members": set(members),
                "count": count.get("value", 0), "faults": status["faults"]}

    def converged(self):
        try:
            states = {(s["version"], s["fingerprint"]) for s in (node.ask("status") for node in self.nodes)}
            return len(states) == 1
        except NoAnswer:
            return False

    def wait(self, holds, seconds):
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def close(self):
        self.over.set()
        for node in self.nodes:
            if node.running:
                node.kill()


class Faults:
    """One after another, each over before the next begins. A node that is killed comes back from its directory."""

    def __init__(self, mesh, seed):
        self.mesh, self.random, self.fired = mesh, random.Random(seed), {}
        self.addresses = len(mesh.nodes) + 1

    def kinds(self):
        return [self.partition, self.one_way, self.loss, self.pause, self.kill, self.kill_in_partition, self.blackout,
                self.flap, self.move]

    def one(self):
        fault = self.random.choice(self.kinds())
        name = fault.__name__
        self.fired[name] = self.fired.get(name, 0) + 1
        fault(self.random.choice(self.mesh.nodes))
        time.sleep(self.random.uniform(*BETWEEN_SECONDS))

    def last(self):
        time.sleep(self.random.uniform(*FAULT_SECONDS))

    def sides(self):
        hosts = list(range(len(self.mesh.nodes)))
        self.random.shuffle(hosts)
        cut = self.random.randint(1, len(hosts) - 1)
        return hosts[:cut], hosts[cut:]

    def partition(self, _):
        self.mesh.split(self.sides(), one_way=False)
        self.last()
        self.mesh.heal()

    def one_way(self, _):
        self.mesh.split(self.sides(), one_way=True)
        self.last()
        self.mesh.heal()

    def loss(self, _):
        self.mesh.loss_permille = self.random.randint(20, 200)
        self.mesh.apply_rules()
        self.last()
        self.mesh.heal()

    def pause(self, node):
        node.stop()
        self.last()
        node.go_on()

    def kill(self, node):
        node.kill()
        self.last()
        node.start()

    def kill_in_partition(self, node):
        self.mesh.split(self.sides(), one_way=False)
        self.last()
        node.kill()
        self.mesh.heal()
        self.last()
        node.start()

    def blackout(self, _):
        """Everybody is killed, so that nobody can give back what a disk does not have."""
        for node in self.mesh.nodes:
            node.kill()
        for node in self.mesh.nodes:
            node.start()
        self.last()

    def flap(self, node):
        for _ in range(self.random.randint(1, 3)):
            self.mesh.lan.set_link(node.host, False)
            time.sleep(self.random.uniform(0.1, 2))
            self.mesh.lan.set_link(node.host, True)
            time.sleep(self.random.uniform(0.1, 0.5))

    def move(self, node):
        self.addresses = self.addresses % 250 + 1
        while self.addresses in self.mesh.lan.address.values():
            self.addresses = self.addresses % 250 + 1
        self.mesh.lan.move(node.host, self.addresses)
        self.last()


def run(options, lan, directory):
    mesh = Mesh(options.starling, lan, directory, options.nodes)
    try:
        everyone = options.nodes - 1
        ready = mesh.wait(lambda: all(len(node.ask("peers")["peers"]) >= min(everyone, 6) for node in mesh.nodes),
                          READY_SECONDS_MAX)
        clients = [Client(mesh, node, f"{options.seed}-{node.host}") for node in mesh.nodes]
        for client in clients:
            client.start()
        faults = Faults(mesh, options.seed)
        end = time.monotonic() + options.seconds
        while ready and time.monotonic() < end:
            faults.one()
        mesh.over.set()
        for client in clients:
            client.join()
        began = time.monotonic()
        converged = mesh.wait(mesh.converged, CONVERGE_SECONDS_MAX)
        took = time.monotonic() - began
        finals = [mesh.final(node) for node in mesh.nodes]
    finally:
        mesh.close()
    wrong = [] if ready else ["the nodes did not find each other"]
    wrong += [client.error for client in clients if client.error] + check(mesh.history, finals)
    wrong += [f"fault at node {i}: {fault}" for i, final in enumerate(finals) for fault in final["faults"]]
    operations = mesh.history.operations
    report = {"seed": options.seed, "nodes": options.nodes, "seconds": options.seconds, "passed": not wrong,
              "converged": converged, "converge_s": round(took, 1), "operations": len(operations),
              "acknowledged": sum(op.outcome == OK for op in operations),
              "reads": len(mesh.history.reads), "members": len(finals[0]["members"]), "count": finals[0]["count"],
              "faults": dict(sorted(faults.fired.items())), "wrong": wrong[:20]}
    print(json.dumps(report), flush=True)
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starling", required=True)
    parser.add_argument("--nodes", type=int, default=8, choices=range(2, 65), metavar="2…64")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="leave the nodes' directories, with their logs")
    options = parser.parse_args()
    try:
        lan = Lan(options.nodes)
    except Unavailable as reason:
        print(f"SKIPPED: {reason}", flush=True)
        return SKIPPED
    directory = tempfile.mkdtemp(prefix="starling-chaos-")
    try:
        passed = run(options, lan, directory)
    finally:
        lan.remove()
        if options.keep:
            print(f"the nodes' directories are in {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
