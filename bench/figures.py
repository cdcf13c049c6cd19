"""Figures as the suites print them (bench/figure.hpp), gathered from several runs into one median with its spread."""

import json
import statistics


def read_lines(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def identity(figure):
    return figure["suite"], figure["case"], figure["metric"]


def held(figure):
    """What the target looks at: the value, or the ratio to the baseline."""
    return figure["ratio"] if figure["target"]["of"] == "ratio" else figure["value"]


def judge(figure):
    """Sets `met` anew, since the median is not the run that judged itself."""
    if "target" in figure:
        limit = figure["target"]["limit"]
        figure["met"] = held(figure) >= limit if figure["target"]["is"] == ">=" else held(figure) <= limit
    return figure


def merge(runs):
    """One figure of all runs of the same one: medians, and the least and most in params. The ratio's median is that of
    the runs' ratios, because the two sides of one run met the same machine."""
    merged = dict(runs[0])
    values = [run["value"] for run in runs]
    merged["value"] = statistics.median(values)
    merged["params"] = dict(runs[0].get("params") or {}, runs=len(runs), least=min(values), most=max(values))
    if "ratio" in merged:
        ratios = [run["ratio"] for run in runs]
        merged["ratio"] = statistics.median(ratios)
        merged["baseline_value"] = statistics.median(run["baseline_value"] for run in runs)
        merged["params"].update(ratio_least=min(ratios), ratio_most=max(ratios))
    return judge(merged)


def merge_all(figures):
    """Medians in the order in which the figures first came."""
    groups = {}
    for figure in figures:
        groups.setdefault(identity(figure), []).append(figure)
    return [merge(runs) for runs in groups.values()]


def from_google(report):
    """Lines of Google Benchmark's own JSON: nanoseconds of processor time a call."""
    to_ns = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
    for run in report["benchmarks"]:
        if run.get("run_type") == "aggregate":
            continue
        yield {"suite": "micro", "case": run["name"], "metric": "time", "unit": "ns",
               "value": run["cpu_time"] * to_ns[run["time_unit"]], "params": {"iterations": run["iterations"]}}
