"""Compares what two builds measured in turn: the JSON documents of `ringscope bench` and the estimates of criterion that
scripts/bench-pair.sh leaves in a folder, before-N.json and after-N.json, criterion-before-N and criterion-after-N.

Prints a table in Markdown; ends with 1 if a row is slower than the limit with its whole spread."""

import argparse
import json
import pathlib
import re
import statistics
import sys


def overhead(row):
    level_0 = row["messages_per_second"]
    name = f"{row['kernel']} {row['bytes']} B, blocks: {row['blocks']}"
    yield f"{name}, level 0", level_0, "msg/s"
    for variant in ("null_ref", "level_1", "level_2"):
        yield f"{name}, {variant.replace('_', ' ')}", level_0 * row[variant]["median"], "msg/s"


def events(row):
    level_2 = row["messages_per_second"]
    for variant in ("no_spans", "slow_only", "one_of_64", "all"):
        name = f"{row['kernel']} {row['bytes']} B, blocks: {row['blocks']}, level 3, {variant.replace('_', ' ')}"
        yield name, level_2 * row[variant]["median"], "msg/s"


def record(row):
    yield f"a record: {row['design']}, blocks: {row['blocks']}", row["ns"]["median"], "ns"


def snapshot(row):
    yield f"snapshot under load, kernels: {row['kernels']}", row["snapshot"]["p50_us"], "µs"


def messages(found):
    for row in found["round_trip"]:
        yield f"round trip of {row['bytes']} B, p50", row["p50_us"], "µs"
    for row in found["peak"]:
        name = f"peak of {row['bytes']} B, kernels: {row['kernels']}, blocks: {row['blocks']}"
        yield name, row["messages_per_second"]["median"], "msg/s"


def numbers(document):
    """Every number of one run by its row's name, with its unit."""
    for section, rows in (("overhead", overhead), ("events", events), ("record", record), ("snapshot", snapshot)):
        for row in document.get(section) or []:
            yield from rows(row)
    if document.get("messages"):
        yield from messages(document["messages"])


def estimates(folder):
    """The medians of criterion's benchmarks."""
    for path in sorted(folder.glob("**/new/estimates.json")):
        name = json.loads((path.parent / "benchmark.json").read_text())["full_id"]
        yield name, json.loads(path.read_text())["median"]["point_estimate"], "ns"


def runs(folder, side):
    """The runs of one side in their order, each as {row: (number, unit)}."""
    found = {}
    for path in folder.iterdir():
        if match := re.fullmatch(rf"{side}-(\d+)\.json", path.name):
            found.setdefault(int(match[1]), {}).update((n, (v, u)) for n, v, u in numbers(json.loads(path.read_text())))
        elif match := re.fullmatch(rf"criterion-{side}-(\d+)", path.name):
            found.setdefault(int(match[1]), {}).update((n, (v, u)) for n, v, u in estimates(path))
    return [found[n] for n in sorted(found)]


def speed(before, after, unit):
    """How fast it is, by how fast it was. A record's cost is a difference, and may be nothing."""
    if unit == "msg/s":
        return after / before if before > 0 else 1.0
    return max(before, 0.1) / max(after, 0.1) if unit == "ns" else before / after


def quartiles(values):
    values = sorted(values)
    return values[(len(values) - 1) // 4], values[(len(values) - 1) - (len(values) - 1) // 4]


def human(value, unit):
    return f"{value / 1e3:,.0f} k/s" if unit == "msg/s" else f"{value:,.2f} {unit}"


def compare(before, after, limit):
    """The rows, each with whether it is too slow; and those that only one side has."""
    names = [name for name in before[0] if all(name in run for run in before + after)]
    either = dict.fromkeys(name for run in before + after for name in run)
    rows = []
    for name in names:
        unit = before[0][name][1]
        old, new = [run[name][0] for run in before], [run[name][0] for run in after]
        medians = statistics.median(old), statistics.median(new)
        low, high = quartiles([speed(a, b, unit) for a, b in zip(old, new)])
        ratio = speed(*medians, unit)
        rows.append((name, unit, *medians, ratio, low, high, max(ratio, high) < 1 - limit / 100))
    return rows, [name for name in either if name not in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=5.0, metavar="PERCENT")
    parser.add_argument("--title", default="before and after")
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    before, after = runs(args.folder, "before"), runs(args.folder, "after")
    if not before or len(before) != len(after):
        print(f"bench-pair: {len(before)} runs before and {len(after)} after in {args.folder}", file=sys.stderr)
        sys.exit(2)
    rows, single = compare(before, after, args.limit)
    if not rows:
        print("bench-pair: the two have no row in common", file=sys.stderr)
        sys.exit(2)
    print(f"# {args.title}\n")
    print("Host device: no number here is of a GPU. Made by `scripts/bench-pair.sh`: both revisions in turn, in one run,")
    print(f"{len(before)} times each. speed: that of the second by that of the first, of the medians [quartiles of the pairs].\n")
    print("| row | before | after | speed |\n|---|---:|---:|---:|")
    for name, unit, old, new, ratio, low, high, slower in rows:
        mark = " **slower**" if slower else ""
        print(f"| {name} | {human(old, unit)} | {human(new, unit)} | {ratio:.3f} [{low:.3f}, {high:.3f}]{mark} |")
    if single:
        print(f"\nNot compared, for one of the two lacks them: {'; '.join(single)}.")
    slower = sum(row[-1] for row in rows)
    print(f"\n{slower} of {len(rows)} rows are slower by more than {args.limit:g} % beyond their spread.")
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
