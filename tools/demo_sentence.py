#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what the table of `chiaro eval` means, from its --json-file, in one sentence. Usage: demo_sentence.py FILE"""
import json
import sys
import textwrap


def share(found, key):
    """A number of the file as per cent; one that was not measured is null there, or absent."""
    value = found.get(key)
    return "(not measured)" if value is None else f"{100 * value:.0f}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = json.load(file)
    print("\n" + textwrap.fill(
        f"Of 100 images that the network never saw, {share(found, 'knn')} have the class of the images whose features are nearest "
        f"to theirs ({share(found, 'untrained_knn')} before training, which used no labels); a linear classifier of the features "
        f"tells the class of {share(found, 'linear')}.", 80))


if __name__ == "__main__":
    main()
