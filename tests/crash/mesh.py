"""Three nodes on the loopback that know each other's ports, and the writers that keep them busy."""

import pathlib
import random
import select
import socket
import subprocess
import threading
import time

from ledger import (COUNT, JOURNAL, OK, ONCE, PAIRS, REFUSED, TOGGLED, TRANSFERS, Final, Ledger, Lives, half_pairs,
                    parse_version)
from control import Control, NoAnswer

NODES = 3
WRITERS_A_NODE = 2
UNDER_WAY_MAX = 8           # writes of one writer without an answer yet
PAUSE_SECONDS_MAX = 0.01    # of a writer, between two handfuls
SLOTS = 4                   # pairs of a writer that its transfers go round
TOGGLED_ELEMENTS = 6        # of a writer
REMOVABLE_MAX = 500         # elements that writers remember to remove
ANSWER_SECONDS_MAX = 30
READY_SECONDS_MAX = 60
CONVERGE_SECONDS_MAX = 90
TOOL_SECONDS_MAX = 30


class Node:
    """A directory, and the process that runs in it. Thread rule: one thread, but for `answers`, `opened` and `connect`."""

    def __init__(self, mesh, number):
        self.mesh, self.number = mesh, number
        self.dir = mesh.home / f"node-{number}"
        self.dir.mkdir()
        self.process, self.id = None, None
        self.opened = 0       # counts processes that said that they are ready
        self.answers = False  # writers may connect
        self.start_seconds = []

    def verb(self, *arguments):
        return subprocess.run([self.mesh.starling, *arguments, "--dir", str(self.dir)], capture_output=True, text=True,
                              timeout=TOOL_SECONDS_MAX, check=True).stdout.strip()

    def spawn(self):
        peers = [word for port in self.mesh.ports if port != self.mesh.ports[self.number]
                 for word in ("--peer", f"127.0.0.1:{port}")]
        with open(self.dir / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [self.mesh.starling, "up", "--json", "--no-discovery", "--listen", f"127.0.0.1:{self.mesh.ports[self.number]}",
                 *peers, "--dir", str(self.dir)], stdout=subprocess.PIPE, stderr=log)
        self.spawned = time.monotonic()

    def ready(self):
        """Waits until it says so, then looks at what its directory had before anybody writes."""
        readable, _, _ = select.select([self.process.stdout], [], [], READY_SECONDS_MAX)
        if not readable or not self.process.stdout.readline():
            log = (self.dir / "log").read_text(encoding="utf-8", errors="replace")[-800:]
            raise RuntimeError(f"node {self.number} did not start: {log}")
        self.start_seconds.append(time.monotonic() - self.spawned)
        control = self.connect()
        status = control.ask("status")
        self.mesh.wrong += half_pairs(pairs_of(control))
        control.close()
        self.id = status["node"]
        self.mesh.lives.opened(self.id, self.opened + 1, parse_version(status["version"]))
        self.opened += 1
        self.answers = True

    def kill(self):
        self.answers = False
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def connect(self):
        return Control(self.dir / "control.sock", ANSWER_SECONDS_MAX)


class Removable:
    """Elements that were added, for any writer to remove. Thread rule: any thread."""

    def __init__(self):
        self.lock, self.elements = threading.Lock(), []

    def put(self, element):
        with self.lock:
            self.elements = self.elements[-REMOVABLE_MAX:] + [element]

    def take(self, chance):
        with self.lock:
            return self.elements.pop(chance.randrange(len(self.elements))) if self.elements else None


class Writer(threading.Thread):
    """Writes on one node, a handful at a time, over as many processes as the node has, and notes what it is told. An element of
    `once` is its own to add; anybody may remove it."""

    def __init__(self, mesh, node, number, seed):
        super().__init__(daemon=True)
        self.mesh, self.node, self.number = mesh, node, number
        self.random = random.Random(seed)
        self.next = 0  # number of the newest write
        self.error = None
        self.busy = False
        self.interrupted = 0  # handfuls that a kill caught before all answers came

    def run(self):
        try:
            while not self.mesh.over.is_set():
                if self.node.answers and self.mesh.writing.is_set():
                    self.write_on(self.node.opened)
                else:
                    time.sleep(0.002)
        except Exception as error:  # the run fails with it
            self.error = f"writer {self.number} of node {self.node.number}: {error!r}"

    def write_on(self, process):
        """Until the process is gone, or writers rest."""
        control, self.busy = None, True
        try:
            control = self.node.connect()
            while self.mesh.writing.is_set() and not self.mesh.over.is_set() and self.node.opened == process:
                self.handful(control, process)
                time.sleep(self.random.uniform(0, PAUSE_SECONDS_MAX))
        except NoAnswer as error:
            if self.node.answers and self.node.opened == process:  # nobody killed it
                raise RuntimeError(f"the node hung up: {error}") from error
        finally:
            self.busy = False
            if control is not None:
                control.close()

    def handful(self, control, process):
        chosen = [self.choose(process) for _ in range(self.random.randint(1, UNDER_WAY_MAX))]
        read = self.random.random() < 0.05
        left = len(chosen)
        try:
            control.send(*[{**request, "durable": self.mesh.durable} for _, request in chosen], *[{"op": "items", "map": PAIRS}] * read)
            for write, _ in chosen:
                self.settle(write, control.receive())
                left -= 1
        except NoAnswer:
            self.interrupted += left > 0
            raise
        if read:
            self.mesh.wrong += half_pairs(dict(control.receive()["items"]))

    def choose(self, process):
        """What to write next: noted before it is sent."""
        self.next += 1
        chance = self.random.random()
        if chance < 0.3:
            return self.note(process, "once.add", f"{self.number}-{self.next}", "add", "element", set=ONCE)
        element = self.mesh.removable.take(self.random) if chance < 0.45 else None
        if element is not None:
            return self.note(process, "once.rm", element, "rm", "element", set=ONCE)
        if chance < 0.65:
            verb = self.random.choice(("add", "rm"))
            element = f"{self.number}/{self.random.randrange(TOGGLED_ELEMENTS)}"
            return self.note(process, f"toggled.{verb}", element, verb, "element", set=TOGGLED)
        if chance < 0.8:
            return self.note(process, "count", self.random.randint(1, 5), "incr", "amount", counter=COUNT)
        if chance < 0.88:
            write, request = self.note(process, "append", self.next, "append", "value", journal=JOURNAL)
            request["value"] = [self.number, self.next, "append"]
            return write, request
        return self.transfer(process)

    def note(self, process, kind, subject, op, argument, **more):
        return self.mesh.ledger.begin(self.number, process, kind, subject), {"op": op, argument: subject, **more}

    def transfer(self, process):
        slot = f"{self.number}/{self.random.randrange(SLOTS)}"
        writes = [{"op": "put", "map": PAIRS, "field": f"{slot}/{side}", "value": self.next} for side in "ab"]
        writes.insert(1, {"op": "incr", "counter": TRANSFERS, "amount": 1})
        writes.append({"op": "append", "journal": JOURNAL, "value": [self.number, self.next, "transfer"]})
        write = self.mesh.ledger.begin(self.number, process, "transfer", self.next, slot=slot)
        return write, {"op": "transact", "writes": writes}

    def settle(self, write, answer):
        if answer["ok"]:
            self.mesh.lives.acknowledged(self.node.id, write.process, answer["version"])
            write.outcome = OK
            if write.kind == "once.add":
                self.mesh.removable.put(write.subject)
        elif answer["error"]["code"] == "absent":
            write.outcome = REFUSED
        else:
            raise RuntimeError(f"a write was refused: {answer['error']}")


class Mesh:
    """Nodes, writers, and the ledger that outlives them."""

    def __init__(self, starling, home, seed, durable):
        self.starling, self.home, self.durable = starling, pathlib.Path(home), durable
        self.home.mkdir()
        self.ledger, self.lives, self.wrong = Ledger(), Lives(), []
        self.removable = Removable()
        self.writing, self.over = threading.Event(), threading.Event()
        self.ports = unused_ports(NODES)
        self.nodes = [Node(self, number) for number in range(NODES)]
        self.writers = [Writer(self, node, node.number * WRITERS_A_NODE + more, f"{seed}-{node.number}-{more}")
                        for node in self.nodes for more in range(WRITERS_A_NODE)]

    def start(self):
        code = self.nodes[0].verb("init")
        for node in self.nodes[1:]:
            node.verb("join", code)
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.ready()
        for writer in self.writers:
            writer.start()
        self.writing.set()

    def rest(self):
        """Writers end what they are about, and all nodes become equal. False: they do not."""
        self.writing.clear()
        end = time.monotonic() + CONVERGE_SECONDS_MAX
        while time.monotonic() < end:
            time.sleep(0.02)
            if not any(writer.busy for writer in self.writers) and len({self.state(node) for node in self.nodes}) == 1:
                return True
        return False

    @staticmethod
    def state(node):
        control = node.connect()
        status = control.ask("status")
        control.close()
        return status["version"], status["fingerprint"]

    def final(self, node):
        control = node.connect()
        status = control.ask("status")
        final = Final(
            version=parse_version(status["version"]), fingerprint=status["fingerprint"], faults=status["faults"],
            once=set(control.ask("members", set=ONCE)["members"]), toggled=set(control.ask("members", set=TOGGLED)["members"]),
            count=control.ask("count", counter=COUNT)["value"], pairs=pairs_of(control),
            transfers=control.ask("count", counter=TRANSFERS)["value"],
            journal=[(entry["dot"], entry["value"]) for entry in control.ask("since", journal=JOURNAL)["entries"]])
        control.close()
        return final

    def close(self):
        self.over.set()
        for node in self.nodes:
            if node.process is not None:
                node.kill()
        for writer in self.writers:
            if writer.is_alive():
                writer.join()


def pairs_of(control):
    return dict(control.ask("items", map=PAIRS)["items"])


def unused_ports(count):
    """Below those that the system gives to who asks for any."""
    ports = set()
    while len(ports) < count:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            port = random.SystemRandom().randint(20000, 31000)
            try:
                probe.bind(("127.0.0.1", port))
                ports.add(port)
            except OSError:
                continue
    return sorted(ports)
