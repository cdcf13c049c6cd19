#!/usr/bin/env python3
"""Makes the report of scripts/bench: medians as JSON Lines, one HTML file with SVG plots, and a short Markdown table.

    report.py RAW.jsonl [--google FILE] [--fact NAME=VALUE]… [--json FILE] [--html FILE] [--markdown FILE]

Nothing but the standard library, and nothing that the HTML file loads.
"""

import argparse
import html
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import figures as fig  # noqa: E402

STYLE = """
body { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; margin: 2rem auto; max-width: 1080px; color: #1d2733; padding: 0 1rem }
h1 { margin-bottom: .2rem } h2 { margin: 2.4rem 0 .4rem; border-bottom: 2px solid #dfe5ec; padding-bottom: .2rem }
h3 { margin: 1.4rem 0 .2rem; font-size: 1rem } .facts, .hint { color: #5b6b7c }
table { border-collapse: collapse; width: 100%; font-size: 13.5px } th { text-align: left; background: #f2f5f8 }
td, th { padding: .28rem .55rem; border-bottom: 1px solid #e6ebf0; vertical-align: top } td.n { text-align: right; white-space: nowrap }
tr.missed td { background: #fde8e6 } .met { color: #18794e; font-weight: 600 } .missed-word { color: #b42318; font-weight: 600 }
svg { display: block; margin: .4rem 0 1rem; max-width: 100% } svg text { font: 12px "DejaVu Sans", system-ui, sans-serif; fill: #1d2733 }
"""
GREEN, RED, BLUE, GREY = "#2f9e6e", "#d64533", "#3f7fc1", "#b8c4d0"
PALETTE = ["#3f7fc1", "#2f9e6e", "#d98a1f", "#8a56b8", "#d64533", "#1f9aa8", "#7a7f2a"]


def number(value):
    """Three significant digits, as a person writes them."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}"


def target_text(figure):
    target = figure.get("target")
    if not target:
        return ""
    sign = "≥" if target["is"] == ">=" else "≤"
    return f"{sign} {number(target['limit'])}" + ("×" if target["of"] == "ratio" else f" {figure['unit']}")


def met_text(figure):
    return "" if "met" not in figure else "met" if figure["met"] else "missed"


def text(x, y, words, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{html.escape(words)}</text>'


def rect(x, y, width, height, colour, title=""):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0, width):.1f}" height="{height}" fill="{colour}" rx="2">'
            f"<title>{html.escape(title)}</title></rect>")


def vertical(x, top, bottom, colour, dash=""):
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{colour}" stroke-dasharray="{dash}"/>'


def svg(width, height, parts):
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{"".join(parts)}</svg>'


def bar_colour(figure):
    return BLUE if "met" not in figure else GREEN if figure["met"] else RED


def bars(rows, reference, mark_at_one):
    """Horizontal bars on a logarithmic axis. `rows`: (figure, position, limit or None, label); 1 is the reference."""
    left, right, line, width = 390, 190, 26, 1060
    points = [p for _, position, limit, _ in rows for p in (position, limit, 1.0 if mark_at_one else None) if p]
    low = math.floor(math.log10(min(points)) - 0.05)
    high = max(math.ceil(math.log10(max(points)) + 0.05), low + 1)
    place = lambda value: left + (math.log10(value) - low) / (high - low) * (width - left - right)
    bottom = 24 + line * len(rows)
    out = []
    for power in range(low, high + 1):
        for step in (1, 2, 5) if high - low <= 2 else (1,):
            value = step * 10.0 ** power
            if power < high or step == 1:
                out += [vertical(place(value), 20, bottom, "#e3e9ef"), text(place(value), 14, f"{value:g}×", "middle")]
    for at, (figure, position, limit, label) in enumerate(rows):
        y = 24 + line * at
        name = figure["case"]
        out.append(text(left - 8, y + 14, name if len(name) < 58 else name[:56] + "…", "end"))
        if position:
            out.append(rect(left, y + 3, place(position) - left, line - 10, bar_colour(figure), label))
            out.append(text(width - right + 12, y + 14, label))
        if limit:
            out.append(vertical(place(limit), y, y + line - 4, "#111", "3 2"))
    if mark_at_one:
        out.append(vertical(place(1), 20, bottom, "#4a5866"))
    out.append(text(left, bottom + 16, reference, extra='style="fill:#5b6b7c"'))
    return svg(width, bottom + 24, out)


def ratio_plot(figures):
    rows = []
    for figure in figures:
        target = figure.get("target")
        limit = None
        if target and target["of"] == "ratio":
            limit = target["limit"]
        elif target and figure["baseline_value"] > 0:
            limit = target["limit"] / figure["baseline_value"]
        label = f"{number(figure['value'])} {figure['unit']} · {number(figure['ratio'])}×"
        rows.append((figure, figure["ratio"], limit, label))
    return bars(rows, "ours ÷ baseline; the solid line is the baseline (1×), the dashed one the target", True)


def target_plot(figures):
    """Figures that have no baseline, as parts of their target."""
    rows = [(f, f["value"] / f["target"]["limit"], 1.0, f"{number(f['value'])} {f['unit']}") for f in figures]
    return bars(rows, "value ÷ target; the line is the target (1×): rates belong right of it, bytes and times left", True)


def curve_plot(lines, unit):
    """Curves of cost over size, both axes logarithmic. `lines`: name → [(size, value)]."""
    left, width, height, top = 70, 760, 300, 16
    points = [p for line in lines.values() for p in line if p[1] > 0]
    if not points:
        return ""
    x_low, x_high = (f(math.log10(p[0]) for p in points) for f in (min, max))
    y_low = math.floor(min(math.log10(p[1]) for p in points))
    y_high = max(math.ceil(max(math.log10(p[1]) for p in points)), y_low + 1)
    px = lambda v: left + (math.log10(v) - x_low) / max(x_high - x_low, 1e-9) * (width - left - 20)
    py = lambda v: top + (y_high - math.log10(v)) / (y_high - y_low) * (height - top - 40)
    out = []
    for power in range(y_low, y_high + 1):
        y = py(10.0 ** power)
        out.append(f'<line x1="{left}" x2="{width - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e9ef"/>')
        out.append(text(left - 6, y + 4, f"{10.0 ** power:g} {unit}", "end"))
    for size in sorted({p[0] for p in points}):
        out += [vertical(px(size), top, height - 40, "#eef2f6"), text(px(size), height - 24, f"{size:,}", "middle")]
    out.append(text((left + width) / 2, height - 6, "entries", "middle"))
    for at, (name, line) in enumerate(lines.items()):
        colour = PALETTE[at % len(PALETTE)]
        line = sorted(p for p in line if p[1] > 0)
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="3.2" fill="{colour}"><title>{number(y)}</title></circle>'
                for x, y in line]
        out += [rect(width + 4, top + 20 * at, 12, 12, colour), text(width + 22, top + 11 + 20 * at, name)]
    return svg(1060, height, out)


def curves(figures):
    """Figures whose params say `curve` and `entries` are points of a curve: metric → curve → points."""
    plots = {}
    for figure in figures:
        if "curve" in figure["params"]:
            key = (figure["metric"], figure["unit"])
            line = plots.setdefault(key, {}).setdefault(figure["params"]["curve"], [])
            line.append((figure["params"]["entries"], figure["value"]))
    return plots


def spread(figure):
    params = figure["params"]
    return f"{number(params['least'])} … {number(params['most'])}" if params.get("runs", 1) > 1 else ""


def table(figures):
    head = "".join(f"<th>{word}</th>" for word in
                   ("case", "metric", "median", "least … most", "baseline", "ratio", "target", "", "notes"))
    rows = []
    for f in figures:
        baseline = f"{html.escape(f['baseline'])}: {number(f['baseline_value'])}" if "baseline" in f else ""
        ratio = f"{number(f['ratio'])}×" if "ratio" in f else ""
        word = met_text(f)
        cells = (f"<td>{html.escape(f['case'])}</td><td>{html.escape(f['metric'])}</td>"
                 f"<td class=n>{number(f['value'])} {html.escape(f['unit'])}</td><td class=n>{spread(f)}</td>"
                 f"<td>{baseline}</td><td class=n>{ratio}</td><td class=n>{target_text(f)}</td>"
                 f"<td class='{'met' if word == 'met' else 'missed-word'}'>{word}</td>"
                 f"<td>{html.escape(str(f['params'].get('note', '')))}</td>")
        rows.append(f"<tr class='{word}'>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def section(suite, figures):
    out = [f"<h2>{html.escape(suite)}</h2>"]
    beside = {}
    for figure in figures:
        if figure.get("ratio"):
            beside.setdefault((figure["metric"], figure["baseline"], figure["unit"]), []).append(figure)
    for (metric, baseline, unit), group in beside.items():
        out += [f"<h3>{html.escape(metric)} ({html.escape(unit)}) beside {html.escape(baseline)}</h3>", ratio_plot(group)]
    alone = [f for f in figures if "target" in f and not f.get("ratio") and f["value"] > 0 and f["target"]["limit"] > 0]
    if alone:
        out += ["<h3>beside their targets</h3>", target_plot(alone)]
    for (metric, unit), lines in curves(figures).items():
        out += [f"<h3>{html.escape(metric)}, {html.escape(unit)}</h3>", curve_plot(lines, unit)]
    return "\n".join(out + ["<h3>all figures</h3>", table(figures)])


def verdict(figures):
    judged = [f for f in figures if "met" in f]
    return f"{sum(f['met'] for f in judged)} of {len(judged)} targets met"


def by_suite(figures):
    suites = {}
    for figure in figures:
        suites.setdefault(figure["suite"], []).append(figure)
    return suites


def html_report(figures, facts):
    told = " · ".join(f"{html.escape(name)}: {html.escape(value)}" for name, value in facts.items())
    sections = "\n".join(section(suite, group) for suite, group in by_suite(figures).items())
    return (f"<!doctype html><html lang=en><meta charset=utf-8><title>Starling: benchmarks</title><style>{STYLE}</style>"
            f"<h1>Starling: benchmarks</h1><p class=facts>{told}</p><p><b>{verdict(figures)}.</b> "
            f"<span class=hint>Medians of runs in fresh processes. Green: target met, red: missed, blue: no target."
            f"</span></p>{sections}</html>\n")


def markdown(figures, facts):
    lines = [" · ".join(f"{name}: {value}" for name, value in facts.items()), "",
             "| suite | case | metric | median | baseline | ratio | target | |", "|---|---|---|---|---|---|---|---|"]
    for f in figures:
        baseline = f"{f['baseline']} {number(f['baseline_value'])}" if "baseline" in f else ""
        ratio = f"{number(f['ratio'])}×" if "ratio" in f else ""
        lines.append(f"| {f['suite']} | {f['case']} | {f['metric']} | {number(f['value'])} {f['unit']} | {baseline} | "
                     f"{ratio} | {target_text(f)} | {met_text(f)} |")
    return "\n".join(lines + ["", verdict(figures) + "."]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raw")
    parser.add_argument("--google", action="append", default=[])
    parser.add_argument("--fact", action="append", default=[])
    for name in ("--json", "--html", "--markdown"):
        parser.add_argument(name)
    args = parser.parse_args()

    raw = fig.read_lines(args.raw)
    for path in args.google:
        raw += fig.from_google(json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
    facts = dict(fact.split("=", 1) for fact in args.fact)
    figures = fig.merge_all(raw)
    for figure in figures:
        figure["params"].update(facts)
    if args.json:
        pathlib.Path(args.json).write_text("".join(json.dumps(f, sort_keys=True) + "\n" for f in figures), "utf-8")
    if args.html:
        pathlib.Path(args.html).write_text(html_report(figures, facts), "utf-8")
    if args.markdown:
        pathlib.Path(args.markdown).write_text(markdown(figures, facts), "utf-8")
    for f in figures:
        if met_text(f) == "missed":
            print(f"missed: {f['suite']}: {f['case']}: {f['metric']}: {number(fig.held(f))}, target {target_text(f)}")
    print(verdict(figures))


if __name__ == "__main__":
    main()
