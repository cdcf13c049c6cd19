#!/usr/bin/env python3
"""The house stays tidy: short files, nothing parked, no dumping grounds, every source built, every link leads somewhere."""

import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE = ("include", "crdt", "gossip", "store", "agree", "peer", "net", "node", "sim", "cli", "examples")
BUILT = CODE + ("tests", "bench")
LINES_MAX = 500
PARKED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
DUMPING_GROUNDS = {"util", "utils", "common", "helpers", "helper", "misc"}
NOT_OURS = ("build", "subprojects", ".git")

FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
WORD = re.compile(r"'([^'\n]+)'")
SOURCE_INCLUDED = re.compile(r'^\s*#\s*include\s*"([^"]+\.cpp)"', re.MULTILINE)
NAMED_FILE = re.compile(r"`((?:%s|docs|scripts)/[\w./-]+\.(?:hpp|cpp|md|py|build))`" % "|".join(BUILT))


def ours(root, *suffixes):
    """The project's files, without what a build or a subproject left."""
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if not parts[0].startswith(NOT_OURS) and "node_modules" not in parts and path.is_file() and path.suffix in suffixes:
            yield path


def code_violations(root):
    for path in ours(root, ".hpp", ".cpp", ".h", ".py", ".sh"):
        name, text = path.relative_to(root), path.read_text(encoding="utf-8")
        folder = name.parts[0]
        lines = text.count("\n")
        if folder in CODE and lines > LINES_MAX:
            yield f"{name} has {lines} lines, the most is {LINES_MAX}: which second job moved in?"
        if path != pathlib.Path(__file__).resolve():
            for parked in PARKED.finditer(text):
                yield f"{name} parks work: {parked[0]}"
        if path.suffix == ".hpp" and not text.startswith("//"):
            yield f"{name} does not open with a comment that says what it is"
        for source in SOURCE_INCLUDED.findall(text):
            yield f"{name} includes {source}, which is no header"
        if path.suffix == ".hpp" and "#pragma once" not in text:
            yield f"{name} has no #pragma once"
        for part in name.parts[:-1]:
            if part.lower() in DUMPING_GROUNDS:
                yield f"{name} lives in a dumping ground: {part}/"


def build_violations(root):
    """A source that no meson.build names is never compiled."""
    named = set()
    for path in root.rglob("meson.build"):
        if path.relative_to(root).parts[0].startswith(NOT_OURS):
            continue
        text = path.read_text(encoding="utf-8")
        suffixes = ("", ".cpp") if "+ '.cpp'" in text else ("",)
        named |= {(path.parent / (word + suffix)).resolve() for word in WORD.findall(text) for suffix in suffixes}
    for path in ours(root, ".cpp"):
        if path.relative_to(root).parts[0] in BUILT and path.resolve() not in named:
            yield f"{path.relative_to(root)} is in no meson.build"


def slug(heading):
    """The anchor that a heading gets: lower case, spaces become dashes, other punctuation goes."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-")


def link_violations(root):
    for path in ours(root, ".md"):
        name, text = path.relative_to(root), FENCE.sub("", path.read_text(encoding="utf-8"))
        for found in LINK.finditer(text):
            link = found[1] or found[2]
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            file = (path.parent / target).resolve() if target else path
            if not file.exists():
                yield f"{name} links to {link}, which is not there"
            elif anchor and file.suffix == ".md":
                if anchor not in {slug(heading) for heading in HEADING.findall(FENCE.sub("", file.read_text("utf-8")))}:
                    yield f"{name} links to {link}, a heading that is not there"
        for file in NAMED_FILE.findall(text):
            if not (root / file).exists():
                yield f"{name} names {file}, which is not there"


class Tidy(unittest.TestCase):
    maxDiff = None

    def test_code(self):
        self.assertEqual([], list(code_violations(ROOT)))

    def test_every_source_is_built(self):
        self.assertEqual([], list(build_violations(ROOT)))

    def test_links(self):
        self.assertEqual([], list(link_violations(ROOT)))

    def test_planted_violations_are_found(self):
        planted = {
            "crdt/long.cpp": "//\n" * (LINES_MAX + 1),
            "crdt/parked.cpp": "// TO" + "DO: later\n",
            "crdt/bare.hpp": "#pragma once\n",
            "crdt/source.cpp": '#include "crdt/long.cpp"\n',
            "crdt/twice.hpp": "// says what it is\n",
            "net/util/any.cpp": "//\n",
            "sim/unlisted.cpp": "//\n",
            "docs/a.md": "# A\n[gone](b.md) [no heading](#b) `crdt/gone.hpp`\n",
        }
        listed = "\n".join(f"'{name}'" for name in planted if name.endswith(".cpp") and "unlisted" not in name)
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for name, text in {**planted, "meson.build": listed}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            code = sorted(line.split()[0] for line in code_violations(root))
            self.assertEqual(
                ["crdt/bare.hpp", "crdt/long.cpp", "crdt/parked.cpp", "crdt/source.cpp", "crdt/twice.hpp", "net/util/any.cpp"],
                code)
            self.assertEqual(["sim/unlisted.cpp is in no meson.build"], list(build_violations(root)))
            self.assertEqual(3, len(list(link_violations(root))))

    def test_what_is_allowed_passes(self):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            (root / "docs").mkdir()
            (root / "docs/a.md").write_text(
                "# The `one` way: in\n[up](../README.md) [here](#the-one-way-in) [out](https://example.org)\n"
                "```\n[not](a-link.md)\n```\n", encoding="utf-8")
            (root / "README.md").write_text("[a](docs/a.md#the-one-way-in)\n", encoding="utf-8")
            self.assertEqual([], list(link_violations(root)))


if __name__ == "__main__":
    unittest.main()
