#!/usr/bin/env python3
"""The tables of scripts/anomalies.sh, the detectors that they compare with, and the picture of docs/anomalies.md.

usage: scripts/anomalies.py tables --program PROGRAM --made DIR [--write]
"""
import argparse
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE, PICTURE = ROOT / "docs/anomalies.md", ROOT / "docs/anomalies.svg"
BEGIN, END = "<!-- scripts/anomalies.sh -->\n", "<!-- end -->\n"
# The figures that the benchmark's own results have: on its artificial and AWS series alone, and on the whole corpus.
PUBLISHED = [
    ("random", 20.8, 16.8),
    ("windowed Gaussian", 26.5, 39.6),
    ("Twitter ADVec", 41.2, 47.1),
    ("relative entropy", 50.1, 54.6),
    ("random cut forest", 53.7, 51.7),
    ("KNN-CAD", 57.0, 58.0),
    ("HTM (Java)", 69.8, 65.5),
    ("ARTime", 69.8, 74.9),
    ("CAD-OSE", 71.6, 69.9),
    ("Numenta HTM", 72.3, 70.1),
]
PART, WHOLE = 28, 58
RIVER = {"HalfSpaceTrees": "half-space trees", "StandardAbsoluteDeviation": "standard absolute deviation"}


def fail(text):
    sys.exit(f"anomalies: {text}")


def markdown(head, rows):
    """A table whose first column is text and whose others are numbers."""
    rows = [head] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    pad = lambda row: "| " + " | ".join(c.ljust(w) if i == 0 or i == len(head) - 1 and head[i] == "Found as" else c.rjust(w)
                                       for i, (c, w) in enumerate(zip(row, widths))) + " |"
    rule = "|" + "|".join("-" * (w + 1) + ("-" if i == 0 or head[i] == "Found as" else ":") for i, w in enumerate(widths)) + "|"
    return "\n".join([pad(rows[0]), rule] + [pad(row) for row in rows[1:]]) + "\n"


def runs_table(made):
    document = json.load(open(made / "runs.json"))
    rows, found, wrong, false, seconds = [], 0, 0, 0, 0
    for story in document["stories"]:
        is_wrong = story["is_anomaly"]
        kinds = ", ".join(sorted(story["by"], key=lambda by: -story["by"][by])[:3])
        rows.append([
            story["story"].replace("_", " "), "yes" if is_wrong else "no", story["runs"],
            story["found"] if is_wrong else "", story["median_delay"] if is_wrong and story["found"] else "",
            story["false_findings"], kinds,
        ])
        found, wrong = found + story["found"], wrong + (story["runs"] if is_wrong else 0)
        false, seconds = false + story["false_findings"], seconds + story["seconds"]
    head = ["Story", "Wrong", "Runs", "Found", "Seconds until found (median)", "False findings", "Found as"]
    precision = found / (found + false) if found + false else 0
    return markdown(head, rows) + (
        f"\nRecall {100 * found / wrong:.1f} % ({found} of {wrong} runs in which something was wrong), precision "
        f"{100 * precision:.1f} % ({false} false findings in {seconds / 3600:.0f} hours of one value a second).\n"
    )


def score(folder, *how):
    """What the benchmark's script says: the score, and the numbers of files and windows."""
    scorer = os.environ.get("RINGSCOPE_NAB_SCORE") or os.path.join(os.environ["RINGSCOPE_NAB"], "score.py")
    if not os.path.exists(scorer):
        fail(f"there is no {scorer}: name the script that scores with RINGSCOPE_NAB_SCORE")
    said = subprocess.run([sys.executable, scorer, str(folder), *how], capture_output=True, text=True)
    match = re.search(r"standard (-?[\d.]+) \((\d+) files, (\d+) windows", said.stdout)
    if not match:
        fail(f"{how}: {said.stderr.strip() or said.stdout.strip()}")
    return float(match[1]), int(match[2]), int(match[3])


def scores_table(program, made):
    nab = os.environ["RINGSCOPE_NAB"]
    run = ["--run", f"{program.resolve()} anomalies --json"]
    detectors = [("**ringscope**", lambda folder: score(folder, *run))]
    for name, says in RIVER.items():
        detectors.append((f"river, {says}", lambda folder, name=name: score(folder, "--results", river(name, folder, made))))
    rows = []
    for says, scores in detectors:
        on_runs, run_files, run_windows = scores(made)
        on_nab, files, windows = scores(nab)
        rows.append([says, f"{on_runs:.1f}", f"{on_nab:.1f}", ""])
    column = {PART: 1, WHOLE: 2}.get(files)
    if column:
        rows += [[published[0], "", "", f"{published[column]:.1f}"] for published in PUBLISHED]
    rows.sort(key=lambda row: -float(row[2] or row[3]))
    head = ["Detector", f"Runs ({run_files} series, {run_windows} windows)",
            f"Numenta's ({files} series, {windows} windows)", "published"]
    return markdown(head, rows)


def tables(program, made, write):
    text = runs_table(made)
    if os.environ.get("RINGSCOPE_NAB"):
        text += "\n" + scores_table(program, made)
    print(text, end="")
    if write:
        page = PAGE.read_text()
        before, rest = page.split(BEGIN)
        PAGE.write_text(before + BEGIN + text + END + rest.split(END)[1])
        PICTURE.write_text(picture(program, made))


def scored(program, path):
    said = subprocess.run([program, "anomalies", path, "--json"], capture_output=True, text=True, check=True)
    return json.loads(said.stdout)


PANELS = [
    ("slow_blocks/p99_0.csv", "p99 of the latency, ms: two blocks of eight become four times as slow", 1e-6),
    ("leak/mean_0.csv", "mean of the latency, ms: each message takes a little longer than the one before", 1e-6),
    ("cycle/throughput_0.csv", "messages a second: the load rises and falls, and nothing is wrong", 1),
]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP = 860, 120, 60, 20, 34, 56


def picture(program, made):
    """Each series with its findings, and where something was wrong."""
    labels = json.load(open(made / "labels/combined_windows.json"))
    out = []
    for number, (name, title, unit) in enumerate(PANELS):
        document = scored(program, made / "data" / name)
        rows = document["scores"]
        top = TOP + number * (HEIGHT + GAP)
        values = [row["value"] * unit for row in rows]
        high = max(values) * 1.08
        x = lambda at: LEFT + at / (len(rows) - 1) * (WIDTH - LEFT - RIGHT)
        y = lambda value: top + HEIGHT - value / high * HEIGHT
        at = {row["timestamp"]: i for i, row in enumerate(rows)}
        for start, end in labels[name]:
            a, b = x(at[start]), x(at[end])
            out.append(f'<rect x="{a:.1f}" y="{top}" width="{b - a:.1f}" height="{HEIGHT}" class="wrong"/>')
        for part in (0, 0.5, 1):
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(part * high):.1f}" y2="{y(part * high):.1f}" class="grid"/>')
            out.append(f'<text x="{LEFT - 6}" y="{y(part * high) + 4:.1f}" class="axis" text-anchor="end">{part * high:.3g}</text>')
        line = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(values))
        out.append(f'<polyline points="{line}" class="value"/>')
        out.append(f'<text x="{LEFT}" y="{top - 10}" class="title">{escape(title)}</text>')
        for finding in document["findings"]:
            where = x(finding["row"])
            says = f'{finding["kind"].replace("_", " ")}: {finding["expected"] * unit:.3g} expected, {finding["seen"] * unit:.3g} seen'
            out.append(f'<line x1="{where:.1f}" x2="{where:.1f}" y1="{top}" y2="{top + HEIGHT}" class="found"><title>{escape(says)}</title></line>')
        says = [finding["kind"].replace("_", " ") for finding in document["findings"]]
        what = "found: " + ", ".join(says) if says else "nothing found"
        out.append(f'<text x="{WIDTH - RIGHT}" y="{top - 10}" class="says" text-anchor="end">{escape(what)}</text>')
        for minute in range(0, len(rows) // 60 + 1, 10):
            out.append(f'<text x="{x(min(minute * 60, len(rows) - 1)):.1f}" y="{top + HEIGHT + 16}" class="axis" text-anchor="{"end" if minute * 60 >= len(rows) - 1 else "middle"}">{minute} min</text>')
    height = TOP + len(PANELS) * (HEIGHT + GAP) - GAP + 30
    style = """
    svg { background: #fff; font: 12px sans-serif } .grid { stroke: #ddd } .axis { fill: #666; font-size: 11px }
    .title { fill: #222; font-weight: bold } .says { fill: #b3261e } .value { fill: none; stroke: #1f5fa8; stroke-width: 1 }
    .wrong { fill: #f6d9a8; opacity: .6 } .found { stroke: #b3261e; stroke-width: 2 }
    """
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
            f"<title>Three series, where something was wrong in them (shaded), and what was found (lines)</title>\n"
            f"<style>{style}</style>\n" + "\n".join(out) + "\n</svg>\n")


def river(detector, folder, made):
    """The folder with the scores of a detector of river with its defaults: each value by those before it, and then learned."""
    results = made / f"results-{pathlib.Path(folder).name}-{detector}"
    for name in json.load(open(os.path.join(folder, "labels/combined_windows.json"))):
        rows = list(csv.DictReader(open(os.path.join(folder, "data", name))))
        group, file = name.split("/")
        (results / group).mkdir(parents=True, exist_ok=True)
        with open(results / group / f"{detector}_{file}", "w") as out:
            writer = csv.writer(out)
            writer.writerow(["timestamp", "anomaly_score"])
            scores = river_scores(detector, [float(row["value"]) for row in rows])
            writer.writerows((row["timestamp"], score) for row, score in zip(rows, scores))
    return str(results)


def river_scores(detector, values):
    from river import anomaly, compose, preprocessing, stats

    if detector == "HalfSpaceTrees":
        # It wants numbers from 0 to 1.
        model = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=42))
        score, learn = (lambda v: model.score_one({"value": v})), (lambda v: model.learn_one({"value": v}))
    else:
        model = anomaly.StandardAbsoluteDeviation(sub_stat=stats.Mean())
        score, learn = (lambda v: model.score_one(None, v)), (lambda v: model.learn_one(None, v))
    for value in values:
        yield max(0.0, score(value))
        learn(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("tables")
    command.add_argument("--program", type=pathlib.Path, required=True)
    command.add_argument("--made", type=pathlib.Path, required=True)
    command.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    tables(arguments.program, arguments.made, arguments.write)


if __name__ == "__main__":
    main()
