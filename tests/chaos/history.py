"""What clients did and what they were told, and whether that is consistent: set-full and counter checks, in the terms of
Jepsen. An operation without an answer may have happened or not; one that was acknowledged is on its node's disk and counts, also
where that node is killed next."""

import dataclasses
import threading

OK, UNKNOWN, REFUSED = "ok", "unknown", "refused"


@dataclasses.dataclass
class Operation:
    node: int
    life: int
    kind: str  # add, rm, incr
    value: int
    outcome: str = UNKNOWN


class History:
    """Thread rule: any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.operations = []
        self.reads = []  # (node, life, counter value), in order for each node

    def begin(self, node, life, kind, value):
        operation = Operation(node, life, kind, value)
        with self.lock:
            self.operations.append(operation)
        return operation

    def read(self, node, life, value):
        with self.lock:
            self.reads.append((node, life, value))


def check(history, finals):
    """What is wrong, in words. `finals`: for each node its version, fingerprint, members and counter at the end."""
    wrong = []
    first = finals[0]
    for number, final in enumerate(finals):
        for part in ("version", "fingerprint", "members", "count"):
            if final[part] != first[part]:
                wrong.append(f"diverged: node {number} has another {part} than node 0")
    wrong += check_set(history, first["members"]) + check_counter(history, first["count"])
    return wrong


def check_set(history, members):
    """Each element is added once, under a name of its own, and removed only by who saw it."""
    wrong = []
    adds = {op.value: op for op in history.operations if op.kind == "add"}
    removals = {}
    for op in history.operations:
        if op.kind == "rm" and op.outcome != REFUSED:
            removals.setdefault(op.value, []).append(op)
    for element, add in adds.items():
        removed = removals.get(element, [])
        if add.outcome == OK and not removed and element not in members:
            wrong.append(f"lost: {element} was added at node {add.node} and is not there")
        if element in members and any(op.outcome == OK for op in removed):
            wrong.append(f"resurrected: {element} was removed and is there")
        if element in members and add.outcome == REFUSED:
            wrong.append(f"unexpected: {element} was refused and is there")
    wrong += [f"unexpected: {element} was never added" for element in members - adds.keys()]
    return wrong


def check_counter(history, count):
    wrong = []
    adds = [op for op in history.operations if op.kind == "incr" and op.outcome != REFUSED]
    least = sum(op.value for op in adds if op.outcome == OK)
    most = sum(op.value for op in adds)
    if not least <= count <= most:
        wrong.append(f"counter: {count} is not within {least} and {most}")
    last = {}
    for node, life, value in history.reads:
        if value < last.get((node, life), 0):
            wrong.append(f"counter: node {node} read {value} after {last[node, life]}")
        if value > most:
            wrong.append(f"counter: node {node} read {value}, more than all that was added")
        last[node, life] = value
    return wrong
