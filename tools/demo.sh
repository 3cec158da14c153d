#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh: installs what is missing, builds, trains on Fashion-MNIST, evaluates, says what to look at.
# Usage: tools/demo.sh [--data DIR]   (DIR holds train-images-idx3-ubyte.gz and its three companions)
set -eu
cd "$(dirname "$0")/.."
data=/usr/share/datasets/fashion-mnist
case "${1-}" in
"") ;;
--data) data=${2:?--data needs a folder} ;;
*) echo "usage: tools/demo.sh [--data DIR]" >&2; exit 2 ;;
esac
. tools/packages.sh
if [ "$data" = /usr/share/datasets/fashion-mnist ]; then
    need_packages $BUILD_PACKAGES dataset-fashion-mnist
else
    need_packages $BUILD_PACKAGES
fi
[ -f build/build.ninja ] || meson setup build >/dev/null
ninja -C build >build/build.log 2>&1 || { cat build/build.log; exit 1; }
rm -rf build/demo
start=$(date +%s)
build/tools/chiaro train simclr --data "$data" --output build/demo
echo "trained in $(($(date +%s) - start)) s"
build/tools/chiaro eval --model build/demo/model.safetensors --data "$data" --json >build/demo/eval.json
cat build/demo/eval.json
echo "Look at build/demo/metrics.jsonl (loss by step), build/demo/eval.json (knn and linear against the untrained network"
echo "and raw pixels), and: build/tools/chiaro info build/demo/model.safetensors"
