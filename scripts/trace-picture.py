#!/usr/bin/env python3
"""Renders a trace in Perfetto's format as an SVG: tracks as rows, slices as boxes, arrows as lines, instants as marks.

usage: scripts/trace-picture.py FILE.pftrace -o PICTURE.svg [--from MS] [--to MS] [--width PX]

What is drawn is what Perfetto's trace_processor answers about the file, in SQL. It is brought by scripts/trace-tools.sh:
    eval "$(scripts/trace-tools.sh)"
Times are milliseconds from the trace's first slice; without them it is all drawn.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLICES = """
select s.id, s.track_id, s.ts, s.dur, s.depth, s.name, coalesce(s.category, ''),
  (select a.display_value from args a where a.arg_set_id = s.arg_set_id and a.key = 'debug.status')
from slice s order by s.ts"""
TRACKS = """
select t.id, coalesce(t.name, th.name, ''), t.parent_id, th.tid
from track t left join thread_track tt on t.id = tt.id left join thread th using (utid)"""
FLOWS = "select slice_out, slice_in from flow"
COUNTERS = """
select t.id, t.name, t.parent_id, c.ts, c.value from counter c join counter_track t on c.track_id = t.id order by c.ts"""
# Boxes of one name have one colour, as in Perfetto.
COLOURS = ["#4e79a7", "#f28e2b", "#76b7b2", "#59a14f", "#b07aa1", "#9c755f", "#edc948", "#86bcb6"]
ROW, GAP, LEFT, TOP, FONT = 20, 10, 190, 34, 11


def fail(text):
    sys.exit(f"trace-picture: {text}")


def ask(path, queries):
    """Rows of each answer of trace_processor."""
    engine = os.environ.get("RINGSCOPE_PERFETTO") or fail('RINGSCOPE_PERFETTO is not set: eval "$(scripts/trace-tools.sh)"')
    command = ["node", ROOT / "tests/trace_tools/perfetto.js", engine, path]
    done = subprocess.run(command, input=json.dumps(queries), stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        fail(f"trace_processor cannot read {path}, see above")
    answers = json.loads(done.stdout)
    for answer in answers:
        if "error" in answer:
            fail(answer["error"])
    return [answer["rows"] for answer in answers]


class Picture:
    def __init__(self, answers, since_ms, until_ms, width):
        slices, tracks, flows, counters = answers
        self.slices = [
            {"id": int(i), "track": int(t), "ts": int(ts), "dur": int(dur), "depth": int(d), "name": n, "category": c, "status": s}
            for i, t, ts, dur, d, n, c, s in slices
        ]
        if not self.slices:
            fail("there is no slice in the trace")
        self.tracks = {int(i): (n, int(p) if p is not None else None) for i, n, p, _ in tracks}
        self.flows = [(int(a), int(b)) for a, b in flows]
        self.counters = {}
        for i, n, p, ts, value in counters:
            self.counters.setdefault((int(i), n, int(p) if p is not None else None), []).append((int(ts), float(value)))
        start = min(s["ts"] for s in self.slices)
        end = max(s["ts"] + max(s["dur"], 0) for s in self.slices)
        self.begin = start if since_ms is None else start + int(since_ms * 1e6)
        self.end = end if until_ms is None else start + int(until_ms * 1e6)
        self.start, self.width, self.out, self.places = start, width, [], {}
        self.end = max(self.end, self.begin + 1)

    def x(self, ts):
        inside = min(max(ts, self.begin), self.end)
        return LEFT + (inside - self.begin) / (self.end - self.begin) * (self.width - LEFT - 12)

    def seen(self, s):
        end = self.end if s["dur"] < 0 else s["ts"] + s["dur"]
        return s["ts"] <= self.end and end >= self.begin

    def path(self, track):
        """Names from the top down: a device, its multiprocessor, its block."""
        names = []
        while track is not None and track in self.tracks:
            name, track = self.tracks[track]
            names.insert(0, name)
        return names

    def rows(self):
        """Tracks with something to see, those of the host first."""
        by_track = {}
        for s in filter(self.seen, self.slices):
            by_track.setdefault(s["track"], []).append(s)
        counters = {i: (n, p, v) for (i, n, p), v in self.counters.items() if any(self.begin <= ts <= self.end for ts, _ in v)}
        order = [(len(self.path(t)) > 1, self.path(t), t) for t in by_track]
        return by_track, counters, [t for _, _, t in sorted(order)]

    def draw(self):
        by_track, counters, order = self.rows()
        y = TOP
        heading = None
        for track in order:
            path = self.path(track)
            if path[:-1] and path[:-1] != heading:
                heading = path[:-1]
                y += 6
                self.text(8, y + 13, " · ".join(heading), bold=True)
                y += ROW
            depths = 1 + max(s["depth"] for s in by_track[track])
            self.row_label(y, path[-1] or "thread")
            self.out.append(f'<rect x="{LEFT}" y="{y}" width="{self.width - LEFT - 12}" height="{depths * ROW}" fill="#f6f6f4"/>')
            for s in by_track[track]:
                self.slice(s, y + s["depth"] * ROW)
            y += depths * ROW + 4
            for name, parent, values in counters.values():
                if parent == track or (parent is not None and self.path(parent) == path):
                    y = self.counter(name, values, y)
            y += GAP - 4
        self.arrows()
        height = y + 8
        self.axis(height)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height}" width="{self.width}" height="{height}" '
            f'font-family="ui-sans-serif, Helvetica, Arial, sans-serif" font-size="{FONT}">'
            f'<rect width="{self.width}" height="{height}" fill="#ffffff"/>'
        )
        return head + "\n" + "\n".join(self.out) + "\n</svg>\n"

    def text(self, x, y, text, bold=False, colour="#222222"):
        weight = ' font-weight="bold"' if bold else ""
        self.out.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{weight}>{escape(text)}</text>')

    def row_label(self, y, name):
        self.text(16, y + 14, name if len(name) <= 28 else name[:27] + "…")

    def colour(self, s):
        if s["status"] == "error":
            return "#e15759"
        return COLOURS[sum(map(ord, s["name"])) % len(COLOURS)]

    def slice(self, s, y):
        x = self.x(s["ts"])
        self.places[s["id"]] = (x, y + ROW / 2)
        took = "goes on" if s["dur"] < 0 else "%.1f µs" % (s["dur"] / 1e3)
        title = escape(f"{s['name']}, {took}")
        if s["category"] == "lost":
            self.out.append(f'<rect x="{x - 1:.1f}" y="{y}" width="3" height="{ROW}" fill="#e15759"><title>{title}</title></rect>')
            self.text(x + 5, y + 14, s["name"], bold=True, colour="#e15759")
            return
        if s["dur"] == 0:
            low = y + ROW - 2
            self.out.append(f'<path d="M{x:.1f} {low} l-3 -6 h6 z" fill="#444444"><title>{title}</title></path>')
            return
        end = self.end if s["dur"] < 0 else s["ts"] + s["dur"]
        width = max(self.x(end) - x, 0.8)
        dashed = ' stroke="#222222" stroke-dasharray="3 2"' if s["dur"] < 0 else ""
        self.out.append(
            f'<rect x="{x:.1f}" y="{y + 1}" width="{width:.1f}" height="{ROW - 2}" rx="1.5" fill="{self.colour(s)}"{dashed}>'
            f"<title>{title}</title></rect>"
        )
        room = int((width - 6) / (FONT * 0.58))
        if room >= 3:
            name = s["name"] if len(s["name"]) <= room else s["name"][: room - 1] + "…"
            self.text(x + 3, y + 14, name, colour="#ffffff")

    def counter(self, name, values, y):
        top = max(v for _, v in values) or 1.0
        self.row_label(y, f"  {name}")
        points = [(self.x(ts), y + ROW - 2 - max(v, 0.0) / top * (ROW - 4)) for ts, v in values if self.begin <= ts <= self.end]
        line = f"M{points[0][0]:.1f} {points[0][1]:.1f}" + "".join(f" H{x:.1f} V{v:.1f}" for x, v in points[1:])
        self.out.append(f'<path d="{line}" fill="none" stroke="#4e79a7" stroke-width="1.3"/>')
        return y + ROW + 4

    def arrows(self):
        for a, b in self.flows:
            if a in self.places and b in self.places:
                (x, y), (u, v) = self.places[a], self.places[b]
                bend = max(abs(u - x) / 2, 12)
                d = f"M{x:.1f} {y:.1f} C{x + bend:.1f} {y:.1f} {u - bend:.1f} {v:.1f} {u:.1f} {v:.1f}"
                self.out.append(f'<path d="{d}" fill="none" stroke="#7a3e9d" stroke-opacity="0.55"/>')

    def axis(self, height):
        span = (self.end - self.begin) / 1e3
        step = next(s * 10**e for e in range(-3, 10) for s in (1, 2, 5) if span / (s * 10**e) <= 10)
        first = (self.begin - self.start) / 1e3
        tick = -(-first // step) * step
        while tick <= (self.end - self.start) / 1e3:
            x = self.x(self.start + tick * 1e3)
            self.out.insert(0, f'<path d="M{x:.1f} {TOP - 8} V{height - 8}" stroke="#e2e2de"/>')
            text = f"{tick / 1e3:g} ms" if step >= 100 else f"{tick:g} µs"
            self.text(x + 3, TOP - 12, text, colour="#777777")
            tick += step


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("trace")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--from", dest="since", type=float, metavar="MS")
    parser.add_argument("--to", dest="until", type=float, metavar="MS")
    parser.add_argument("--width", type=int, default=1100, metavar="PX")
    args = parser.parse_args()
    answers = ask(args.trace, [SLICES, TRACKS, FLOWS, COUNTERS])
    picture = Picture(answers, args.since, args.until, args.width).draw()
    pathlib.Path(args.output).write_text(picture)


main()
