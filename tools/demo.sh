#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh: installs what is missing, builds, trains on Fashion-MNIST, evaluates, says what it means and what to do next.
# Usage: tools/demo.sh [--data DIR | --packages]   (DIR holds train-images-idx3-ubyte.gz and its three companions)
set -eu
NAME=demo
usage="usage: tools/demo.sh [--data DIR]   train on DIR instead of Fashion-MNIST
       tools/demo.sh --packages     only print the Debian packages that it needs"
refuse() {
    printf 'demo.sh: %s\n%s\n' "$1" "$usage" >&2
    exit 2
}

fashion=/usr/share/datasets/fashion-mnist data="" list=""
while [ $# -gt 0 ]; do
    case "$1" in
    --data)
        [ $# -ge 2 ] && [ -n "$2" ] || refuse "--data needs a folder"
        data=$2
        shift
        ;;
    --data=?*) data=${1#--data=} ;;
    --packages) list=yes ;;
    --help | -h)
        printf '%s\n' "$usage"
        exit 0
        ;;
    *) refuse "there is no \"$1\" here" ;;
    esac
    shift
done
if [ -n "$data" ]; then
    [ -d "$data" ] || refuse "--data $data is no folder"
    data=$(CDPATH="" cd -- "$data" && pwd)
fi
cd "$(dirname "$0")/.."
. tools/progress.sh
. tools/packages.sh
packages="$BUILD_PACKAGES"
[ -n "$data" ] || packages="$packages dataset-fashion-mnist"
data=${data:-$fashion}
if [ -n "$list" ]; then
    choose_packages $packages
    echo $WANTED $UNKNOWN
    exit 0
fi

choose_packages $packages
expect packages $(($(echo $MISSING $UNKNOWN | wc -w) * 3))
expect setup 5
expect build "$(build_seconds 130)"
expect train $((620 / $(nproc)))
expect eval $((80 / $(nproc)))
say "installs what is missing, builds chiaro, trains a small network without labels on $data," \
    "and evaluates it: about $(in_words "$(rest)")"
need_packages $packages
[ -f build/build.ninja ] || watch "configuring" setup - meson setup build
watch "building" build ninja_done ninja -C build tools/chiaro tools/chiaro-probe

chiaro="$PWD/build/tools/chiaro" run="$PWD/build/demo"
rm -rf "$run"
say "training: about $(in_words "$(rest)") left"
start=$SECONDS
"$chiaro" train simclr --data "$data" --output "$run"
stage_over train $((SECONDS - start))
say "trained in $(in_words $((SECONDS - start))); evaluating: about $(in_words "$(rest)")"
"$chiaro" eval --model "$run/model.safetensors" --data "$data" --json-file "$run/eval.json"
python3 tools/demo_sentence.py "$run/eval.json"
cat <<END

Next, as they stand:
  $(quoted "$chiaro") info $(quoted "$run/model.safetensors")
  $(quoted "$chiaro") train supcon --data $(quoted "$data") --output $(quoted "$PWD/build/demo-labels")
  $(quoted "$chiaro") --help
The numbers above are also in $(quoted "$run/eval.json"),
loss and rate of each step in $(quoted "$run/metrics.jsonl").
END
