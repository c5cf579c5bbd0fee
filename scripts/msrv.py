#!/usr/bin/env python3
"""Checks that the stated Rust version is true for every feature set, by the manifests of what each resolves to.

usage: scripts/msrv.py [--help]

Asks `cargo tree` which packages each feature set of Cargo.toml brings to a dependent on x86-64 Linux (normal and build
dependencies, not those of tests), and takes the highest `rust-version` among their manifests. It must not be
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


def cargo(*arguments):
    command = ["cargo", *arguments, "--locked"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"msrv: {' '.join(command)}:\n{done.stderr}")
    return done.stdout


def version(text):
    parts = [int(part) for part in text.split("-")[0].split(".")]
    return tuple((parts + [0, 0])[:3])


def manifests():
    """The manifests of all that the lock file names: by name and version, and the crate's own."""
    packages = json.loads(cargo("metadata", "--format-version=1", "--all-features"))["packages"]
    by_name = {(package["name"], package["version"]): package for package in packages}
    return by_name, next(package for package in packages if package["name"] == "ringscope")


def brought(by_name, features):
    """The packages that a dependent builds with these features, without the crate itself."""
    chosen = [] if features is None else ["--no-default-features", "--features", " ".join(features)]
    # A tree of this one package: the workspace's other member would turn its features on.
    lines = cargo("tree", "--package=ringscope", f"--target={PLATFORM}", "--edges=normal,build", "--prefix=none",
                  "--format={p}", *chosen).splitlines()
    names = {tuple(line.split()[:2]) for line in lines if line}
    return [by_name[name, version.lstrip("v")] for name, version in names if name != "ringscope"]


def main():
    if len(sys.argv) > 1:
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    by_name, root = manifests()
    stated = root["rust_version"]
    wrong = []
    sets = [[]] + [[feature] for feature in sorted(root["features"]) if feature != "default"]
    for features in sets + [None, sorted(root["features"])]:
        name = "(default)" if features is None else " ".join(features) or "(none)"
        packages = brought(by_name, features)
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
