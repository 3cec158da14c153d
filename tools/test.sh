#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# test.sh: installs what is missing, builds with and without sanitizers, runs every test. Ends with one line
# "N passed, N failed, N skipped" over all test programs; exit status 0 only if none failed.
# Usage: tools/test.sh [--packages]
set -eu
NAME=test
usage="usage: tools/test.sh              build and run every test
       tools/test.sh --packages   only print the Debian packages that it needs"
list=""
if [ $# -gt 0 ]; then
    case "$1" in
    --packages) list=yes ;;
    --help | -h)
        printf '%s\n' "$usage"
        exit 0
        ;;
    *)
        printf 'test.sh: there is no "%s" here\n%s\n' "$1" "$usage" >&2
        exit 2
        ;;
    esac
fi
cd "$(dirname "$0")/.."
. tools/progress.sh
. tools/packages.sh
set -f # the "?" of a package's word is no pattern
packages="$BUILD_PACKAGES $TEST_PACKAGES dataset-fashion-mnist"
choose_packages $packages
if [ -n "$list" ]; then
    echo $WANTED $UNKNOWN
    exit 0
fi
export CHIARO_CACHE_DIR="$PWD/build/test-cache" CHIARO_TUNE_DIR="$PWD/build/no-records" # not the user's own

configure() { # folder, then options
    folder=$1
    shift
    if [ ! -f "$folder/build.ninja" ]; then
        watch "configuring $folder" "$folder-setup" - meson setup "$folder" -Dtests=enabled "$@"
    else # which may be the demo's, without tests
        watch "configuring $folder" "$folder-setup" - meson configure "$folder" -Dtests=enabled "$@"
    fi
    watch "building $folder" "$folder" ninja_done ninja -C "$folder"
}
expect packages $(($(echo $MISSING $UNKNOWN | wc -w) * 3))
expect build "$(build_seconds 170)"
expect build-sanitize "$(build_seconds 320)"
[ -f build/intel/done ] || expect intel 60
[ -f build/references/done ] || expect references 20
expect tests "$(python3 tests/tally.py --estimate)"
say "installs what is missing, builds chiaro with sanitizers and without, and runs every test:" \
    "about $(in_words "$(rest)")"
need_packages $packages
configure build
configure build-sanitize -Db_sanitize=address,undefined -Db_lundef=false
. tools/intel.sh
. tools/references.sh
say "testing: about $(in_words "$(rest)")"
exec python3 tests/tally.py build build-sanitize
