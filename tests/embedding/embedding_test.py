#!/usr/bin/env python3
"""An application embeds Starling: installed, shared or static, with plain g++ and pkg-config, and as a Meson subproject."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STARLING_BUILD", ROOT / "build"))
SAMPLE = ROOT / "examples/hello.cpp"
SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
SECONDS_MAX = 1800  # it compiles all of the library, file by file, on whatever else the machine does
NOT_IN_HEADERS = ("zmq", "sodium", "msgpack", "nlohmann", "sqlite3")


class Embedding(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = pathlib.Path(holder.name)
        self.environment = {"PATH": SYSTEM_PATH, "HOME": str(self.directory), "LANG": "C.UTF-8"}
        for kept in ("CCACHE_DIR",):
            if kept in os.environ:
                self.environment[kept] = os.environ[kept]

    def run_in(self, directory, *command, **more):
        """The output of a command that succeeds."""
        done = subprocess.run(command, cwd=directory, env={**self.environment, **more}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS_MAX)
        self.assertEqual(0, done.returncode, f"{' '.join(command)}\n{done.stdout}")
        return done.stdout

    def install(self):
        """Installs the build tree; the package finds its prefix from where it lies. Returns the library directory."""
        self.run_in(ROOT, "meson", "install", "-C", str(BUILD), "--no-rebuild", "--quiet",
                    "--destdir", str(self.directory / "root"))
        package = next((self.directory / "root").rglob("starling.pc"))
        self.environment["PKG_CONFIG_PATH"] = str(package.parent)
        return package.parents[1]

    def compile(self, options="", flags=""):
        self.run_in(self.directory, "bash", "-euc",
                    f"g++ {SAMPLE} $(pkg-config --cflags --libs {flags} starling) {options} -o hello")

    def test_installed_shared(self):
        libraries = self.install()
        self.compile(options="-Wall -Wextra -Werror")
        needed = self.run_in(self.directory, "readelf", "-d", "hello")
        self.assertRegex(needed, r"NEEDED.*\[libstarling\.so\.0\]")
        for inner in ("zmq", "sodium"):
            self.assertNotRegex(needed, rf"NEEDED.*lib{inner}", "the application links what only the library needs")
        self.run_in(self.directory, "./hello", LD_LIBRARY_PATH=str(libraries))
        self.compile(options="-std=c++23")
        self.run_in(self.directory, "./hello", LD_LIBRARY_PATH=str(libraries))

    def test_installed_static(self):
        libraries = self.install()
        for shared in libraries.glob("libstarling.so*"):
            shared.unlink()
        self.compile(flags="--static")
        self.assertNotIn("libstarling.so", self.run_in(self.directory, "readelf", "-d", "hello"))
        self.run_in(self.directory, "./hello")

    def test_the_shared_library_shows_the_public_names_alone(self):
        libraries = self.install()
        shown = self.run_in(self.directory, "nm", "-DC", "--defined-only", str(libraries / "libstarling.so"))
        names = [line.split(" ", 2)[2] for line in shown.splitlines()]
        inner = re.compile(r"\bstarling::(crdt|gossip|store|agree|peer|net|sim)::")
        own = re.compile(r"^(vtable for |typeinfo (name )?for |guard variable for )?[\w:]*starling::|^starling_")
        self.assertEqual([], [name for name in names if inner.search(name)])
        self.assertTrue([name for name in names if own.search(name)], "nothing is shown: no STARLING_API?")

    def test_public_headers_need_nothing_but_the_standard_library(self):
        self.install()
        headers = sorted(path.name for path in (ROOT / "include/starling").glob("*.hpp"))
        for header in headers:
            (self.directory / "one.cpp").write_text(f"#include <starling/{header}>\n", encoding="utf-8")
            read = self.run_in(self.directory, "bash", "-euc",
                               "g++ -Wall -Wextra -Wpedantic -Werror -M one.cpp $(pkg-config --cflags starling)")
            for path in read.replace("\\\n", " ").split()[1:]:
                for inner in NOT_IN_HEADERS:
                    self.assertNotIn(inner, pathlib.Path(path).name, f"<starling/{header}> reads {path}")

    def test_meson_subproject(self):
        app = self.directory / "app"
        shutil.copytree(ROOT, app / "subprojects/starling", symlinks=True,
                        ignore=lambda directory, names: [name for name in names if pathlib.Path(directory) == ROOT and
                                                         name.startswith(("build", ".git", "subprojects"))])
        shutil.copy(SAMPLE, app / "app.cpp")
        (app / "meson.build").write_text(
            "project('app', 'cpp', default_options: ['cpp_std=c++20'])\n"
            "starling = dependency('starling', fallback: 'starling')\n"
            "test('app', executable('app', 'app.cpp', dependencies: starling))\n", encoding="utf-8")
        self.run_in(app, "meson", "setup", "out", "--wrap-mode=forcefallback", "-Dbuildtype=plain",
                    CXX=os.environ.get("CXX", "g++"))
        self.run_in(app, "meson", "test", "-C", "out", "--timeout-multiplier", "4")


if __name__ == "__main__":
    unittest.main()
