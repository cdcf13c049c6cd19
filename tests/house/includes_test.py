#!/usr/bin/env python3
"""The arrows of the house (docs/architecture.md): which folder may include which, and what stays out of which folder.

Meson enforces who links to whom; this enforces who reads whose headers, and that the pure folders stay free of clocks,
threads, chance and sockets.
"""

import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PUBLIC = "include/starling"

# folder → the folders whose headers it may include besides its own; "starling" is the public API.
SEES = {
    PUBLIC: {"starling"},
    "crdt": set(),
    "gossip": {"crdt"},
    "agree": {"crdt", "gossip"},
    "store": {"crdt"},
    "peer": {"crdt", "gossip", "agree", "store"},
    "net": {"crdt", "gossip"},
    "node": {"crdt", "gossip", "agree", "store", "peer", "net", "starling"},
    "sim": {"crdt", "gossip", "agree", "store", "peer"},
    "cli": {"crdt", "gossip", "agree", "store", "peer", "net", "node", "sim", "starling"},
    "examples": {"starling", "crdt", "gossip", "peer", "sim"},  # the latter four for what runs in the simulator
}

THREADS = r"(thread|mutex|shared_mutex|condition_variable|future|stop_token|semaphore|latch|barrier)"
SOCKETS = r"(zmq.*|sys/socket\.h|sys/un\.h|netinet/.*|arpa/.*|net/.*|ifaddrs\.h|poll\.h|sys/epoll\.h)"
UNORDERED = r"(unordered_map|unordered_set)"
CLOCK = (r"\b(system_clock|steady_clock|high_resolution_clock|clock_gettime|gettimeofday)\b", "a clock")
CHANCE = (r"\b(random_device|getrandom|randombytes_\w+|s?rand\s*\()", "a source of chance")

# folders → system headers that stay out
KEPT_OUT = [
    ((PUBLIC,), r"(zmq.*|sodium.*|msgpack.*|nlohmann/.*|sqlite3\.h|CLI/.*)"),
    (("crdt", "gossip", "agree", "peer"), rf"({THREADS}|{SOCKETS}|{UNORDERED}|sodium.*|ctime|time\.h)"),
    (("sim",), rf"({SOCKETS}|{UNORDERED}|sodium.*)"),
    (("crdt", "gossip", "agree", "store", "peer", "sim", "node", "examples"), r"(zmq.*|CLI/.*|doctest/.*)"),
    (("net", "cli"), r"doctest/.*"),
    (("crdt", "gossip", "agree", "peer", "net", "node", "sim", "cli", "examples"), r"sqlite3\.h"),
]
# folders → words that stay out of the code
UNSPOKEN = [(("crdt", "gossip", "agree", "peer"), (CLOCK, CHANCE)), (("sim",), (CHANCE,))]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*")', re.DOTALL)


def without_comments(text):
    return COMMENT.sub(lambda found: found[1] or " ", text)


def violations_in(folder, text):
    """What is wrong with a file of this folder, as sentences."""
    code = without_comments(text)
    for quote, path in INCLUDE.findall(code):
        first = path.split("/")[0]
        own = first == folder or (folder == PUBLIC and first == "starling")
        if first == "starling" or quote == '"':
            if quote == '"' and "/" not in path:
                yield f'includes "{path}": sources name each other from the root'
            elif not own and first not in SEES[folder]:
                yield f"includes {path}: {folder} does not see {first}"
        else:
            for folders, pattern in KEPT_OUT:
                if folder in folders and re.fullmatch(pattern, path):
                    yield f"includes <{path}>, which stays out of {folder}"
    for folders, words in UNSPOKEN:
        for pattern, what in words if folder in folders else ():
            for found in re.finditer(pattern, code):
                yield f"speaks of {found[0]}: {what} is an argument in {folder}"


def violations(root):
    for folder in SEES:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".hpp", ".cpp", ".h"):
                for what in violations_in(folder, path.read_text(encoding="utf-8")):
                    yield f"{path.relative_to(root)} {what}"


class Includes(unittest.TestCase):
    maxDiff = None

    def test_the_arrows_hold(self):
        self.assertEqual([], list(violations(ROOT)))

    def test_there_is_something_to_check(self):
        self.assertTrue(list((ROOT / "crdt").glob("*.hpp")))
        self.assertTrue(list((ROOT / PUBLIC).glob("*.hpp")))

    def test_planted_violations_are_found(self):
        planted = {
            "crdt/a.hpp": '#include "gossip/engine.hpp"',
            "crdt/b.cpp": "#include <unordered_map>",
            "crdt/c.cpp": "auto now = std::chrono::steady_clock::now();",
            "gossip/a.cpp": "#include <mutex>",
            "gossip/b.cpp": "std::random_device chance;",
            "gossip/c.cpp": "  #  include <sodium.h>",
            "peer/a.cpp": '#include "net/transport.hpp"',
            "peer/b.cpp": "#include <sys/socket.h>",
            "sim/a.cpp": '#include "net/transport.hpp"',
            "net/a.cpp": '#include "sim/clock.hpp"',
            "net/b.cpp": '#include "peer/peer.hpp"',
            "node/a.cpp": "#include <zmq.hpp>",
            "node/b.cpp": '#include "cli/main.hpp"',
            "cli/a.cpp": '#include "main.hpp"',
            f"{PUBLIC}/a.hpp": "#include <msgpack.hpp>",
            f"{PUBLIC}/b.hpp": '#include "crdt/ids.hpp"',
            "examples/a.cpp": '#include "node/node.hpp"',
            "crdt/d.hpp": "#include <starling/node.hpp>",
        }
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for name, text in planted.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text + "\n", encoding="utf-8")
            found = list(violations(root))
            self.assertEqual(sorted(planted), sorted({line.split()[0] for line in found}), found)

    def test_what_is_allowed_passes(self):
        for folder, text in {
            "crdt": '// "steady_clock" in words\n#include <map>\n#include "crdt/ids.hpp"\n',
            "gossip": '#include <random>\n#include <chrono>\n#include "crdt/ids.hpp"\n',
            "net": "#include <zmq.hpp>\n#include <thread>\n",
            "node": '#include <starling/node.hpp>\n#include "peer/peer.hpp"\n#include "net/transport.hpp"\n',
            PUBLIC: "#include <chrono>\n#include <starling/export.hpp>\n",
        }.items():
            self.assertEqual([], list(violations_in(folder, text)), folder)


if __name__ == "__main__":
    unittest.main()
