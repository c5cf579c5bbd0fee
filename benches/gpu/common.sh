# Sourced by the sections, which run.sh starts.
cd "$RINGSCOPE_PACK" || exit 1

# The section does not apply, for a reason.
skip() {
    echo "skipped: $*"
    exit 77
}

# What follows from the numbers.
decision() { printf '\ndecision: %s\n' "$*"; }

has() { command -v "$1" >/dev/null 2>&1; }

# newer A B: whether version A is newer than B.
newer() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -1)" = "$1" ]; }

# tests NAME...: GPU tests one after another, each cut off by itself, so that one that hangs leaves the others; whether all passed.
tests() {
    local passed=0
    for name in "$@"; do
        echo "== $name"
        timeout --kill-after=2 $((100 / $#)) "./test-$name" --nocapture --test-threads 1 || { echo "$name: exit $?"; passed=1; }
    done
    return $passed
}
