# SPDX-License-Identifier: Apache-2.0
# packages.sh: sourced by demo.sh and test.sh after progress.sh. Says which Debian packages are missing and how much is
# fetched, and installs them; without the right to, it prints the command that does and stops.
#
# A word is a package, or several of which the first that apt knows is taken ("clang-15|clang-19"); a "?" behind it: what
# apt does not know at all is left out, and the tests that need it are counted as skipped.
BUILD_PACKAGES="gcc g++ libc6-dev meson ninja-build pkg-config python3 ocl-icd-opencl-dev opencl-c-headers
    pocl-opencl-icd ocl-icd-libopencl1 libjansson-dev zlib1g-dev libspng-dev libjpeg62-turbo-dev libclblast-dev"
TEST_PACKAGES="libcmocka-dev python3-venv cmake? oclgrind? mesa-opencl-icd? clang-15|clang-19|clang? libclc-15|libclc-19?"

installed_packages() { dpkg-query -W -f='${Package} ${Status}\n' 2>/dev/null | sed -n 's/ install ok installed$//p'; }

# Of these names, those that apt could install, in the order of the names.
known_packages() {
    local known name
    known=" $(LC_ALL=C apt-cache policy "$@" 2>/dev/null | awk '/^[^ ]/ { name = $1; sub(/:$/, "", name) } /Candidate:/ && $2 != "(none)" { print name }' | tr '\n' ' ')"
    for name in "$@"; do
        case "$known" in *" $name "*) echo "$name" ;; esac
    done
}

# Sets WANTED (a name for each word), MISSING (those that are not installed), UNKNOWN (words that apt has nothing for) and
# LEFT_OUT (the same, of words with a "?").
choose_packages() {
    local word names name installed known
    WANTED="" MISSING="" UNKNOWN="" LEFT_OUT=""
    installed=" $(installed_packages | tr '\n' ' ')"
    known=" $(known_packages $(echo "$*" | tr -d '?' | tr '|' ' ') | tr '\n' ' ')"
    for word in "$@"; do
        names=$(echo "${word%\?}" | tr '|' ' ')
        for name in $names; do
            case "$installed" in *" $name "*) WANTED="$WANTED $name"; continue 2 ;; esac
        done
        for name in $names; do
            case "$known" in *" $name "*) WANTED="$WANTED $name" MISSING="$MISSING $name"; continue 2 ;; esac
        done
        case "$word" in
        *\?) LEFT_OUT="$LEFT_OUT ${word%\?}" ;;
        *) UNKNOWN="$UNKNOWN $word" ;;
        esac
    done
}

# A command's words with what lets it install: nothing for root, sudo where it asks for no password; 1 where there is neither.
find_rights() {
    AS_ROOT=""
    [ "$(id -u)" = 0 ] && return 0
    AS_ROOT="sudo"
    command -v sudo >/dev/null && sudo -n true 2>/dev/null
}

# Bytes that apt would fetch for these packages.
bytes_to_fetch() {
    apt-get install --print-uris -y -qq --no-install-recommends "$@" 2>/dev/null | awk -v quote="'" 'index($1, quote) == 1 { bytes += $3 } END { printf "%.0f", bytes }'
}

refuse_packages() { # why
    echo "$1 As root:" >&2
    [ -z "$UNKNOWN" ] || echo "    apt-get update" >&2
    echo "    apt-get install --no-install-recommends$MISSING$(echo "$UNKNOWN" | sed 's/|[^ ]*//g')" >&2
    echo "Then start this again." >&2
    exit 1
}

# Per cent of an installation, from the last line of apt's status: the first half is fetching, the second unpacking.
packages_done() { awk -F: '/^dlstatus/ { p = $3 / 2 } /^pmstatus/ { p = 50 + $3 / 2 } END { printf "%d 100", p }' "$1.status" 2>/dev/null; }

# The shell within opens apt's status: sudo hands on no file but the first three.
install_packages() { # log, packages
    # shellcheck disable=SC2016
    exec $AS_ROOT env DEBIAN_FRONTEND=noninteractive sh -c '
        log=$1
        shift
        exec apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 -o APT::Status-Fd=9 "$@" 9>"$log.status"' sh "$@"
}

need_packages() {
    local bytes
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "this is no Debian: what README.md names under Building has to be there"
        return 0
    fi
    choose_packages "$@"
    if [ -z "$MISSING$UNKNOWN" ]; then
        say "all packages that this needs are installed${LEFT_OUT:+; apt knows none of:$LEFT_OUT}"
        return 0
    fi
    find_rights || refuse_packages "Packages are missing, and installing them takes rights that you do not have here."
    watch "asking apt what there is" update - $AS_ROOT apt-get update -q
    choose_packages "$@"
    if [ -n "$UNKNOWN" ]; then
        echo "apt knows no package for:$UNKNOWN" >&2
        exit 1
    fi
    [ -n "$MISSING" ] || return 0
    bytes=$(bytes_to_fetch $MISSING)
    expect packages $((bytes / 8000000 + $(echo $MISSING | wc -w) * 2))
    say "to install, $(in_megabytes "$bytes") to fetch:$MISSING${LEFT_OUT:+ (apt knows none of:$LEFT_OUT)}"
    watch "installing packages" packages packages_done install_packages build/packages.log $MISSING
}
