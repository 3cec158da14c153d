#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chiaro beside PyTorch, faiss (topk) or tinygrad, on the same work in the same run. Their halves: torch_side.py, faiss_side.py,
tinygrad_side.py.

    python3 bench/peers/compare.py clip:4096x4096x128 ntxent:8192x8192x128 gemm:4096x4096x512 train-step:512 topk:10000x100000x128

Problems are those of `chiaro bench`: gemm, clip, ntxent, supcon, siglip, moco, train-step, topk. Both sides get the same inputs (chiaro dumps
them), the same threads, and make the same outputs: value and gradients, compared in each process. A round is one fresh
process of each variant, taking turns; a process reports its fastest repeat after a warm-up; a figure is the median over
the rounds. All are printed. PyTorch counts as its fastest variant: formula, eager or compiled, memory layout; once as it
is installed, once with glibc's allocator tuned to keep its pages. Beside the ratio stands the fraction of the FMA peak
that chiaro measured in the same processes. On a busy machine no figure means anything: the load is printed.

PyTorch and faiss are installed from PyPI into build/peers unless --python names an interpreter that has what is needed.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VARIANTS = {
    "clip": ["ce", "lse", "compiled lse"],
    "ntxent": ["ce", "lse", "compiled lse"],
    "supcon": ["weights", "where", "compiled where"],
    "siglip": ["logsigmoid", "softplus", "compiled logsigmoid", "compiled softplus"],
    "moco": ["ce", "lse", "compiled ce", "compiled lse"],
    "gemm": ["out=", "fresh", "numpy.matmul"],  # numpy: OpenBLAS
    "topk": ["IndexFlatIP"],
    "train-step": ["plain", "channels_last", "compiled plain", "compiled channels_last"],
}
PEERS = {"topk": "faiss"}  # whose half is <name>_side.py; PyTorch everywhere else, or what --peer names
OTHERS = {("tinygrad", "clip"): ["jit"]}  # variants of other peers
PACKAGES = {"torch": ["torch", "numpy"], "faiss": ["faiss-cpu", "numpy"], "tinygrad": ["tinygrad", "numpy"]}
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(16 << 30), "MALLOC_TOP_PAD_": str(64 << 20), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def options():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("problems", nargs="+")
    parse.add_argument("--program", default=os.path.join(ROOT, "build", "tools", "chiaro"))
    parse.add_argument("--python", help="an interpreter that has torch and numpy; default: one of our own, installed now")
    parse.add_argument("--rounds", type=int, default=5, help="processes a variant; default and least that counts: 5")
    parse.add_argument("--reps", type=int, default=5, help="timed repeats a process; default and least that counts: 5")
    parse.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parse.add_argument("--peer", choices=sorted(PACKAGES), help="default: faiss for topk, else torch; tinygrad runs clip on the same OpenCL device")
    parse.add_argument("--variants", default="", help="only variants whose name contains this")
    parse.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parse.add_argument("--device", default="cpu", help="chiaro's device; default: cpu")
    arguments = parse.parse_args()
    if arguments.rounds < 1 or arguments.reps < 1 or arguments.threads < 1:
        parse.error("--rounds, --reps and --threads are at least 1")
    return arguments


def peer_of(problem, arguments):
    return arguments.peer or PEERS.get(problem.split(":", 1)[0], "torch")


def own_python(folder, peer):
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        venv.create(folder, with_pip=True)
    if subprocess.run([python, "-c", f"import {peer}, numpy"], stderr=subprocess.DEVNULL).returncode:
        print(f"installing {peer} into {folder}", file=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES[peer]], check=True)
    return python


def run(command, environment):
    done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip().split("\n")[-1][:200])
    return json.loads(done.stdout.strip().split("\n")[-1])


def sides(problem, arguments, python, folder):
    """Name → a function that runs one process of it."""
    kind, numbers = problem.split(":", 1)
    last = numbers.split(",")[0].split("x")[-1]
    peer = peer_of(problem, arguments)
    variants = VARIANTS.get(kind) if peer == PEERS.get(kind, "torch") else OTHERS.get((peer, kind))
    if not variants:
        sys.exit(f"compare.py: {problem}: {peer} has no half of it; {', '.join(VARIANTS)} have a peer here")
    dump = os.path.join(folder, f"{kind}.safetensors")
    chiaro = [arguments.program, "bench", problem, "--json", "--device", arguments.device, "--threads", str(arguments.threads)]
    if kind != "train-step":
        run([*chiaro, "--reps", "1", "--dump", dump], os.environ)
    result = {"chiaro": lambda: run([*chiaro, "--reps", str(arguments.reps), "--peak"], os.environ)}
    for variant in (v for v in variants if arguments.variants in v):
        for tag, extra in (("", {}), (", allocator tuned", TUNED)) if peer == "torch" else (("", {}),):
            environment = {**os.environ, **extra, "DEV": "CL", "POCL_MAX_PTHREAD_COUNT": str(arguments.threads), "OMP_NUM_THREADS": str(arguments.threads), "TORCHINDUCTOR_CACHE_DIR": os.path.join(folder, "inductor")}
            command = [python, os.path.join(HERE, f"{peer}_side.py"), kind, variant, dump, str(arguments.threads), str(arguments.reps), last]
            if not (arguments.no_compile and variant.startswith("compiled")):
                result[f"{peer} {variant}{tag}"] = lambda c=command, e=environment: run(c, e)
    return result


def compare(problem, arguments, python):
    with tempfile.TemporaryDirectory() as folder:
        all_sides = sides(problem, arguments, python, folder)
        seen, dead = {name: [] for name in all_sides}, {}
        for _ in range(arguments.rounds):
            for name, side in all_sides.items():
                if name in dead:
                    continue
                try:
                    seen[name].append(side())
                except RuntimeError as error:  # a variant that fails is told, not hidden
                    if name == "chiaro":
                        raise
                    dead[name] = str(error)
                    seen[name] = []
    figures = {name: [r.get("ms", r.get("ms_min")) for r in list_] for name, list_ in seen.items() if list_}
    medians = {name: statistics.median(times) for name, times in figures.items()}
    for name, times in figures.items():
        worst = max((r["worst"] for r in seen[name] if r.get("worst") is not None), default=None)
        print(json.dumps({"problem": problem, "side": name, "ms_median": round(medians[name], 3), "ms_each": [round(t, 3) for t in times],
                          **({"worst_difference": float(f"{worst:.2g}")} if worst is not None else {})}), flush=True)
    for name, error in dead.items():
        print(json.dumps({"problem": problem, "side": name, "failed": error}), flush=True)
    ours = seen["chiaro"]
    peers = {tag: min((m for name, m in medians.items() if name != "chiaro" and name.endswith("tuned") == (tag == "tuned")), default=None)
             for tag in ("installed", "tuned")}
    peer = peer_of(problem, arguments)
    summary = {"problem": problem, "device": ours[0]["device"], "threads": arguments.threads, "rounds": arguments.rounds, "reps": arguments.reps,
               "counts": arguments.rounds >= 5 and arguments.reps >= 5,
               "chiaro_ms": round(medians["chiaro"], 3), "fraction_of_peak": [r["fraction_of_peak"] for r in ours], "load": os.getloadavg()[0]}
    for tag, best in peers.items():
        summary[f"{peer}_{tag}_ms"] = best and round(best, 3)
        summary[f"chiaro_over_{peer}_{tag}"] = best and round(medians["chiaro"] / best, 3)
    print(json.dumps(summary), flush=True)


def main():
    arguments = options()
    for problem in arguments.problems:
        peer = peer_of(problem, arguments)
        compare(problem, arguments, arguments.python or own_python(os.path.join(ROOT, "build", "peers", "venv" if peer == "torch" else peer), peer))


main()
