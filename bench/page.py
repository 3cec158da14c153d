#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the first table of docs/performance.md: set `page` of problems.txt, and what memory costs, in fresh processes.

    python3 bench/page.py [--program build/tools/chiaro] [--device SELECTOR] [--rounds 5]

Each problem runs in as many fresh processes as there are rounds, all problems in turns; a figure is the median over the
processes of each one's fastest repetition; fractions are of the median of the FMA peaks that all processes measured, for
one process alone may meet a neighbour while it does; the last column is the planner's time over that of the run. The load
is printed: on a busy machine no figure means anything.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MORE = [["clip:4096x4096x128", "--memory", "22M"], ["clip:4096x4096x512", "--memory", "72M"], ["ntxent:4096x4096x128", "--memory", "16M"]]


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--program", default=os.path.join(ROOT, "build", "tools", "chiaro"))
    parse.add_argument("--device", default="auto")
    parse.add_argument("--rounds", type=int, default=5)
    arguments = parse.parse_args()
    listed = subprocess.run([arguments.program, "bench", "--list", "--set", "page", "--json"], capture_output=True, text=True, check=True).stdout
    problems = [[json.loads(line)["problem"]] for line in listed.splitlines() if json.loads(line)["set"] == "page"] + MORE
    seen = {tuple(p): [] for p in problems}
    for _ in range(arguments.rounds):
        for problem in seen:
            seen[problem].append(run([arguments.program, "bench", *problem, "--device", arguments.device, "--peak", "--predict", "--json"]))
    first, middle = next(iter(seen.values()))[0], statistics.median
    peak = middle(r["gflops"] / r["fraction_of_peak"] for runs in seen.values() for r in runs)
    print(f"{first['device']}, {first['driver']}, {first['threads']} units; load {os.getloadavg()[0]:.1f}; peak {peak:.0f} GFLOP/s\n")
    print("| problem | how | ms | GFLOP/s | of the FMA peak | MiB | planned / run |\n|---|---|---|---|---|---|---|")
    for problem, runs in seen.items():
        gflops = middle(r["gflops"] for r in runs)
        plan = middle(r["predicted_ms"] / r["ms_median"] for r in runs) if "predicted_ms" in runs[0] else None
        print(f"| `{' '.join(problem)}` | {runs[0]['tile']}, {runs[0]['scheme']} | {middle(r['ms_min'] for r in runs):.2f} | {gflops:.0f} | {100 * gflops / peak:.0f} % | "
              f"{runs[0]['peak_bytes'] / 2**20:.0f} | {f'{plan:.2f}' if plan else ''} |", flush=True)


main()
