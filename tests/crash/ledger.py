"""What writers sent and what they were told, kept outside of the nodes, and whether what the nodes hold agrees with it. A write
that was acknowledged is on a disk and counts for ever; one without an answer happened whole or not at all.

What is written, and by whom, is chosen so that few ways to read it are right:

  once       a set: each element is added once, and may be removed by any writer that heard of it
  toggled    a set: each element belongs to one writer, who adds and removes it again and again
  count      a counter
  journal    each entry [writer, number, kind]; a writer's numbers rise
  transfer   one transaction of four writes: two fields of the map `pairs` get the same number, the counter `transfers` is one
             more, and the journal names it"""

import dataclasses
import pathlib
import sys
import threading

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))  # one client of the control socket for both
from control import parse_version

OK, UNKNOWN, REFUSED = "ok", "unknown", "refused"
ONCE, TOGGLED, COUNT, PAIRS, TRANSFERS, JOURNAL = (
    f"crash/{name}" for name in ("once", "toggled", "count", "pairs", "transfers", "journal"))


@dataclasses.dataclass
class Write:
    writer: int
    process: int   # which process of the writer's node it was sent to, counted from 1
    kind: str      # once.add, once.rm, toggled.add, toggled.rm, count, append, transfer
    subject: object  # element, amount, or the number in the journal
    slot: str = ""   # of a transfer: beginning of its two fields
    outcome: str = UNKNOWN


@dataclasses.dataclass
class Final:
    """What one node holds."""
    version: dict  # replica → seq
    fingerprint: str
    once: set
    toggled: set
    count: int
    pairs: dict   # field → number
    transfers: int
    journal: list  # (dot, [writer, number, kind]), in order
    faults: list


class Ledger:
    """Thread rule: begin() from any thread; outcomes are set by who began; the rest while nobody writes."""

    def __init__(self):
        self.lock = threading.Lock()
        self.writes = []

    def begin(self, *arguments, **more):
        write = Write(*arguments, **more)
        with self.lock:
            self.writes.append(write)
        return write

    def count(self, outcome):
        return sum(write.outcome == outcome for write in self.writes)

    def of(self, *kinds):
        """Those that may have happened, in the order of their beginnings, which is each writer's own order."""
        return [write for write in self.writes if write.kind in kinds and write.outcome != REFUSED]


class Lives:
    """The lives of the nodes' stores. A node's life is born with its first write after an open and ends with its process; a dot
    is (life, seq). A node that has not said yet that it is a member writes that when it is opened: such a life has one event
    before any writer comes. Thread rule: any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.young = set()  # lives that had one event when they were first seen: they may be running
        self.ended = {}   # replica → its last seq, as its own directory had it when it was opened again
        self.known = {}   # (node id, process) → replicas of it that its directory had when it was opened
        self.born = {}    # (node id, process) → replica that it writes under
        self.told = {}    # replica → seqs that were acknowledged
        self.wrong = []

    def opened(self, node, process, version):
        """The node is open again and no writer came yet: what its directory holds of its own earlier lives is all there will ever
        be."""
        with self.lock:
            own = {replica: seq for replica, seq in version.items() if replica.startswith(node + ".")}
            for replica, seqs in self.told.items():
                if replica.startswith(node + ".") and max(seqs) > own.get(replica, 0):
                    self.wrong.append(f"lost: {replica} wrote up to {max(seqs)}, its directory has {own.get(replica, 0)}")
            young = {replica for replica, seq in own.items() if seq == 1 and replica not in self.told and replica not in self.ended} - self.young
            self.young |= young
            for replica, seq in own.items():
                if replica in young:
                    continue
                if self.ended.setdefault(replica, seq) != seq:
                    self.wrong.append(f"reused: {replica} ended at {self.ended[replica]} and is now at {seq}")
            self.known[node, process] = set(own) - young

    def acknowledged(self, node, process, version_text):
        """A process acknowledged a write with this version, whose line of the process's life names the dot. It may be heard after
        that process has ended."""
        with self.lock:
            replica = self.born.get((node, process)) or self._born(node, process, version_text)
            at = version_text.find(replica + ":") if replica else -1
            if at < 0:
                return
            seq = int(version_text[at + len(replica) + 1:].split(",", 1)[0])
            seqs = self.told.setdefault(replica, set())
            if seq in seqs:
                self.wrong.append(f"reused: {replica}:{seq} was acknowledged twice")
            seqs.add(seq)

    def _born(self, node, process, version_text):
        new = [replica for replica in parse_version(version_text)
               if replica.startswith(node + ".") and replica not in self.known[node, process]]
        if len(new) != 1:
            self.wrong.append(f"reused: process {process} of node {node[:8]} writes under {len(new)} new lives: {new}")
            return None
        self.born[node, process] = new[0]
        return new[0]

    def check(self, version):
        """Against what all nodes hold in the end."""
        wrong = list(self.wrong)
        for replica, seqs in self.told.items():
            if max(seqs) > version.get(replica, 0):
                wrong.append(f"lost: {replica} wrote up to {max(seqs)}, all have {version.get(replica, 0)}")
        for replica, seq in self.ended.items():
            if version.get(replica, 0) != seq:
                wrong.append(f"reused: {replica} ended at {seq} and is now at {version.get(replica, 0)}")
        return wrong


def check(ledger, finals):
    """What is wrong, in words; each begins with its kind."""
    wrong = []
    for number, final in enumerate(finals):
        wrong += [f"fault: at node {number}: {fault}" for fault in final.faults]
        for field in dataclasses.fields(Final):
            if field.name != "faults" and getattr(final, field.name) != getattr(finals[0], field.name):
                wrong.append(f"diverged: node {number} has another {field.name} than node 0")
    final = finals[0]
    return (wrong + check_once(ledger, final.once) + check_toggled(ledger, final.toggled) + check_count(ledger, final.count) +
            check_journal(ledger, final.journal) + check_transfers(ledger, final))


def check_once(ledger, members):
    wrong, added, removals = [], {}, {}
    for write in ledger.of("once.add"):
        added[write.subject] = write
    for write in ledger.of("once.rm"):
        removals.setdefault(write.subject, []).append(write.outcome)
    for element, add in added.items():
        removed = removals.get(element, [])
        if add.outcome == OK and not removed and element not in members:
            wrong.append(f"lost: {element} was added by writer {add.writer} and is not there")
        if OK in removed and element in members:
            wrong.append(f"resurrected: {element} was removed and is there")
    return wrong + [f"unexpected: {element} was never added" for element in members - added.keys()]


def check_toggled(ledger, members):
    """Each element has one writer, whose writes follow each other: what is there is what the last acknowledged one, or one
    without an answer after it, left."""
    may_be = {}
    for write in ledger.of("toggled.add", "toggled.rm"):
        there = write.kind == "toggled.add"
        before = may_be.get(write.subject, {False})
        may_be[write.subject] = {there} if write.outcome == OK else before | {there}
    wrong = [f"lost: {element} was added again and is not there" for element, states in may_be.items()
             if states == {True} and element not in members]
    wrong += [f"resurrected: {element} was removed and is there" for element, states in may_be.items()
              if states == {False} and element in members]
    return wrong + [f"unexpected: {element} was never added" for element in members - may_be.keys()]


def check_count(ledger, count):
    adds = ledger.of("count")
    least = sum(write.subject for write in adds if write.outcome == OK)
    most = sum(write.subject for write in adds)
    if count < least:
        return [f"lost: the counter is {count}, and {least} were acknowledged"]
    return [f"unexpected: the counter is {count}, and {most} were added"] if count > most else []


def check_journal(ledger, journal):
    """All that was acknowledged once each, in each writer's order; and what a process leaves behind of a writer has no hole: a
    write without an answer is only there where all before it are."""
    wrong, last, there = [], {}, set()
    if len({dot for dot, _ in journal}) != len(journal):
        wrong.append("reused: two entries of the journal have one dot")
    for _, (writer, number, kind) in journal:
        if (writer, number, kind) in there:
            wrong.append(f"unexpected: entry {number} of writer {writer} is there twice")
        elif number < last.get(writer, 0):
            wrong.append(f"order: entry {number} of writer {writer} comes after {last[writer]}")
        last[writer] = number
        there.add((writer, number, kind))
    missing = {}
    for write in ledger.of("append", "transfer"):
        entry, process = (write.writer, write.subject, write.kind), (write.writer, write.process)
        if entry not in there:
            missing.setdefault(process, write.subject)
            if write.outcome == OK:
                wrong.append(f"lost: entry {write.subject} of writer {write.writer}")
        elif process in missing:
            wrong.append(f"hole: writer {write.writer} left entry {write.subject}, not {missing[process]} before it")
        there.discard(entry)
    return wrong + [f"unexpected: entry {number} of writer {writer}" for writer, number, _ in there]


def check_transfers(ledger, final):
    """A transfer is in the journal, in the counter and in both fields, or nowhere."""
    happened = {(writer, number) for _, (writer, number, kind) in final.journal if kind == "transfer"}
    wrong = []
    if final.transfers != len(happened):
        wrong.append(f"half: {final.transfers} transfers are counted, {len(happened)} are in the journal")
    newest = {}
    for write in ledger.of("transfer"):
        if (write.writer, write.subject) in happened:
            newest[write.slot] = write.subject
    expected = {f"{slot}/{side}": number for slot, number in newest.items() for side in "ab"}
    for field in sorted(expected.keys() | final.pairs.keys()):
        if expected.get(field) != final.pairs.get(field):
            wrong.append(f"half: {field} is {final.pairs.get(field)}, and the journal says {expected.get(field)}")
    return wrong


def half_pairs(pairs):
    """What of the pairs a reader sees half, at any moment on any node."""
    return [f"half: {field} is {number}, its other side {pairs.get(field[:-1] + 'b')}" for field, number in pairs.items()
            if field.endswith("/a") and pairs.get(field[:-1] + "b") != number] + \
           [f"half: {field} stands alone" for field in pairs if field.endswith("/b") and field[:-1] + "a" not in pairs]
