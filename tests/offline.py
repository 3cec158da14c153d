#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every kernel, in the variant that asks for most, compiled for GPUs that are not there, with the tiles that they start with:
no spill, no scratch, two waves a SIMD or the vendor's equal (tools/offline_budgets.txt). A compiler that is missing is a skip."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import offline  # noqa: E402
from harness.cli import check, skip, summary  # noqa: E402

BUILD = os.environ.get("CHIARO_BUILD", "build")
BUDGETS = os.path.join(os.path.dirname(offline.__file__), "offline_budgets.txt")
VARIANTS = [(offline.TARGETS, "g64x64k16v4d2"), (["acm-g10"], "g64x64k16v4s16")]  # two stages; sub-groups
TILE_PASSES = {"tiles_statistics", "tiles_gradient", "similarity_topk", "encoder_conv", "encoder_channel_sums"}


def check_budgets(budgets):
    """Limits are found and kept; a file of something else is refused."""
    good = {"target": "gfx906", "kernel": "k", "registers": 64, "scratch": 0, "spills": 0, "local": 1024, "waves": 2}
    check(not offline.faults(good, budgets), "a kernel within its budget passes")
    for key, value in (("scratch", 4), ("spills", 1), ("waves", 1), ("local", 1 << 16)):
        check(offline.faults({**good, key: value}, budgets), f"{key} = {value} is over budget")
    check(offline.faults({**good, "error": "no"}, budgets), "what does not compile is a fault")
    path = os.path.join(BUILD, "bad_budgets.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("gfx906 k registers=3\n")
    try:
        offline.read_budgets(path)
        check(False, "a budget with an unknown sign was read")
    except ValueError as error:
        check(":1:" in str(error), "the sentence names the line", str(error))
    os.remove(path)


def main():
    budgets = offline.read_budgets(BUDGETS)
    check_budgets(budgets)
    rows, left_out = offline.measure(BUILD, offline.TARGETS, None, "", True, os.cpu_count() or 1)
    more = [row for targets, tile in VARIANTS for row in offline.measure(BUILD, targets, tile, "_group", True, os.cpu_count() or 1)[0]]
    for row in rows + more:
        wrong = offline.faults(row, budgets)
        check(not wrong, f"{row['target']} {row['tile']} {row['kernel']}: {'; '.join(wrong)}", row["variant"])
    for target in offline.TARGETS:
        if target in left_out:
            skip(f"{target}: {left_out[target]}")
        else:
            check(TILE_PASSES <= {row["kernel"] for row in rows if row["target"] == target}, f"{target}: passes are missing")
    return summary()


if __name__ == "__main__":
    sys.exit(main())
