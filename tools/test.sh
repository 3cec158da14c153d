#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# test.sh: installs what is missing, builds with and without sanitizers, runs every test. Ends with one line
# "N passed, N failed, N skipped" over all test programs; exit status 0 only if none failed.
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh
need_packages $BUILD_PACKAGES libcmocka-dev dataset-fashion-mnist oclgrind mesa-opencl-icd clang-15 libclc-15 python3-venv
export CHIARO_CACHE_DIR="$PWD/build/test-cache" CHIARO_TUNE_DIR="$PWD/build/no-records" # not the user's own

configure() { # folder, then options
    folder=$1
    shift
    [ -f "$folder/build.ninja" ] || meson setup "$folder" "$@" >"$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
    ninja -C "$folder" >"$folder/build.log" 2>&1 || { cat "$folder/build.log"; exit 1; }
}
configure build
configure build-sanitize -Db_sanitize=address,undefined -Db_lundef=false
. tools/intel.sh
exec python3 tests/tally.py build build-sanitize
