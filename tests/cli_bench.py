#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`chiaro bench` from the outside: its grammar, its JSON, its hashes over tiles, cores and threads, its dumps.

Needs CHIARO_PROGRAM. Ends with "N passed, N failed, N skipped". Times are not judged here: only that they are there.
"""
import json
import math
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

PROGRAM = os.environ["CHIARO_PROGRAM"]
FIELDS = ["problem", "device", "driver", "core", "tile", "numerics", "reps", "ms_min", "ms_median", "gflops", "gflops_executed",
          "gbytes_per_s", "cpu_ms", "peak_bytes", "fraction_of_peak"]
PROBLEMS = ["gemm:33x29x17", "logsumexp:33x29x17", "clip:37x37x19", "ntxent:34x34x19", "supcon:37x37x19,c=5", "topk:33x29x17,k=7",
            "conv:3x4x9x7x5,k=3,s=2", "conv:3x4x9x7x5,b=0", "infonce:37x37x19", "stats:33x29x17", "train-step:4"]
PANEL_TILES = ["p8x32v16", "p6x16v8", "p4x16v4", "p4x32v8", "p6x16v8k128"]
# A problem, and a word that its sentence must hold.
WRONG = [
    ("nope:3", "nearest"), ("clip", "KIND:NUMBERS"), ("gemm:", "numbers"), ("gemm:8x8", "2 were given"), ("gemm:8x8x8x8", "takes 3"),
    ("gemm:0x8x8", "from 1"), ("gemm:8x-8x8", "from 1"), ("gemm:8x8x8x", "takes 3"), ("gemm:8x8xtwo", "from 1"),
    ("gemm:99999999999999999999x8x8", "from 1"), ("gemm:1073741824x1073741824x8", "too large|more than"), ("clip:64x63x8", "equal"),
    ("ntxent:63x63x8", "even"), ("supcon:64x64x8,c=0", "at least 1"), ("supcon:64x64x8,k=3", "no option"), ("clip:64x64x8,c=3", "no option"),
    ("topk:8x8x8,k=9", "must be"), ("topk:8x8x8,k=0", "must be"), ("topk:8x8x8,k=", "KEY=NUMBER"), ("topk:8x8x8,", "KEY=NUMBER"),
    ("topk:8x8x8,q=1", "no option"), ("conv:2x3x8x8", "4 were given"), ("conv:2x3x8x8x4,k=0", "at least 1"),
    ("conv:2x3x8x8x4,s=0", "at least 1"), ("conv:2x3x8x8x4,k=3,p=3", "below"), ("conv:2x3x8x8x4,b=2", "must be 1"), ("train-step:0", "from 1"),
]
WRONG_OPTIONS = [
    (["--reps", "0"], "--reps"), (["--reps", "many"], "--reps"), (["--provider", "nobody"], "neither"), (["--core", "round"], "neither"),
    (["--numerics", "loose"], "neither"), (["--memory", "0"], "--memory"), (["--threads", "0"], "--threads"), (["--jsn"], "--json"),
    (["another"], "no problem"), (["--set", "lss"], "nearest"), (["--set", "loss,"], "no set"), (["--devices", "cpu,"], "empty"),
    (["--devices", "cpu", "--device", "cpu"], "exclude"), (["--with", "x.jsonl"], "--compare"), (["clip:8x8x8", "--dump", "x.safetensors"], "one problem"),
]
passed = failed = skipped = 0


def check(good, what, detail=""):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good:
        print(f"FAILED: {what}\n{detail}", flush=True)


def bench(*arguments, **environment):
    done = subprocess.run([PROGRAM, "bench", *arguments], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def result(*arguments, **environment):
    """The one object that a run prints, or {} with its error as a failure."""
    status, out, err = bench(*arguments, "--json", "--reps", "2", **environment)
    try:
        return json.loads(out) if status == 0 and out.count("\n") == 1 else {"error": f"status {status}: {out}{err}"}
    except ValueError as wrong:
        return {"error": f"{wrong}: {out}"}


def fnv(data, value=14695981039346656037):
    for byte in data:
        value = (value ^ byte) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return value


def read_dump(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        body = file.read()
    return {k: body[v["data_offsets"][0]:v["data_offsets"][1]] for k, v in header.items() if k != "__metadata__"}


def floats(data):
    return struct.unpack(f"<{len(data) // 4}f", data)


def dot(a, b):
    return math.fsum(p * q for p, q in zip(a, b))


def bad_inputs():
    for word, wanted in WRONG:
        status, out, err = bench(word)
        check(status == 2 and not out and any(w in err for w in wanted.split("|")) and err.count("\n") == 1, f"bench {word}", f"{status} {out}{err}")
    for options, wanted in WRONG_OPTIONS:
        status, out, err = bench("gemm:8x8x8", *options)
        check(status == 2 and not out and wanted in err, f"bench gemm:8x8x8 {' '.join(options)}", f"{status} {out}{err}")
    status, out, err = bench()
    check(status == 2 and "PROBLEM" in err, "bench without a problem", err)
    status, out, err = bench("clip:8x8x8", "--provider", "clblast")
    check(status == 2 and "gemm" in err, "another's product for a loss", err)
    status, out, err = bench("clip:64x64x8", "--tile", "p9x9v9")
    check(status in (1, 2) and "p9x9v9" in err, "a tile that is not there", err)
    status, out, err = bench("clip:4096x4096x128", "--memory", "1M")
    check(status == 1 and not out and "budget" in err, "a problem over its budget", err)
    status, out, err = bench("clip:8x8x8", "--dump", "/nonexistent/dump.safetensors", "--reps", "1")
    check(status == 1 and "/nonexistent" in err, "a dump that cannot be written", err)
    status, out, err = bench("--help")
    check(status == 0 and "conv:" in out and "--peak" in out and not err, "help says the grammar", out)


def fields_and_peak():
    for word in PROBLEMS:
        r = result(word)
        check(all(f in r for f in FIELDS), f"fields of {word}", r)
        check(r.get("problem") == word and r.get("reps") == 2 and 0 < r.get("ms_min", 0) <= r.get("ms_median", 0) and r.get("gflops", -1) >= 0
              and r.get("peak_bytes", 0) > 0 and r.get("fraction_of_peak", 1) is None, f"values of {word}", r)
    status, out, err = bench("clip:64x64x16", "--reps", "1")
    check(status == 0 and "GFLOP/s" in out and "GB/s" in out, "the line for people", out + err)
    r = result("peak")
    check(all(r.get(f, 0) > 0 for f in ("fma_gflops", "copy_gbytes_per_s", "local_gbytes_per_s", "launch_us", "enqueue_us")), "peak", r)
    r = result("clip:64x64x16", "--profile")
    check(any(k["kernel"] == "tiles_statistics" and k["launches"] >= 1 and k["us"] >= 0 for k in r.get("kernels", [])), "kernels of a repetition", r)
    r = result("clip:64x64x16", "--peak")
    check(isinstance(r.get("fraction_of_peak"), float), "a fraction beside --peak", r)


def flop_minimum():
    """gflops · ms_min is the mathematics' minimum: CLIP 3G, NT-Xent and SupCon 1.5G, a product G."""
    for kind, factor in (("gemm", 1), ("logsumexp", 1), ("clip", 3), ("ntxent", 1.5), ("supcon", 1.5)):
        r = result(f"{kind}:512x512x128")
        g = 2e-6 * 512 * 512 * 128
        got = r.get("gflops", 0) * r.get("ms_min", 0)
        check(abs(got / (factor * g) - 1) < 0.02, f"{kind} counts {factor} G", f"{got / g} G: {r}")
        check(r.get("gflops_executed", 0) >= r.get("gflops", 1) * 0.999, f"{kind} runs no less than the minimum", r)


def hashes():
    global skipped
    for word in PROBLEMS:
        first = result(word, "--hash")
        check(len(first.get("hash", "")) == 16, f"hash of {word}", first)
        if first.get("core") != "panel":
            tiles = []
        else:
            tiles = [["--core", "panel", "--tile", tile] for tile in PANEL_TILES]
        for options in tiles + [["--threads", "1"], ["--threads", "2"], ["--core", "group"]]:
            r = result(word, "--hash", *options)
            if "not among the embedded kernels" in r.get("error", ""):
                skipped += 1
                continue
            check(r.get("hash") == first.get("hash"), f"one hash: bench {word} {' '.join(options)}", f"{r} against {first}")


def dumps(folder):
    path = os.path.join(folder, "dump.safetensors")
    for word, order, inputs in (("clip:37x37x19", ["value", "grad_x", "grad_y"], ["x", "y"]), ("ntxent:34x34x19", ["value", "grad_x"], ["x"]),
                                ("supcon:37x37x19,c=5", ["value", "grad_x"], ["x", "labels"]), ("gemm:33x29x17", ["output"], ["x", "y"]),
                                ("topk:33x29x17,k=7", ["output", "indices"], ["x", "y"]),
                                ("infonce:37x37x19", ["value", "grad_x", "grad_y"], ["x", "y"]),
                                ("conv:3x4x9x7x5,k=3,s=2", ["grad_x", "grad_weight", "output"], ["x", "grad_output"])):
        r = result(word, "--hash", "--dump", path)
        if "error" in r:
            check(False, f"dump of {word}", r)
            continue
        tensors = read_dump(path)
        check(sorted(tensors) == sorted(order + inputs), f"tensors of {word}", sorted(tensors))
        check(f"{fnv(b''.join(tensors[name] for name in order)):016x}" == r["hash"], f"hash of {word} from its dump", r)
    r = result("train-step:4", "--hash", "--dump", path)
    tensors = read_dump(path)
    results = [name for name in tensors if name not in ("x", "y", "labels")]
    check("encoder.0.weight" in tensors and "head.2.bias" in tensors and "encoder.1.running_var" in tensors, "weights of train-step", sorted(tensors))
    check(f"{fnv(b''.join(tensors[name] for name in results)):016x}" == r.get("hash"), "hash of train-step from its dump", r)
    status, _, err = bench("gemm:65x33x17", "--provider", "clblast", "--reps", "1", "--dump", path)
    if status == 0:
        theirs = floats(read_dump(path)["output"])
        result("gemm:65x33x17", "--dump", path)
        check(max(abs(a - b) for a, b in zip(theirs, floats(read_dump(path)["output"]))) < 17 * 6e-8, "CLBlast's product is ours to rounding")
    else:
        check(status == 1 and "no CLBlast" in err, "a build without CLBlast says so", err)
    result("clip:37x37x19", "--dump", path)
    tensors = read_dump(path)
    n, dim = 37, 19
    rows = {name: [floats(tensors[name])[i * dim:(i + 1) * dim] for i in range(n)] for name in ("x", "y")}
    check(all(abs(dot(r, r) - 1) < 1e-5 for both in rows.values() for r in both), "rows of a problem have length 1")
    logits = [[dot(a, b) / 0.1 for b in rows["y"]] for a in rows["x"]]
    lse = [math.log(math.fsum(map(math.exp, row))) for row in logits] + [math.log(math.fsum(map(math.exp, col))) for col in zip(*logits)]
    want = math.fsum(lse) / 2 / n - math.fsum(logits[i][i] for i in range(n)) / n
    got = floats(tensors["value"])[0]
    check(abs(got / want - 1) < 1e-5, "the CLIP value from the inputs dumped", f"{got} against {want}")


def lines(*arguments, **environment):
    status, out, err = bench(*arguments, "--json", **environment)
    return status, [json.loads(line) for line in out.splitlines()], err


def sets(folder):
    status, out, _ = bench("--list")
    names = [line for line in out.splitlines() if line and not line.startswith(" ")]
    check(status == 0 and {"loss", "gemm", "conv", "topk", "attention", "train"} <= set(names), "the sets built in", out)
    status, all_lines, _ = lines("--list")
    check(status == 0 and {line["set"] for line in all_lines} == set(names), "the sets as JSON", all_lines)
    path = os.path.join(folder, "mine.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("# mine\n[one]\nclip:9x9x5 # small\n\n[two]\n gemm:9x9x5\r\ngemm:8x8x8\n")
    for options, wanted in ((["--problems", path], ["clip:9x9x5", "gemm:9x9x5", "gemm:8x8x8"]), (["--problems", path, "--set", "two"], ["gemm:9x9x5", "gemm:8x8x8"]),
                            (["topk:9x9x5,k=2", "--problems", path, "--set", "one"], ["topk:9x9x5,k=2", "clip:9x9x5"])):
        status, got, err = lines(*options, "--reps", "1")
        check(status == 0 and [r["problem"] for r in got] == wanted, f"bench {' '.join(options)}", f"{got}{err}")
    status, out, err = bench("--problems", path, "--reps", "1", "--peak")
    check(status == 0 and out.count("gemm:") == 2 and "of roof" in out and ("compute" in out or "memory" in out), "a table", out + err)
    for text, wanted in (("[one]\nclip:9x9\n", "line 2"), ("", "no problem"), ("[one]\n[two\n", "line 2")):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        status, out, err = bench("--problems", path)
        check(status == 2 and not out and wanted in err, f"a file of {text!r}", err)
    status, out, err = bench("--problems", os.path.join(folder, "absent.txt"))
    check(status == 1 and "absent.txt" in err, "no file", err)


def devices():
    status, got, err = lines("gemm:65x33x17", "clip:20x20x9", "--devices", "#0,name:Nobody,#0", "--reps", "6", "--hash", "--peak")
    check(status == 1 and "Nobody" in err and len(got) == 6, "three devices, one of them absent", f"{status} {got}{err}")
    for i in range(0, len(got), 3):
        a, b, c = got[i:i + 3]
        check("error" in b and b["selector"] == "name:Nobody" and a["hash"] == c["hash"] and len(c["times_ms"]) == 6, "the others go on", got)
        beside = c.get("beside", {})
        check(beside.get("to") == "#0" and 0 < beside["low"] <= beside["ratio_median"] <= beside["high"] and "beside" not in a, "a ratio of pairs", c)
        roof = a["roofline"]
        check(roof["bound"] in ("compute", "memory") and abs(roof["fraction"] - a["gflops"] / roof["roof_gflops"]) < 1e-3, "roofline", a)
    check(abs(got[0]["roofline"]["flop_per_byte"] - 2 * 65 * 33 * 17 / 4 / (65 * 17 + 33 * 17 + 65 * 33)) < 1e-3, "flop a byte of a product", got[0])
    for width, peaks in (("80", r"% of peak"), ("300", r"of peak flop/byte")):
        status, out, err = bench("gemm:65x33x17", "--devices", "name:Nobody,#0,#0", "--reps", "6", "--peak", COLUMNS=width)
        check(status == 1 and "times b's median" in out and peaks in out and "of roof" in out and "on a failed" in out and max(map(len, out.split("\n"))) <= int(width),
              f"a table {width} wide keeps its columns where the first device is missing", out + err)
    status, got, err = lines("gemm:9x9x9", "--devices", "name:Nobody,name:Else")
    check(status == 3 and not got, "no device at all", err)


def crash():
    """A device's process that goes away takes no other with it, and is there again for the next problem."""
    run = subprocess.Popen([PROGRAM, "bench", "gemm:512x512x64", "clip:20x20x9", "--devices", "#0,#0", "--reps", "2000", "--json"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    path, children = f"/proc/{run.pid}/task/{run.pid}/children", []
    for _ in range(600):
        time.sleep(0.1)
        with open(path, encoding="utf-8") as file:
            children = file.read().split()
        if len(children) == 2 and time.sleep(1) is None:
            break
    if len(children) == 2:
        os.kill(int(children[1]), signal.SIGKILL)
    out, err = run.communicate(timeout=300)
    got = [json.loads(line) for line in out.splitlines()]
    check(run.returncode == 1 and len(got) == 4 and "signal 9" in got[1].get("error", "") and "signal 9" in err, "a device whose process ends", out[-2000:] + err)
    check(len(got) == 4 and all(len(got[i].get("times_ms", [])) == 2000 for i in (0, 2, 3)), "the others' turns go on", err)


def earlier(path, times, **changes):
    r = {"problem": "clip:64x64x16", "device": "Chip", "driver": "1", "core": "panel", "tile": "t", "numerics": "exact", "threads": 2, "scheme": "kept",
         "ms_min": min(times), "ms_median": sorted(times)[len(times) // 2], "times_ms": times}
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({**r, **changes}) + "\n")


def compare(folder):
    old, new = os.path.join(folder, "old.jsonl"), os.path.join(folder, "new.jsonl")
    base = [10.0, 10.1, 10.2, 9.9, 10.05, 10.15, 9.95, 10.3]
    for factor, verdict in ((1.0, "no difference"), (1.004, "no difference"), (1.2, "slower"), (0.8, "faster")):
        for path in (old, new):
            open(path, "w", encoding="utf-8").close()
        earlier(old, base)
        earlier(new, [factor * t for t in reversed(base)])
        status, got, err = lines("--compare", old, "--with", new)
        c = got[0]["compare"][0] if status == 0 else {}
        check(c.get("verdict") == verdict and c["low"] <= factor * 1.001 and c["high"] >= factor * 0.999 and abs(c["ratio_best"] - factor) < 1e-6, f"times {factor} are {verdict}", f"{got}{err}")
    earlier(new, base, problem="clip:8x8x8")
    earlier(new, base + [60.0], device="Other", driver="2")
    earlier(old, base[:3], problem="gemm:8x8x8")
    earlier(new, base[:3], problem="gemm:8x8x8")
    status, out, err = bench("--compare", old, "--with", new)
    out = " ".join(out.split())
    check(status == 0 and "faster" in out and "has no clip:8x8x8" in out and "device was Chip, is Other; driver was 1, is 2" in out and "outliers now: 1 of 9, furthest 60.000" in out
          and "no interval" in out and "no difference" in out, "what is not the same is said", out + err)
    status, got, err = lines("clip:64x64x16", "--reps", "5", "--compare", old)
    check(status == 0 and "device was Chip" in got[0]["compare"][0]["differs"], "measured against another device's figures", f"{got}{err}")
    with open(old, "w", encoding="utf-8") as file:
        for word in ("clip:64x64x16", "gemm:32x32x32"):
            file.write(bench(word, "--json", "--reps", "5")[1])
    status, got, err = lines("clip:64x64x16", "--reps", "5", "--compare", old)
    check(status == 0 and got[0]["compare"][0]["differs"] == "" and got[0]["compare"][0]["low"] > 0, "against the same device", f"{got}{err}")
    for text, wanted in (("garbage\n", ":1:"), ('\n[1, 2]\n', ":2:"), ('{"problem": "x"}\n', ":1:"), ('{"problem": "x", "device": "y"}\n', "ms_min"), ("", "no figure"),
                         ('{"problem": "x", "device": "y", "ms_min": 1, "ms_median": 1, "times_ms": [1, -1]}\n', "above 0"), ('{"problem": "x", "device": "y", "ms_min": 1, "ms_median": 1, "times_ms": []}\n', "list"),
                         ('{"problem": "x", "device": "y", "ms_min": 1, "ms_median": 1}\n\0\n', ":2:"), ("[" * 5000 + "\n", ":1:"), ('{"a": 1, "a": 2}\n', ":1:")):
        with open(old, "w", encoding="utf-8") as file:
            file.write(text)
        status, out, err = bench("clip:8x8x8", "--compare", old)
        check(status == 1 and not out and wanted in err and old in err, f"a file of {text[:60]!r}", f"{status} {err}")
    status, out, err = bench("clip:8x8x8", "--compare", os.path.join(folder, "absent.jsonl"))
    check(status == 1 and "absent.jsonl" in err, "no file to compare with", err)


bad_inputs()
fields_and_peak()
flop_minimum()
hashes()
with tempfile.TemporaryDirectory() as temporary:
    dumps(temporary)
    sets(temporary)
    compare(temporary)
devices()
crash()
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed else 0)
