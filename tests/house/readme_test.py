#!/usr/bin/env python3
"""The README is a test: what it shows is compiled and run against an installed build (readme.py says how)."""

import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import readme

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STARLING_BUILD", ROOT / "build"))
SAMPLE_LINE_MAX = 20
INSTALLED = tempfile.TemporaryDirectory()


def setUpModule():
    subprocess.run(["meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet", "--destdir", INSTALLED.name],
                   check=True, stdout=subprocess.DEVNULL)


def tearDownModule():
    INSTALLED.cleanup()


def read(markdown):
    with tempfile.TemporaryDirectory() as directory:
        return readme.Reader(INSTALLED.name, directory).read(markdown)


class Readme(unittest.TestCase):
    maxDiff = None

    def test_what_it_shows_happens(self):
        self.assertGreaterEqual(read((ROOT / "README.md").read_text(encoding="utf-8")), 2)

    def test_what_the_page_on_events_shows_happens(self):
        self.assertGreaterEqual(read((ROOT / "docs/events.md").read_text(encoding="utf-8")), 2)

    def test_a_sample_comes_early(self):
        samples = [block for block in readme.blocks_of((ROOT / "README.md").read_text(encoding="utf-8"))
                   if block.language in readme.CPP]
        self.assertTrue(samples, "README.md shows no C++")
        self.assertLessEqual(samples[0].line, SAMPLE_LINE_MAX)


class TheTestItself(unittest.TestCase):
    def test_blocks_run_in_one_directory(self):
        self.assertEqual(3, read((ROOT / "tests/house/fixture.md").read_text(encoding="utf-8")))

    def test_what_does_not_hold_is_found(self):
        for markdown, why in {
            "<!-- test: run -->\n```sh\nfalse\n```\n": "exit status 1",
            "<!-- test: run -->\n```console\n$ echo one\ntwo\n```\n": "shown",
            "<!-- test: run -->\n```console\n$ echo one\n```\n": "shown",
            "<!-- test: skip -->\n```sh\nfalse\n```\n": "unknown test",
            "<!-- test: rnu -->\n```sh\ntrue\n```\n": "unknown test",
            "```sh\ntrue\n```\n": "says neither",
            "text\n\n```cpp\nint main() {}\n```\n": "line 3",
        }.items():
            with self.assertRaises(readme.Mismatch, msg=markdown) as raised:
                read(markdown)
            self.assertIn(why, str(raised.exception))

    def test_the_background_lasts_as_long_as_the_page(self):
        with tempfile.TemporaryDirectory() as directory:
            reader = readme.Reader(INSTALLED.name, directory)
            page = "<!-- test: run -->\n```sh\nsleep 600 & echo $! > pid\n```\n"
            page += "<!-- test: run -->\n```sh\nkill -0 $(cat pid)\n```\n"
            self.assertEqual(2, reader.read(page))
            state = pathlib.Path(f"/proc/{(pathlib.Path(directory) / 'pid').read_text().strip()}/stat")
            for _ in range(100):
                if not state.exists() or state.read_text().split()[2] == "Z":
                    return
                time.sleep(0.05)
            self.fail("the background process is still there")

    def test_what_is_not_ours_to_run_is_left_alone(self):
        self.assertEqual(0, read("```\nany\n```\n```json\n{}\n```\n<!-- test: skip needs root -->\n```sh\nfalse\n```\n"))

    def test_a_fragment_becomes_a_program(self):
        self.assertEqual("#include <map>\nint main() {\nstd::map<int, int> m;\n}\n",
                         readme.program_of("#include <map>\nstd::map<int, int> m;\n"))

    def test_dots_match_anything(self):
        self.assertTrue(readme.matches("ready in … ms\n…\nend\n", "ready in 17 ms\na\nb\nend\n"))
        self.assertTrue(readme.matches("…\n", ""))
        self.assertFalse(readme.matches("ready in … ms\n", "ready\n"))


if __name__ == "__main__":
    unittest.main()
