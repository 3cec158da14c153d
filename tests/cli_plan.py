#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chiaro plan: what it prints, under budgets, far beyond memory, and for nonsense. Ends with "N passed, N failed, N skipped"."""
import json
import sys

from harness.cli import check, refused, run, summary


def planned(*words):
    status, out, errors = run("plan", *words, "--json")
    return status, json.loads(out) if out else None, errors


def main():
    status, plan, _ = planned("clip:512x512x64")
    check(status == 0 and plan["fits"] and plan["scheme"] == "kept" and plan["predicted_ms"] > 0, "a plan is printed")
    check(plan and plan["scratch_bytes"] == sum(b["bytes"] for b in plan["buffers"]), "bytes add up")
    status, out, _ = run("plan", "clip:512x512x64")
    check(status == 0 and str(plan["scratch_bytes"]) in out and "kept" in out, "and for people")
    _, tight, _ = planned("clip:4096x4096x16", "--memory", "16M")
    check(tight and tight["scheme"] in ("hybrid", "recomputed") and tight["scratch_bytes"] <= 16 << 20 and tight["flop"] > tight["flop_minimum"], "a budget changes the scheme")
    for kind, scheme in (("moco:64x4096x16", "windows"), ("siglip:512x512x16", "panels"), ("ntxent:512x512x16", "kept"), ("infonce:64x64x7", "kept")):
        status, plan, _ = planned(kind)
        check(status == 0 and plan["scheme"] == scheme and plan["flop"] >= plan["flop_minimum"], f"{kind} goes by {scheme}")
    _, pairs, _ = planned("ntxent:4096x4096x16")
    _, half, _ = planned("clip:4096x4096x16")
    kept = [next(b["bytes"] for b in p["buffers"] if b["name"] == "kept tiles") for p in (pairs, half)]
    check(kept[1] == 4 * 4096 * 4096 and kept[0] == 4 * 256 * 256 * 16 * 17 // 2, "x against itself keeps tiles of pairs I ≤ J alone")
    status, plan, _ = planned("clip:512x512x64", "--forward")
    check(status == 0 and plan["scheme"] == "forward", "the value alone")
    status, low, _ = planned("clip:512x512x64", "--temperature", "0.01")
    check(status == 0 and low["flop"] > low["flop_minimum"], "a low temperature costs a pass")
    for memory in ("4096", "65536"):
        status, plan, error = planned("clip:4096x4096x128", "--memory", memory)
        check(status == 1 and not plan["fits"] and "largest n that fits" in error and plan["scratch_bytes"] > 65536, f"{memory} bytes are refused with what would fit")
    status, plan, error = planned("clip:1048576x1048576x512")
    check(status in (0, 1) and plan["scratch_bytes"] > 1 << 30, "2^42 bytes of scores are planned")
    for kind in ("clip", "ntxent"):
        status, plan, error = planned(f"{kind}:1048576x1048576x512", "--memory", "12G")
        pieces = "in one piece" in error and max(b["bytes"] for b in plan["buffers"]) <= 2 << 30  # a device may allow less
        check(status == 0 and plan["fits"] or status == 1 and pieces, f"{kind} of a million rows fits 12 GiB")
        check(sum(b["bytes"] for b in plan["buffers"] if "sums" in b["name"]) < 64 << 20, f"{kind}'s sums grow with n alone")
        kept = sum(b["bytes"] for b in plan["buffers"] if b["name"] == "kept tiles")  # what the budget leaves
        check(plan["scratch_bytes"] - kept <= 5 * (1 << 20) * 512 * 4 + (192 << 20), f"{kind} of a million rows takes memory linear in n")
    for words, part in ((["clip:4096x4096x128", "--memory", "0"], "--memory"), (["gemm:4x4x4"], "no loss"), (["clip:4x5x4"], "equal"), ([], "which loss"),
                        (["ntxent:5x5x4"], "even"), (["clip:4x4x4", "--temperature", "-1"], "positive"), (["clup:4x4x4"], "nearest"), (["clip:2147483648x2147483648x4"], "2^30")):
        refused(f"plan {' '.join(words)}", 2, part, "plan", *words)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
