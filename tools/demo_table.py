#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the numbers of `chiaro eval --json` as a table, and what they mean in one sentence. Usage: demo_table.py FILE"""
import json
import sys
import textwrap


def share(found, key, form=".1f"):
    """A number of the file as per cent; one that was not measured is null there, or absent."""
    value = found.get(key)
    return "" if value is None else f"{100 * value:{form}}" + (" %" if form == ".1f" else "")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = json.load(file)
    rows = [("trained, without labels", "knn", "linear"), ("the same network, untrained", "untrained_knn", "untrained_linear"), ("raw pixels", "raw_knn", "raw_linear")]
    print(f"\n{'right of ' + format(found['n_test'], ',') + ' test images':30}{'kNN':>8}{'linear probe':>15}")
    for name, knn, linear in rows:
        print(f"{name:30}{share(found, knn):>8}{share(found, linear):>15}".rstrip())
    print("\n" + textwrap.fill(
        f"Of 100 images that the network never saw, {share(found, 'knn', '.0f')} have the class of the images whose features are nearest "
        f"to theirs ({share(found, 'untrained_knn', '.0f')} before training, which used no labels); a linear classifier of the features "
        f"tells the class of {share(found, 'linear', '.0f')}.", 80))


if __name__ == "__main__":
    main()
