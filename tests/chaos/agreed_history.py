"""What clients were told of registers and locks, and what is wrong with it.

Registers are for the judge (judge.cpp), which reads `History.lines`. A call without an answer may have taken effect at any time
since, or never: it stands in the history without an end. What was refused for want of a majority has changed nothing and will not:
it is left out, so that its number has no explanation, should anybody read it.

Locks are judged here. Tokens are unique, and grow: whoever asks after another was given a token gets a higher one. In the fenced
map no write wins against one under a higher token that was accepted. Whether two *believed* at once cannot be seen from outside,
since a holder may be stopped between being asked and acting: that is what tokens are for."""

import dataclasses
import json
import threading
import time

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"


def now():
    """One clock for all clients, in nanoseconds."""
    return time.monotonic_ns()


@dataclasses.dataclass
class Call:
    register: str
    kind: str  # read, append, swap, put
    begin: int
    number: int = 0
    expected: list = dataclasses.field(default_factory=list)
    end: int | None = None
    after: list | None = None
    changed: bool | None = None
    outcome: str = UNKNOWN

    def line(self):
        parts = {"register": self.register, "kind": self.kind, "call": self.begin}
        if self.kind != "read":
            parts["number"] = self.number
        if self.kind == "swap":
            parts["expected"] = self.expected
        for name, value in (("return", self.end), ("after", self.after), ("changed", self.changed)):
            if value is not None:
                parts[name] = value
        return json.dumps(parts)


@dataclasses.dataclass
class Turn:
    """A lock that was asked for, and the token that was told."""
    node: int
    begin: int
    end: int
    token: int


@dataclasses.dataclass
class Write:
    """To a field of the fenced map. `number` is the value, which is written once. `life` counts the node's processes."""
    node: int
    life: int
    field: int
    token: int
    number: int
    begin: int
    end: int | None = None
    outcome: str = UNKNOWN


@dataclasses.dataclass
class Look:
    """At a field of the fenced map, at one node. `token` 0: nothing was written there."""
    node: int
    life: int
    field: int
    begin: int
    end: int
    token: int
    number: int | None


class History:
    """Thread rule: any thread; the parts of a call are its client's."""

    def __init__(self):
        self.lock = threading.Lock()
        self.numbers = 0
        self.calls, self.turns, self.writes, self.looks = [], [], [], []

    def number(self):
        with self.lock:
            self.numbers += 1
            return self.numbers

    def add(self, item):
        kinds = {Call: self.calls, Turn: self.turns, Write: self.writes, Look: self.looks}
        with self.lock:
            kinds[type(item)].append(item)
        return item

    def lines(self):
        return [call.line() for call in self.calls if call.outcome != REFUSED]


def highest_before(told, asked):
    """For each of `asked`, by its begin: the highest token that was told before. `told`: (end, token)."""
    told = sorted(told)
    highest, at = 0, 0
    for item in sorted(asked, key=lambda item: item.begin):
        while at < len(told) and told[at][0] < item.begin:
            highest = max(highest, told[at][1])
            at += 1
        yield item, highest


def check_tokens(turns):
    wrong = []
    given = {}
    for turn in turns:
        if turn.token in given:
            wrong.append(f"token {turn.token} was given to node {given[turn.token].node} and to node {turn.node}")
        given[turn.token] = turn
    for turn, highest in highest_before([(turn.end, turn.token) for turn in turns], turns):
        if turn.token <= highest:
            wrong.append(f"token {turn.token} was given to who asked after {highest} was told")
    return wrong


def check_finals(writes, finals):
    """`finals`: for each node, field → (token, number)."""
    wrong = [f"diverged: node {node} reads {final}, node 0 {finals[0]}"
             for node, final in enumerate(finals) if final != finals[0]]
    by_number = {write.number: write for write in writes}
    for field in sorted({write.field for write in writes}):
        token, number = finals[0].get(field, (0, None))
        accepted = [write for write in writes if write.field == field and write.outcome == OK]
        highest = max((write.token for write in accepted), default=0)
        winner = by_number.get(number)
        if token < highest:
            wrong.append(f"field {field}: token {token} won against {highest}, which was accepted")
        elif token > 0 and (winner is None or (winner.token, winner.field) != (token, field)):
            wrong.append(f"field {field}: {number} under token {token} was never written")
        elif winner is not None and winner.outcome == REFUSED:
            wrong.append(f"field {field}: {number} was refused, and won")
        elif winner is not None and winner.end is not None:
            wrong += [f"field {field}: {number} won against {write.number}, which the same holder wrote later"
                      for write in accepted if write.token == token and write.begin > winner.end]
    return wrong


def check_nodes(writes, looks):
    """A node that was told of a token has no lower one from then on: of a write also after kill -9, since it is on its disk; what
    it heard from others may be gone then, and comes again."""
    wrong = []
    accepted = [write for write in writes if write.outcome == OK]
    writes_at, items_at, looks_at = {}, {}, {}
    for write in accepted:
        writes_at.setdefault((write.node, write.field), []).append((write.end, write.token))
    for look in looks:
        looks_at.setdefault((look.node, look.field, look.life), []).append((look.end, look.token))
    for item in [*accepted, *looks]:
        items_at.setdefault((item.node, item.field, item.life), []).append(item)
    for (node, field, life), items in sorted(items_at.items()):
        told = writes_at.get((node, field), []) + looks_at.get((node, field, life), [])
        for item, highest in highest_before(told, items):
            if item.token < highest:
                did = "accepted a write" if isinstance(item, Write) else "read"
                wrong.append(f"node {node}, field {field}: {did} under token {item.token} after {highest}")
    by_number = {write.number: write for write in writes}
    for look in looks:
        write = by_number.get(look.number)
        where = f"node {look.node}, field {look.field}"
        if look.token > 0 and (write is None or (write.token, write.field) != (look.token, look.field)):
            wrong.append(f"{where}: {look.number} under token {look.token} was never written")
        elif write is not None and write.begin > look.end:
            wrong.append(f"{where}: {look.number} was read before it was written")
        elif write is not None and write.outcome == REFUSED:
            wrong.append(f"{where}: {look.number} was refused, and read")
    return wrong


def check_locks(history, finals):
    return check_tokens(history.turns) + check_finals(history.writes, finals) + check_nodes(history.writes, history.looks)
