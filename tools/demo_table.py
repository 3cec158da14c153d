#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the numbers of `chiaro eval --json` as a table, and what they mean in one sentence. Usage: demo_table.py FILE"""
import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = json.load(file)
    rows = [("trained, without labels", "knn", "linear"), ("the same network, untrained", "untrained_knn", "untrained_linear"), ("raw pixels", "raw_knn", "raw_linear")]
    print(f"\n{'right of ' + format(found['n_test'], ',') + ' test images':30}{'kNN':>8}{'linear probe':>15}")
    for name, knn, linear in rows:
        cells = [f"{100 * found[key]:.1f} %" if key in found else "" for key in (knn, linear)]
        print(f"{name:30}{cells[0]:>8}{cells[1]:>15}".rstrip())
    print(f"\nNo label was used in training, and yet {100 * found['knn']:.0f} of 100 new images have the class of the images whose\n"
          f"features are nearest to theirs (untrained: {100 * found['untrained_knn']:.0f}); a line between the classes tells {100 * found['linear']:.0f} of 100.")


if __name__ == "__main__":
    main()
