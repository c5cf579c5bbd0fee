#!/usr/bin/env bash
# Runs the sections of this pack on this machine's GPU, each under two minutes, and writes a report of each at once.
set -uo pipefail
caller=$PWD
cd "$(dirname "$0")" || exit 1
pack=$PWD

usage() {
    cat <<END
usage: run.sh [--list | --help] [--to FOLDER] [SECTION...]

Runs all sections, or those that are named, one after another: first \`machine\`, whose verdict says whether the rest can
run. Each has its own report, SECTION.txt in FOLDER (default: \$RINGSCOPE_GPU_REPORTS, else a new folder in reports/ of
this pack), which grows while the section runs: what is cut off leaves what it had. FOLDER/summary.txt has a line for each.

A section ends after RINGSCOPE_SECTION_SECONDS (default 110) at the latest. --list names the sections.

Exit codes:
  0  every section passed or was skipped for a reason of its own
  1  a section failed or was cut off, or the machine cannot run the sections
  2  wrong usage
END
}

title() { sed -n '2s/^# //p' "$1"; }
name_of() { local file=${1##*/}; printf '%s' "${file#[0-9][0-9]-}"; }

list() {
    for file in sections/*; do printf '%-14s %s\n' "$(name_of "$file")" "$(title "$file")"; done
}

to=${RINGSCOPE_GPU_REPORTS:-}
wanted=()
while (($#)); do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --list) list; exit 0 ;;
        --to) [ $# -ge 2 ] || { usage >&2; exit 2; }; to=$2; shift ;;
        -*) usage >&2; exit 2 ;;
        *)
            file=$(echo sections/[0-9][0-9]-"$1")
            [ -f "$file" ] || { echo "run.sh: there is no section \`$1\`:" >&2; list >&2; exit 2; }
            wanted+=("$file")
            ;;
    esac
    shift
done
limit=${RINGSCOPE_SECTION_SECONDS:-110}
[[ $limit =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: RINGSCOPE_SECTION_SECONDS is not a number of seconds: $limit" >&2; exit 2; }
to=${to:-$pack/reports/$(uname -n)-$(date -u +%Y-%m-%d-%H%M%S)}
[[ $to = /* ]] || to=$caller/$to
mkdir -p "$to" && to=$(cd "$to" && pwd) || exit 1
rm -f "$to/verdict"

export RINGSCOPE_PACK=$pack RINGSCOPE_GPU_REPORTS=$to RINGSCOPE_REQUIRE_CUDA=1 NO_COLOR=1
export LD_LIBRARY_PATH="$pack${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

running=
trap '[ -z "$running" ] || kill -TERM "$running" 2>/dev/null; echo "interrupted; the reports so far are in $to" >&2; exit 130' INT TERM

failed=0
# note FILE OUTCOME: the section's last words, in its report and in the summary.
note() {
    printf '\noutcome: %s\n' "$2" >>"$to/$(name_of "$1").txt"
    printf '%-14s %s\n' "$(name_of "$1")" "$2" | tee -a "$to/summary.txt" >&2
}

# section FILE: runs it, and gives it up at the limit even if nothing can kill it.
section() {
    local file=$1 report code=0 start=$SECONDS
    report=$to/$(name_of "$file").txt
    printf '# %s: %s\n# %s, %s\n\n' "$(name_of "$file")" "$(title "$file")" "$(uname -n)" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" >"$report"
    if [ "$(name_of "$file")" != machine ] && [ "$(cat "$to/verdict" 2>/dev/null)" != yes ]; then
        note "$file" "skipped: this machine cannot run it, see machine.txt"
        return
    fi
    timeout --kill-after=3 "$limit" bash "$file" >>"$report" 2>&1 </dev/null &
    running=$!
    while kill -0 "$running" 2>/dev/null && ((SECONDS - start < limit + 8)); do sleep 0.1; done
    if kill -0 "$running" 2>/dev/null; then
        disown "$running"
        code=124
        echo "It does not end even when it is killed: the driver holds it. It is left behind." >>"$report"
    else
        # In braces: the shell would say that it was killed.
        { wait "$running"; } 2>/dev/null || code=$?
    fi
    running=
    case $code in
        0) note "$file" "passed in $((SECONDS - start)) s" ;;
        77) note "$file" "$(grep '^skipped: ' "$report" | tail -1)" ;;
        124 | 137) failed=1; note "$file" "cut off after $((SECONDS - start)) s" ;;
        *) failed=1; note "$file" "failed (exit $code) after $((SECONDS - start)) s" ;;
    esac
}

: >"$to/summary.txt"
machine=$(echo sections/[0-9][0-9]-machine)
section "$machine"
if [ "$(cat "$to/verdict" 2>/dev/null)" != yes ]; then
    failed=1
    echo "run.sh: nothing else can run: $(cat "$to/verdict" 2>/dev/null || echo 'the section machine came to no verdict')" >&2
fi
[ ${#wanted[@]} -gt 0 ] || wanted=(sections/*)
for file in "${wanted[@]}"; do [ "$file" = "$machine" ] || section "$file"; done
# One file for benches/records, the summary first.
{ cat "$to/summary.txt"; for file in sections/*; do [ ! -f "$to/$(name_of "$file").txt" ] || { echo; cat "$to/$(name_of "$file").txt"; }; done; } >"$to/all.txt"
echo "reports: $to" >&2
exit "$failed"
