#!/usr/bin/env python3
"""Writes scenario files as one C++ source: embed.py OUTPUT FILE…"""

import json
import pathlib
import sys

output, *inputs = map(pathlib.Path, sys.argv[1:])
rows = []
for path in sorted(inputs, key=lambda path: path.stem):
    # A string a line: compilers need not take longer literals than 64 KiB, and readers see the lines.
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    rows.append(f"        {{{json.dumps(path.stem)},\n" + "\n".join(f"         {json.dumps(line)}" for line in lines) + "},\n")
output.write_text('#include "sim/plan.hpp"\n\nnamespace starling::sim {\n\nstd::vector<NamedScenario> scenarios() {\n'
                  "    return {\n" + "".join(rows) + "    };\n}\n\n}  // namespace starling::sim\n", encoding="ascii")
