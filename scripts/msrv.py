#!/usr/bin/env python3
"""Checks that the stated Rust version is true for every feature set, by the manifests of what each resolves to.

usage: scripts/msrv.py [--help]

Asks `cargo metadata --locked` which packages each feature set of Cargo.toml brings to a dependent on x86-64 Linux (normal
and build dependencies, not those of tests), and takes the highest `rust-version` among their manifests. It must not be
above the `rust-version` in Cargo.toml, and README.md must state the same. That the crate's own code needs no newer standard
library is what clippy's `incompatible_msrv` sees. Prints a line for each feature set: how many packages it brings besides
this one, the highest version, and whose it is.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLATFORM = "x86_64-unknown-linux-gnu"


def metadata(features):
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={PLATFORM}"]
    if features is not None:
        command += ["--no-default-features", "--features", " ".join(features)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"msrv: {' '.join(command)}:\n{done.stderr}")
    return json.loads(done.stdout)


def version(text):
    parts = [int(part) for part in text.split("-")[0].split(".")]
    return tuple((parts + [0, 0])[:3])


def brought(meta):
    """The packages that a dependent of the root builds, without the root."""
    nodes = {node["id"]: node for node in meta["resolve"]["nodes"]}
    packages = {package["id"]: package for package in meta["packages"]}
    root = meta["resolve"]["root"]
    seen, waiting = {root}, [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            used = any(kind["kind"] in (None, "build") for kind in dependency["dep_kinds"])
            if used and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return packages[root], [packages[one] for one in seen - {root}]


def main():
    if len(sys.argv) > 1:
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    root, _ = brought(metadata([]))
    stated = root["rust_version"]
    wrong = []
    sets = [[]] + [[feature] for feature in sorted(root["features"]) if feature != "default"]
    for features in sets + [None, sorted(root["features"])]:
        name = "(default)" if features is None else " ".join(features) or "(none)"
        _, packages = brought(metadata(features))
        highest = max(packages, key=lambda package: version(package["rust_version"] or "0"))
        needs = highest["rust_version"] or "none stated"
        print(f"{len(packages):4} packages, Rust {needs:8} of {highest['name']} {highest['version']}: {name}")
        if version(highest["rust_version"] or "0") > version(stated):
            wrong.append(f"`{name}` needs Rust {needs}, of {highest['name']} {highest['version']}")
    readme = re.search(r"Rust (\d+\.\d+(?:\.\d+)?)", (ROOT / "README.md").read_text())
    if not readme or version(readme[1]) != version(stated):
        wrong.append(f"README.md says {readme[0] if readme else 'nothing'}")
    if wrong:
        sys.exit("msrv: Cargo.toml states Rust " + stated + ", but " + "; ".join(wrong))
    print(f"Rust {stated}, as Cargo.toml and README.md state, is enough for every feature set.")


main()
