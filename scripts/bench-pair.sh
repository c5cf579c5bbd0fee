#!/usr/bin/env bash
# Compares this working tree with another revision in one run: `ringscope bench` on the host device and the benchmark of
# snapshots, of both in turn, so that what the machine does besides falls on both alike.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/bench-pair.sh [--rounds N] [--limit PERCENT] [--full] [--only SECTION]... [-o FILE] REV

Builds REV, in a git worktree under target/bench-pair, and the working tree, runs the benchmarks of both in turn, and
prints each row with the ratio of the medians and its spread over the rounds (speed, by that of REV: above 1 is faster).
Ends with 1 if a row is slower than the limit with its whole spread, with 0 if none is, and with 2 if it could not measure.

  --rounds N        how often each is run (default 5; at least 3)
  --limit PERCENT   how much slower a row may be, beyond its spread (default 5)
  --full            as long as 'ringscope bench' runs without --quick: some 10 minutes a run instead of one
  --only SECTION    overhead, events, record, snapshot or messages of 'ringscope bench', or snapshots, the benchmark of
                    1,000 kernels; may be given several times (default: all)
  -o FILE           write the record to FILE as well, in Markdown
END
}

rounds=5 limit=5 quick=--quick file="" revision=""
only=()
die() {
    echo "bench-pair: $*" >&2
    exit 2
}
while (($# > 0)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --rounds | --limit | --only | -o)
            (($# > 1)) || die "$1 needs a value"
            case $1 in
                --rounds) rounds=$2 ;;
                --limit) limit=$2 ;;
                --only) only+=("$2") ;;
                -o) file=$2 ;;
            esac
            shift
            ;;
        --full) quick="" ;;
        -*) usage >&2; exit 2 ;;
        *) [[ -z $revision ]] || { usage >&2; exit 2; }; revision=$1 ;;
    esac
    shift
done
[[ -n $revision ]] || { usage >&2; exit 2; }
[[ $rounds =~ ^[1-9][0-9]*$ ]] && ((rounds >= 3)) || die "--rounds is $rounds, and must be a whole number from 3 on"
[[ $limit =~ ^[0-9]+([.][0-9]+)?$ ]] || die "--limit is $limit, and must be a number of percent"
for section in "${only[@]}"; do
    [[ $section =~ ^(overhead|events|record|snapshot|messages|snapshots)$ ]] || die "there is no section $section, see --help"
done
command -v python3 >/dev/null || die "python3 is needed to compare, and was not found"
commit=$(git rev-parse --verify --quiet "$revision^{commit}") || die "$revision is no revision of this repository"

wants() { [[ ${#only[@]} == 0 || " ${only[*]} " == *" $1 "* ]]; }
sections=()
for section in overhead events record snapshot messages; do
    if wants "$section"; then sections+=(--only "$section"); fi
done

folder=$PWD/target/bench-pair
mkdir -p "$folder"
before=$folder/tree
git worktree prune
if [[ -e $before/.git ]]; then
    git -C "$before" checkout --quiet --force --detach "$commit"
else
    rm -rf "$before"
    git worktree add --quiet --force --detach "$before" "$commit"
fi
runs=$(mktemp -d "$folder/runs.XXXXXX")
trap 'rm -rf "$runs"' EXIT

# build TREE TARGET NAME: the programs of a tree, under the names that the runs call them by.
build() {
    local tree=$1 target=$2 name=$3 found
    echo "building $name ..." >&2
    if [[ ${#sections[@]} != 0 ]]; then
        (cd "$tree" && CARGO_TARGET_DIR=$target cargo build --quiet --release --package ringscope --features cli --bin ringscope) ||
            return 1
        cp "$target/release/ringscope" "$runs/$name" || return 1
    fi
    if wants snapshots; then
        found=$(cd "$tree" && CARGO_TARGET_DIR=$target cargo bench --quiet --package ringscope --bench snapshot --no-run \
            --message-format=json | python3 -c '
import json, sys
artifacts = (json.loads(line) for line in sys.stdin)
print([a["executable"] for a in artifacts if a.get("target", {}).get("name") == "snapshot" and a.get("executable")][-1])')
        [[ -n $found ]] || return 1
        cp "$found" "$runs/$name-snapshots"
    fi
}
build "$before" "$folder/build" before || die "$revision could not be built"
build "$PWD" "${CARGO_TARGET_DIR:-$PWD/target}" after || die "the working tree could not be built"

# run NAME ROUND
run() {
    local name=$1 round=$2
    if [[ ${#sections[@]} != 0 ]]; then
        "$runs/$name" bench --device host $quick --json "${sections[@]}" >"$runs/$name-$round.json" || return 1
    fi
    if wants snapshots; then
        CRITERION_HOME=$runs/criterion-$name-$round "$runs/$name-snapshots" --bench --noplot \
            --warm-up-time 1 --measurement-time 2 --sample-size 20 '/(1|1000)$' >"$runs/log" 2>&1 ||
            { cat "$runs/log" >&2; return 1; }
    fi
}
for ((round = 1; round <= rounds; ++round)); do
    echo "round $round of $rounds ..." >&2
    # The first of a pair is another one each time.
    order=(before after)
    ((round % 2 == 1)) || order=(after before)
    for name in "${order[@]}"; do
        run "$name" "$round" || die "the benchmarks of $name failed"
    done
done

cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -1)
changes=$(git diff --quiet HEAD || echo " with changes")
title="${cpu:-$(uname -m)}, $(getconf _NPROCESSORS_ONLN) cores, $(date -u +%Y-%m-%d): $(git rev-parse --short "$commit") and $(git rev-parse --short HEAD)$changes"
result=0
table=$(python3 scripts/bench-pair.py --limit "$limit" --title "$title" "$runs") || result=$?
((result <= 1)) || die "what was measured could not be compared"
printf '%s\n' "$table"
[[ -z $file ]] || printf '%s\n' "$table" >"$file"
exit "$result"
