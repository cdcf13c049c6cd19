#!/usr/bin/env python3
"""Registers, locks and a fenced map on real nodes on a virtual LAN, of which the first three vote, under faults drawn from a seed:
the network is cut, holders of the lock are stopped past their time to live and go on, voters are killed and come back. What
clients were told is recorded; then the judge looks for an order of each register's calls, and tokens are looked through.

  tests/chaos/agreed.py --starling BUILD/cli/starling --judge BUILD/tests/chaos/agreed-judge [--seconds S] [--seed X] [--keep]

One JSON line says what happened. Exit code 1: a check failed, and the history is kept; 77: this machine cannot make network
namespaces."""

import argparse
import json
import pathlib
import random
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from agreed_history import OK, REFUSED, UNKNOWN, Call, History, Look, Turn, Write, check_locks, now
from chaos import BETWEEN_SECONDS, CONVERGE_SECONDS_MAX, READY_SECONDS_MAX, SKIPPED, Faults, Mesh
from control import Control, NoAnswer
from lan import Lan, Unavailable

NODES, VOTERS = 5, 3
LOCK, FENCED, FIELDS = "chaos/press", "chaos/jobs", 3
TTL_MS = 1_500
WITHIN_MS = 1_000
WAIT_MS = 6_000
ANSWER_SECONDS_MAX = 15        # a holder that is stopped answers when it goes on
REGISTER_CLIENTS, READERS = 6, 2
REGISTERS, REGISTER_SECONDS = 3, 10  # at a time, and until the next take over: a register's history stays small
CLIENT_PAUSE_SECONDS = 0.01
WRITE_PAUSE_SECONDS = 0.02
TURN_SECONDS = (0.1, 1)
HOLDER_SECONDS_MAX = 10        # until somebody has the lock, for a fault to meet
STOPPED_SECONDS = (2, 5)       # of a holder: more than the time to live
RETRIES_MAX = 3
LIVE_SECONDS_MAX = 60          # until all is decided again after the last fault
JUDGE_SECONDS_MAX = 120
ALL_FAULTS_SECONDS = 50        # of a run: about one of each kind, and hundreds of late writes


class Client(threading.Thread):
    """Has a connection to a node, and makes another where one is lost."""

    def __init__(self, mesh, seed):
        super().__init__(daemon=True)
        self.mesh, self.history, self.random = mesh, mesh.history, random.Random(seed)
        self.connections = {}  # host → (life, Control)
        self.error = None

    def run(self):
        try:
            while not self.mesh.over.is_set():
                time.sleep(CLIENT_PAUSE_SECONDS)
                try:
                    self.turn()
                except NoAnswer:
                    pass
        except Exception as error:  # the run fails with it
            self.error = f"{type(self).__name__}: {error!r}"
        for host in list(self.connections):
            self.hang_up(host)

    def to(self, node):
        life, control = self.connections.get(node.host, (None, None))
        if life != node.life:
            self.hang_up(node.host)
            control = Control(node.dir / "control.sock", ANSWER_SECONDS_MAX)
            self.connections[node.host] = node.life, control
        return control

    def hang_up(self, host):
        connection = self.connections.pop(host, None)
        if connection:
            connection[1].close()

    def ask(self, node, op, follows=False, **arguments):
        """The answer, or what follows it."""
        try:
            control = self.to(node)
            answer = control.ask(op, **arguments)
            return control.receive() if answer["ok"] and follows else answer
        except NoAnswer:
            self.hang_up(node.host)
            raise

    def somewhere(self):
        answering = [node for node in self.mesh.nodes if node.answers]
        return self.random.choice(answering) if answering else None


def refusal(answer):
    return None if answer["ok"] else answer["error"]["code"]


class RegisterClient(Client):
    """One call after the other, of registers that others change too."""

    def __init__(self, mesh, seed):
        super().__init__(mesh, seed)
        self.seen = {}  # register → what it held when last told

    def turn(self):
        node = self.somewhere()
        if node is None:
            return
        period = int(self.mesh.age() / REGISTER_SECONDS)
        register = f"chaos/{period}/{self.random.randrange(REGISTERS)}"
        kind = self.random.choices(["read", "append", "swap", "put"], [35, 30, 25, 10])[0]
        call = Call(register, kind, now())
        arguments = {}
        if kind != "read":
            call.number = self.history.number()
            arguments["value"] = call.number if kind == "append" else [call.number]
        if kind == "swap":
            call.expected = self.seen.get(register, [])
            arguments |= {"expected": call.expected} if call.expected else {}
        self.history.add(call)
        op = {"read": "agreed_get", "append": "agreed_append", "swap": "agreed_cas", "put": "agreed_set"}[kind]
        change = self.note(call, self.ask(node, op, follows=True, register=register, within_ms=WITHIN_MS, **arguments))
        for _ in range(RETRIES_MAX):
            other = self.somewhere()
            if change is None or other is None:
                break
            self.mesh.count("asked_again")
            answer = self.ask(other, op, follows=True, register=register, within_ms=WITHIN_MS, change=change, **arguments)
            change = self.note(call, answer, change)

    def note(self, call, answer, change=None):
        """What was told. The name to ask again by, where that is nothing yet: `change`, where this was asked again."""
        code = refusal(answer)
        self.mesh.count(code or "decided")
        if code == "outcome_unknown":
            return change or answer["error"].get("change")
        if code == "no_majority":
            if change is None:
                call.outcome = REFUSED
            return change  # it says nothing of the attempt before
        if code is not None:
            if code != "unavailable":
                raise RuntimeError(answer)
            return None
        told = answer["decided"]
        call.end, call.outcome, call.changed = now(), OK, told.get("met")
        if not told["earlier"]:  # else the value is that of now, not what the call made
            call.after = told["value"] if told["there"] else []
            self.seen[call.register] = call.after
        return None


class LockClient(Client):
    """Waits for the lock on its node, and writes under the token for a while; now and then goes on when it is over."""

    def __init__(self, mesh, node, seed):
        super().__init__(mesh, seed)
        self.node = node

    def turn(self):
        if not self.node.answers:
            return
        asked = now()
        wish = Control(self.node.dir / "control.sock", ANSWER_SECONDS_MAX)
        try:
            answer = wish.ask("lock", lock=LOCK, ttl_ms=TTL_MS, wait_ms=WAIT_MS)
            answer = wish.receive() if answer["ok"] else answer
            if "locked" in answer:
                token = answer["locked"]["token"]
                self.history.add(Turn(self.node.host, asked, now(), token))
                self.mesh.holder = self.node
                self.hold(wish, token)
            elif refusal(answer) not in ("absent", "no_majority", "outcome_unknown", "unavailable", None):
                raise RuntimeError(answer)
        finally:
            wish.close()  # and so the lock is given up
            if self.mesh.holder is self.node:
                self.mesh.holder = None
        if self.random.random() < 0.3:
            self.write(token_of_last(self.history, self.node.host))

    def hold(self, wish, token):
        """Short turns that end when they are lost; who is in trouble goes on, as one that does not know of it."""
        end = time.monotonic() + self.random.uniform(*TURN_SECONDS)
        while time.monotonic() < end or self.mesh.in_trouble is self.node:
            self.write(token)
            lost = select.select([wish.socket], [], [], WRITE_PAUSE_SECONDS)[0]
            if self.mesh.over.is_set() or lost and self.mesh.in_trouble is not self.node:
                break
            time.sleep(WRITE_PAUSE_SECONDS if lost else 0)

    def write(self, token):
        if not token or not self.node.answers:
            return
        write = self.history.add(Write(self.node.host, self.node.life, self.random.randrange(FIELDS), token,
                                       self.history.number(), now()))
        answer = self.ask(self.node, "fenced_put", map=FENCED, field=write.field, value=write.number, token=token)
        code = refusal(answer)
        if code in (None, "refused") and self.node.life == write.life:  # else it is not known which process said so
            write.end, write.outcome = now(), OK if code is None else REFUSED
        elif code not in (None, "refused", "unavailable"):
            raise RuntimeError(answer)


class Reader(Client):
    """Looks at the fenced map, anywhere: what a lower token won for a moment is overwritten later."""

    def turn(self):
        node = self.somewhere()
        if node is None:
            return
        begin, life, field = now(), node.life, self.random.randrange(FIELDS)
        answer = self.ask(node, "fenced_get", map=FENCED, field=field)
        if answer["ok"] and node.life == life:
            self.history.add(Look(node.host, life, field, begin, now(), answer["token"], answer.get("value")))


def token_of_last(history, host):
    """Of a turn that is over: what a late writer has."""
    return max((turn.token for turn in history.turns if turn.node == host), default=0)


class AgreedMesh(Mesh):
    def __init__(self, starling, lan, directory):
        super().__init__(starling, lan, directory, NODES)
        self.history = History()
        self.began = time.monotonic()
        self.holder = None      # the node that has the lock, as far as its client knows
        self.in_trouble = None  # the holder that a fault meets
        self.counts, self.counts_lock = {}, threading.Lock()

    def age(self):
        return time.monotonic() - self.began

    def count(self, what):
        with self.counts_lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def linked(self):
        return all(len(node.ask("peers")["peers"]) == NODES - 1 for node in self.nodes)

    def vote(self):
        """The first three vote; all know it."""
        voters = [node.ask("status")["node"] for node in self.nodes[:VOTERS]]
        control = Control(self.nodes[0].dir / "control.sock", READY_SECONDS_MAX)
        answers = [control.ask("set_voters", voters=voters), control.receive()]
        control.close()
        known = lambda: all(len(node.ask("voters")["voters"]) == VOTERS for node in self.nodes)
        return all(answer["ok"] for answer in answers) and self.wait(known, READY_SECONDS_MAX)

    def decides(self):
        """Each node has a change decided, and its turn."""
        def change(node):
            control = node.control()
            try:
                answer = control.ask("agreed_append", register="chaos/live", value=node.host)
                return answer["ok"] and control.receive()["ok"]
            finally:
                control.close()

        def hold(node):
            control = Control(node.dir / "control.sock", LIVE_SECONDS_MAX)
            try:
                answer = control.ask("lock", lock=LOCK, ttl_ms=TTL_MS, wait_ms=LIVE_SECONDS_MAX * 1_000)
                return answer["ok"] and "locked" in control.receive()
            finally:
                control.close()

        def all_of(does):
            try:
                return all(does(node) for node in self.nodes)
            except NoAnswer:
                return False
        return self.wait(lambda: all_of(change), LIVE_SECONDS_MAX) and self.wait(lambda: all_of(hold), LIVE_SECONDS_MAX)

    def fenced(self, node):
        answers = [node.ask("fenced_get", map=FENCED, field=field) for field in range(FIELDS)]
        return {field: (answer["token"], answer.get("value")) for field, answer in enumerate(answers)}


class AgreedFaults(Faults):
    """Each kind once, in some order, before any comes again."""

    deck = ()

    def kinds(self):
        if not self.deck:
            self.deck = [self.partition, self.one_way, self.loss, self.stop_the_holder, self.stop_the_holder,
                         self.cut_off_the_holder, self.cut_off_the_holder, self.kill_the_holder, self.kill_a_voter,
                         self.kill_a_voter, self.kill_a_majority, self.blackout]
            self.random.shuffle(self.deck)
        return [self.deck.pop()]

    def holder(self, otherwise):
        """Whoever has the lock now, or soon; its client stays at it."""
        self.mesh.wait(lambda: self.mesh.holder is not None, HOLDER_SECONDS_MAX)
        self.mesh.in_trouble = self.mesh.holder or otherwise
        return self.mesh.in_trouble

    def is_over(self):
        """The holder writes a little longer."""
        time.sleep(self.random.uniform(*BETWEEN_SECONDS))
        self.mesh.in_trouble = None

    def stop_the_holder(self, node):
        node = self.holder(node)
        node.stop()
        time.sleep(self.random.uniform(*STOPPED_SECONDS))
        node.go_on()
        self.is_over()

    def cut_off_the_holder(self, node):
        """It cannot renew; what it writes stays with it until the cut heals."""
        node = self.holder(node)
        self.mesh.split(([node.host], [other.host for other in self.mesh.nodes if other is not node]), one_way=False)
        time.sleep(self.random.uniform(*STOPPED_SECONDS))
        self.mesh.heal()
        self.is_over()

    def kill_the_holder(self, node):
        self.kill(self.holder(node))
        self.is_over()

    def kill_a_voter(self, _):
        self.kill(self.random.choice(self.mesh.nodes[:VOTERS]))

    def kill_a_majority(self, _):
        voters = self.random.sample(self.mesh.nodes[:VOTERS], VOTERS // 2 + 1)
        for voter in voters:
            voter.kill()
        self.last()
        for voter in voters:
            voter.start()


def judged(judge, history, directory, judge_seconds):
    """What the judge has to say, and whether it finds an order."""
    file = pathlib.Path(directory) / "history.jsonl"
    file.write_text("\n".join(history.lines()) + "\n", encoding="utf-8")
    ran = subprocess.run([judge, str(file)], capture_output=True, text=True, timeout=judge_seconds, check=False)
    return ran.returncode == 0, ran.stdout + ran.stderr


def play(options, mesh):
    """Faults, while clients ask; then none, until all is decided and converged. What is wrong."""
    ready = mesh.wait(mesh.linked, READY_SECONDS_MAX) and mesh.vote()
    if not ready:
        return ["the nodes did not find each other, or named no voters"], []
    clients = [RegisterClient(mesh, f"{options.seed}-register-{number}") for number in range(REGISTER_CLIENTS)]
    clients += [Reader(mesh, f"{options.seed}-reader-{number}") for number in range(READERS)]
    clients += [LockClient(mesh, node, f"{options.seed}-lock-{node.host}") for node in mesh.nodes]
    for client in clients:
        client.start()
    faults = AgreedFaults(mesh, options.seed)
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        faults.one()
    mesh.counts["faults"] = dict(sorted(faults.fired.items()))
    mesh.over.set()
    for client in clients:
        client.join()
    wrong = [client.error for client in clients if client.error]
    if not mesh.counts.get("decided") or not mesh.history.turns or not mesh.history.writes:
        wrong.append("there is nothing to look through")
    if options.seconds >= ALL_FAULTS_SECONDS and not (late(mesh.history) and mesh.history.looks):
        wrong.append("there is no late write, or no look, to look through")
    if not mesh.decides():
        wrong.append("not all nodes had a change and a turn after the last fault")
    if not mesh.wait(mesh.converged, CONVERGE_SECONDS_MAX):
        wrong.append("the nodes did not converge")
    return wrong, [mesh.fenced(node) for node in mesh.nodes]


def run(options, lan, directory):
    mesh = AgreedMesh(options.starling, lan, directory)
    try:
        wrong, finals = play(options, mesh)
    finally:
        mesh.close()
    history, words = mesh.history, "nothing to judge"
    if finals:
        try:
            good, words = judged(options.judge, history, directory, JUDGE_SECONDS_MAX + options.seconds)
        except subprocess.TimeoutExpired:
            good, words = False, "the judge did not come to an end"
        wrong += ([] if good else [words]) + check_locks(history, finals)
    writes = [write.outcome for write in history.writes]
    report = {"seed": options.seed, "seconds": options.seconds, "passed": not wrong, "judge": words.strip().split("\n")[-1],
              "calls": len(history.calls), "open": sum(call.end is None and call.outcome != REFUSED for call in history.calls),
              "turns": len(history.turns), "writes": {outcome: writes.count(outcome) for outcome in (OK, REFUSED, UNKNOWN)},
              "late": late(history), "looks": len(history.looks), **mesh.counts, "wrong": wrong[:20]}
    print(json.dumps(report), flush=True)
    return not wrong


def late(history):
    """Accepted writes under a token when a higher one had been told to somebody: those that must lose."""
    told = sorted((turn.end, turn.token) for turn in history.turns)
    return sum(any(end < write.begin and token > write.token for end, token in told)
               for write in history.writes if write.outcome == OK)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starling", required=True)
    parser.add_argument("--judge", required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="leave the nodes' directories, with their logs, and the history")
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    try:
        lan = Lan(NODES)
    except Unavailable as reason:
        print(f"SKIPPED: {reason}", flush=True)
        return SKIPPED
    directory = tempfile.mkdtemp(prefix="starling-agreed-")
    passed = False
    try:
        passed = run(options, lan, directory)
    finally:
        lan.remove()
        if passed and not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"the history and the nodes' directories are in {directory}", file=sys.stderr)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
