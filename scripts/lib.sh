# Sourced by the scripts that bring a tool into an ignored folder of this checkout, without root. Each sets `name` (for
# messages) and `folder`, defines `usage`, and calls these.

export PIP_ROOT_USER_ACTION=ignore  # pip installs into a folder of its own

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
    echo "$name: $*" >&2
    exit 1
}

# No arguments but --help.
no_arguments() {
    case "${1-}" in
        "") ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
}

# once WANTED MESSAGE FUNCTION: runs FUNCTION, which fills $folder.part, unless $folder holds WANTED already. The folder is
# filled beside its place and then moved there: an installation that was cut short is not taken for a whole one.
once() {
    local wanted=$1 message=$2 fill=$3
    if [[ -f $folder/installed && $(<"$folder/installed") == "$wanted" ]]; then
        echo "$name: already in $folder, nothing to do." >&2
        return
    fi
    command -v python3 >/dev/null || fail "python3 is needed to install the packages, and was not found"
    python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip: install it (python3-pip on Debian and Ubuntu)"
    echo "$message into $folder ..." >&2
    rm -rf "$folder.part"
    trap 'rm -rf "$folder.part"' EXIT
    mkdir -p "$folder.part"
    "$fill"
    echo "$wanted" >"$folder.part/installed"
    rm -rf "$folder"
    mv "$folder.part" "$folder"
}

# pip_install TARGET PACKAGE...: wheels only, nothing they depend on.
pip_install() {
    local target=$1
    shift
    python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location --no-deps --no-compile \
        --only-binary=:all: --target "$target" "$@" || fail "pip could not install $*, see above"
}
