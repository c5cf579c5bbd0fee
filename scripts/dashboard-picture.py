#!/usr/bin/env python3
"""Draws a dashboard of dashboards/grafana as an SVG, with the answers of a real Prometheus to the panels' queries.

usage: scripts/dashboard-picture.py DASHBOARD.json --target HOST:PORT -o PICTURE.svg [--seconds N] [--rows N] [--width PX]

It is a plan of the dashboard: where each panel is, and what its queries find. Grafana, which is not needed here, draws the same
numbers in its own way. A Prometheus (RINGSCOPE_PROMETHEUS3, which scripts/receivers.sh brings) scrapes the target every second
for so long, in a folder of its own, and is ended:
    eval "$(scripts/receivers.sh)"
    cargo run -- serve --inject-errors 0.02 &
    scripts/dashboard-picture.py dashboards/grafana/ringscope-kernel.json --target localhost:9464 -o kernel.svg
The picture in docs/ is of the run that tests/dashboards scrapes, which says where it is served, and ends with its input:
    RINGSCOPE_TEST_DASHBOARDS_RUN=1 cargo test --test dashboards -- --ignored --exact run::what_is_scraped --nocapture
    scripts/dashboard-picture.py dashboards/grafana/ringscope-kernel.json --target HOST:PORT --rows 2 -o docs/dashboards.svg
"""
import argparse
import json
import math
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from xml.sax.saxutils import escape

COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C00", "#666666"]
CELL, GAP, FONT = 30, 6, 11
POINTS = 120


def fail(text):
    sys.exit(f"dashboard-picture: {text}")


class Prometheus:
    """Scrapes the target until it is left."""

    def __init__(self, target):
        program = os.environ.get("RINGSCOPE_PROMETHEUS3") or fail('RINGSCOPE_PROMETHEUS3 is not set: eval "$(scripts/receivers.sh)"')
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self.folder.name, "prometheus.yml")
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "scrape_protocols": ["PrometheusProto"]},
            "scrape_configs": [{"job_name": "ringscope", "static_configs": [{"targets": [target]}]}],
        }))
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={self.folder.name}/data", "--log.level=error",
                   "--enable-feature=native-histograms", f"--web.listen-address={self.address}"]
        self.process = subprocess.Popen(command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def ask(self, path, **parameters):
        url = f"http://{self.address}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def over(self, query, since, until):
        step = max((until - since) / POINTS, 1)
        return self.ask("query_range", query=query, start=since, end=until, step=step)["result"]


def substituted(query):
    for variable in ("job", "instance", "kernel", "device"):
        query = query.replace(f"${variable}", ".*")
    return query.replace("$__rate_interval", "5s")


def legend(template, labels):
    for name, value in labels.items():
        template = template.replace("{{%s}}" % name, value)
    return template


def shown(value, unit):
    """A value as people write it."""
    if unit in ("s", "ns"):
        seconds = value / (1e9 if unit == "ns" else 1)
        for factor, name in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(seconds) >= factor:
                return f"{seconds / factor:.3g} {name}"
        return f"{seconds * 1e9:.3g} ns"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "dateTimeAsIso":
        return time.strftime("%H:%M:%S", time.gmtime(value / 1000)) + " UTC"
    suffix = {"bytes": "B", "Bps": "B/s", "ops": "/s"}.get(unit, "")
    for factor, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {name}{suffix}"
    return f"{value:.3g} {suffix}".rstrip()


class Drawing:
    def __init__(self):
        self.parts = []

    def box(self, x, y, w, h, fill, more=""):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{max(h, 0):.1f}" fill="{fill}" {more}/>')

    def text(self, x, y, text, size=FONT, colour="#333", anchor="start", weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>')

    def line(self, points, colour):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>')


def floats(series):
    return [(float(t), float(v)) for t, v in series.get("values", []) if v not in ("NaN", "+Inf", "-Inf")]


def draw_lines(drawing, area, panel, answers, since, until):
    x, y, w, h = area
    unit = panel["fieldConfig"]["defaults"]["unit"]
    lines = [(legend(target.get("legendFormat", ""), series["metric"]), floats(series)) for target, all_ in answers for series in all_]
    lines = [(name, points) for name, points in lines if points]
    if not lines:
        return drawing.text(x + w / 2, y + h / 2, "no data", colour="#888", anchor="middle")
    # One line of the legend for some 130 pixels.
    columns = max(1, int(w // 240))
    h -= 14 * min(3, math.ceil(len(lines) / columns)) + 4
    top = max(v for _, points in lines for _, v in points) or 1
    for part in (0, 0.5, 1):
        at = y + h - part * (h - 8)
        drawing.line([(x + 52, at), (x + w, at)], "#e4e4e4")
        drawing.text(x + 48, at + 4, shown(part * top, unit), size=9, colour="#777", anchor="end")
    for i, (name, points) in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        at = [(x + 52 + (w - 52) * (t - since) / (until - since), y + h - (h - 8) * v / top) for t, v in points]
        drawing.line(at, colour)
        row, column = i // columns, i % columns
        if row < 3:
            left, below = x + 4 + column * (w / columns), y + h + 14 * (row + 1)
            drawing.box(left, below - 7, 10, 4, colour)
            drawing.text(left + 14, below, name[: int(w / columns / 5.4)], size=9)


def draw_stat(drawing, area, panel, answers, *_):
    x, y, w, h = area
    values = [floats(series)[-1][1] for _, all_ in answers for series in all_ if floats(series)]
    text = "  ".join(shown(value, panel["fieldConfig"]["defaults"]["unit"]) for value in values[:4]) or "no data"
    drawing.text(x + w / 2, y + h / 2 + 6, text, size=20 if len(values) < 2 else 13, colour="#0072B2", anchor="middle", weight="bold")


def draw_states(drawing, area, panel, answers, since, until):
    x, y, w, h = area
    options = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    rows = [(legend(target.get("legendFormat", ""), series["metric"]), floats(series)) for target, all_ in answers for series in all_]
    if not rows:
        return drawing.text(x + w / 2, y + h / 2, "no data", colour="#888", anchor="middle")
    height = min(26, h / len(rows))
    for i, (name, points) in enumerate(rows):
        drawing.text(x + 4, y + i * height + height / 2 + 4, name, size=10)
        # Each state until the next one.
        for (t, value), (end, _) in zip(points, [*points[1:], (until, 0)]):
            state = options.get(str(int(value)), {"color": "#ccc"})
            left, right = (x + 190 + (w - 190) * (at - since) / (until - since) for at in (t, end))
            drawing.box(left, y + i * height + 2, right - left + 0.5, height - 4, state["color"])
        if points:
            drawing.text(x + w - 6, y + i * height + height / 2 + 4, options.get(str(int(points[-1][1])), {}).get("text", ""), size=10, colour="#fff", anchor="end")


def colour_of(part):
    """From dark to light, as Viridis."""
    stops = [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)]
    at = min(max(part, 0), 1) * (len(stops) - 1)
    low = min(int(at), len(stops) - 2)
    mixed = [round(a + (b - a) * (at - low)) for a, b in zip(stops[low], stops[low + 1])]
    return "#%02x%02x%02x" % tuple(mixed)


def draw_heat(drawing, area, panel, answers, since, until):
    x, y, w, h = area
    unit = panel["fieldConfig"]["defaults"].get("unit", "short")
    cells = [(float(t), float(low), float(high), float(count)) for _, all_ in answers for series in all_
             for t, histogram in series.get("histograms", []) for _, low, high, count in histogram.get("buckets", [])
             if float(count) > 0 and float(low) > 0]
    if not cells:
        return drawing.text(x + w / 2, y + h / 2, "no data", colour="#888", anchor="middle")
    lowest, highest = math.log2(min(c[1] for c in cells)), math.log2(max(c[2] for c in cells))
    most = max(c[3] for c in cells)
    scale = (h - 6) / (highest - lowest)
    step = (w - 56) * max((until - since) / POINTS, 1) / (until - since)
    paths = {}
    drawing.box(x + 56, y, w - 56, h - 6, "#f3f3f3")
    # Cells beside each other of one colour are one box.
    rows = {}
    for t, low, high, count in cells:
        rows.setdefault((low, high), []).append((t, colour_of(round(10 * math.sqrt(count / most)) / 10)))
    for (low, high), row in rows.items():
        top, height = y + (highest - math.log2(high)) * scale, (math.log2(high) - math.log2(low)) * scale + 0.4
        runs = []
        for t, colour in sorted(row):
            left = x + 56 + (w - 56) * (t - since) / (until - since)
            right = min(left + step + 0.4, x + w)
            if runs and runs[-1][2] == colour and left <= runs[-1][1]:
                runs[-1][1] = right
            elif right > left:
                runs.append([left, right, colour])
        for left, right, colour in runs:
            paths.setdefault(colour, []).append(f"M{left:.0f},{top:.1f}H{right:.0f}v{height:.1f}H{left:.0f}z")
    for colour, boxes in sorted(paths.items()):
        drawing.parts.append(f'<path d="{"".join(boxes)}" fill="{colour}"/>')
    for i in range(5):
        value = 2 ** (lowest + (highest - lowest) * i / 4)
        drawing.text(x + 52, y + (h - 6) * (1 - i / 4) + (8 if i == 4 else 2), shown(value, unit), size=9, colour="#777", anchor="end")


def draw_bars(drawing, area, panel, answers, *_):
    x, y, w, h = area
    rows = [(legend(target.get("legendFormat", ""), series["metric"]), floats(series)) for target, all_ in answers for series in all_]
    rows = [(name, points[-1][1]) for name, points in rows if points]
    for i, (name, value) in enumerate(rows):
        height = min(34, h / len(rows))
        drawing.text(x + 4, y + i * height + 11, f"{name}: {shown(value, 'percentunit')}", size=10)
        drawing.box(x + 4, y + i * height + 15, (w - 8), 8, "#e8e8e8")
        drawing.box(x + 4, y + i * height + 15, (w - 8) * min(value, 1), 8, COLOURS[2])


def draw_table(drawing, area, panel, answers, *_):
    x, y, w, h = area
    columns = [one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]]
    units = [one["properties"][0]["value"] for one in panel["fieldConfig"]["overrides"]]
    rows = {}
    for i, (_, all_) in enumerate(answers):
        for series in all_:
            if floats(series):
                rows.setdefault(series["metric"].get("kernel", ""), {})[i] = shown(floats(series)[-1][1], units[i])
    width = (w - 110) / len(columns)
    drawing.text(x + 4, y + 10, "kernel", size=10, weight="bold")
    for i, title in enumerate(columns):
        drawing.text(x + 110 + i * width, y + 10, title, size=10, weight="bold")
    for n, (kernel, values) in enumerate(sorted(rows.items())[: int(h / 18) - 1]):
        drawing.text(x + 4, y + 30 + 18 * n, kernel, size=10)
        for i, value in values.items():
            drawing.text(x + 110 + i * width, y + 30 + 18 * n, value, size=10)


DRAW = {"timeseries": draw_lines, "stat": draw_stat, "state-timeline": draw_states, "heatmap": draw_heat, "bargauge": draw_bars, "table": draw_table}


def picture(dashboard, prometheus, since, until, rows, width):
    drawing = Drawing()
    panels = dashboard["panels"]
    tops = [panel["gridPos"]["y"] for panel in panels if panel["type"] == "row"]
    end = tops[rows] if rows and rows < len(tops) else math.inf
    panels = [panel for panel in panels if panel["gridPos"]["y"] < end]
    unit = width / 24
    height = 40 + max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels) * CELL + 24
    for panel in panels:
        at = panel["gridPos"]
        x, y, w, h = at["x"] * unit + GAP / 2, 40 + at["y"] * CELL + GAP / 2, at["w"] * unit - GAP, at["h"] * CELL - GAP
        if panel["type"] == "row":
            drawing.text(x + 4, y + 17, ("▸ " if panel["collapsed"] else "▾ ") + panel["title"], size=13, weight="bold")
            continue
        drawing.box(x, y, w, h, "#fff", 'stroke="#d4d4d4" rx="3"')
        drawing.text(x + 8, y + 16, panel["title"], size=12, weight="bold")
        answers = [(target, prometheus.over(substituted(target["expr"]), since, until)) for target in panel["targets"]]
        DRAW[panel["type"]](drawing, (x + 8, y + 26, w - 16, h - 32), panel, answers, since, until)
    said = "A plan of the dashboard with a real Prometheus's answers to its queries, drawn by scripts/dashboard-picture.py. Grafana draws the same numbers in its own way."
    drawing.text(GAP, height - 8, said, size=10, colour="#777")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" role="img">'
    title = f"<title>{escape(dashboard['title'])}</title><desc>{escape(said)}</desc>"
    name = f'<text x="{GAP}" y="24" font-size="17" font-weight="bold" fill="#222">{escape(dashboard["title"])}</text>'
    return "\n".join([head, title, f'<rect width="{width}" height="{height}" fill="#f7f7f7"/>', name, *drawing.parts, "</svg>\n"])


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].splitlines()[0])
    parser.add_argument("dashboard", type=pathlib.Path)
    parser.add_argument("--target", required=True)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=90)
    parser.add_argument("--rows", type=int, default=0, help="only so many rows of panels")
    parser.add_argument("--width", type=int, default=1200)
    arguments = parser.parse_args()
    dashboard = json.loads(arguments.dashboard.read_text())
    with Prometheus(arguments.target) as prometheus:
        time.sleep(arguments.seconds)
        now = time.time()
        if not prometheus.ask("query", query="up == 1")["result"]:
            fail(f"{arguments.target} does not answer: is `ringscope serve` running?")
        # A rate needs some samples before its first value.
        svg = picture(dashboard, prometheus, now - arguments.seconds + 6, now, arguments.rows, arguments.width)
    arguments.output.write_text(svg)


main()
