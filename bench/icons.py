#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the recipe pictures learns from an icon theme of Debian, without labels: kNN accuracy of the contexts (actions, apps,
devices …) beside that of the same network untrained and of raw pixels, on icons that training did not see.

Usage: bench/icons.py [--deb FILE] [--work DIR] [--seeds 1,2,3] [-- OPTIONS of chiaro train]
The package is fetched by apt-get download unless --deb names it; needs dpkg-deb and CHIARO_PROGRAM or build/tools/chiaro.
Prints the table of the README. Half of the icons are held out, each context in proportion, drawn by the seed.
"""
import argparse
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

PACKAGE, ROOT, SIZE = "elementary-xfce-icon-theme", "usr/share/icons/elementary-xfce", "48"
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def fetch(work):
    subprocess.run(["apt-get", "download", PACKAGE], cwd=work, check=True)
    return glob.glob(f"{work}/{PACKAGE}_*.deb")[0]


def make_folder(deb, work):
    """One folder a context, icons of one size; links and files equal to an earlier one are left out."""
    if not shutil.which("dpkg-deb"):
        sys.exit("icons.py: dpkg-deb is not installed")
    subprocess.run(["dpkg-deb", "-x", deb, f"{work}/package"], check=True)
    seen, links, equal = set(), 0, 0
    for path in sorted(glob.glob(f"{work}/package/{ROOT}/*/{SIZE}/*.png")):
        if os.path.islink(path):
            links += 1
            continue
        with open(path, "rb") as file:
            mark = hashlib.sha256(file.read()).digest()
        if mark in seen:
            equal += 1
            continue
        seen.add(mark)
        folder = os.path.join(work, "icons", path.split("/")[-3])
        os.makedirs(folder, exist_ok=True)
        shutil.copy(path, folder)
    print(f"{os.path.basename(deb)}: {len(seen)} icons of {SIZE} × {SIZE} in {len(os.listdir(work + '/icons'))} contexts; {links} links and {equal} equal files left out")
    return f"{work}/icons"


def measure(program, icons, work, seed, options):
    output = f"{work}/run-{seed}"
    subprocess.run([program, "train", "pictures", "--data", icons, "--output", output, "--holdout", "50%", "--seed", str(seed), *options], check=True)
    done = subprocess.run([program, "eval", "--model", f"{output}/model.safetensors", "--images", icons, "--json"], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def print_table(results):
    print("| seed | trained | untrained | gain, 95 % interval | raw pixels | linear probe, trained and untrained |\n|---|---|---|---|---|---|")
    for seed, r in results.items():
        low, high = r["knn_gain_interval"]
        print(f"| {seed} | {r['knn']:.3f} | {r['untrained_knn']:.3f} | {r['knn_gain']:+.3f} ({low:+.3f} … {high:+.3f}) | {r['raw_knn']:.3f} "
              f"| {r['linear']:.3f}, {r['untrained_linear']:.3f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--deb")
    parser.add_argument("--work")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("options", nargs="*")
    ask = parser.parse_args()
    program = os.environ.get("CHIARO_PROGRAM", f"{HERE}/build/tools/chiaro")
    with tempfile.TemporaryDirectory() as scratch:
        work = os.path.abspath(ask.work or scratch)
        os.makedirs(work, exist_ok=True)
        icons = make_folder(os.path.abspath(ask.deb) if ask.deb else fetch(work), work)
        print_table({seed: measure(program, icons, work, int(seed), ask.options) for seed in ask.seeds.split(",")})


if __name__ == "__main__":
    main()
