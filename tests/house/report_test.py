#!/usr/bin/env python3
"""The benchmarks' report: medians judge the target, not the runs, and what was missed is seen."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import figures  # noqa: E402
import report  # noqa: E402


def run(value, ratio):
    return {"suite": "core", "case": "put <new>", "metric": "rate", "unit": "M/s", "value": value, "params": {},
            "baseline": "table", "baseline_value": value / ratio, "ratio": ratio, "met": ratio >= 1.3,
            "target": {"of": "ratio", "is": ">=", "limit": 1.3}}


class Report(unittest.TestCase):
    def test_median_decides(self):
        [merged] = figures.merge_all([run(1, 1.4), run(5, 1.0), run(3, 1.2)])
        self.assertEqual((merged["value"], merged["ratio"], merged["met"]), (3, 1.2, False))
        self.assertEqual((merged["params"]["least"], merged["params"]["most"], merged["params"]["runs"]), (1, 5, 3))

    def test_page_shows_what_was_missed(self):
        page = report.html_report(figures.merge_all([run(1, 1.0)]), {"commit": "abc"})
        self.assertIn("0 of 1 targets met", page)
        self.assertIn("tr class='missed'", page)
        self.assertIn("<svg", page)
        self.assertIn("put &lt;new&gt;", page)


if __name__ == "__main__":
    unittest.main()
