#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every kernel for GPUs that are not there, and reads what the compilers say of registers, scratch and local memory.

The texts are those that the library would give a driver, recorded by tests/record_kernels.c (CHIARO_KERNEL_DUMP) with the
tile that the class of device starts with, or with --tile. AMD (gfx…): clang and libclc; NVIDIA (sm_…): the same, then
ptxas, from PATH or pip install nvidia-cuda-nvcc; anything else is a name that Intel's ocloc knows. Limits: offline_budgets.txt.
"""
import argparse
import concurrent.futures
import fnmatch
import functools
import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TARGETS = ["gfx906", "gfx1030", "sm_86", "acm-g10"]
OCLGRIND = "/usr/lib/oclgrind/liboclgrind-rt-icd.so"
DEFAULT_GROUP = 64  # work-items of a kernel that takes any group
LIBRARY_OPTIONS = ["-Xclang", "-finclude-default-header", "-Xclang", "-fdeclare-opencl-builtins", "-Xclang", "-mlink-builtin-bitcode", "-Xclang"]
AMD_TRIPLE, NVIDIA_TRIPLE = "amdgcn--amdhsa", "nvptx64--nvidiacl"


class Missing(Exception):
    """A compiler that is not installed."""


def family(target):
    return "amd" if target.startswith("gfx") else "nvidia" if target.startswith("sm_") else "intel"


def call(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **more)
    return done.returncode, done.stdout


def find(names, what):
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise Missing(what)


def clangs():
    """Every clang on PATH: numbered ones first, the newest at the head."""
    numbered = {}
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for path in glob.glob(os.path.join(folder, "clang-[0-9]*")):
            number = re.fullmatch(r"clang-(\d+)", os.path.basename(path))
            if number and os.access(path, os.X_OK):
                numbered.setdefault(int(number.group(1)), path)
    plain = shutil.which("clang")
    return [numbered[n] for n in sorted(numbered, reverse=True)] + ([plain] if plain else [])


@functools.lru_cache(None)
def find_clang(triple, library):
    """The newest clang that reads this library: bitcode is read by the version that wrote it and by later ones."""
    found = clangs()
    with tempfile.TemporaryDirectory() as folder:
        probe = os.path.join(folder, "probe.cl")
        with open(probe, "w", encoding="utf-8") as file:
            file.write("kernel void probe(global float *x) { x[0] = fma(x[1], x[2], x[3]); }\n")
        for clang in found:
            code, _ = call([clang, "-x", "cl", "-target", triple, "-nogpulib", *LIBRARY_OPTIONS, library, "-S", probe, "-o", os.path.join(folder, "probe.s")])
            if code == 0:
                return clang
    raise Missing(f"none of {', '.join(map(os.path.basename, found))} reads {library}" if found else "clang is not installed (Debian: clang-15 libclc-15, or later ones)")


def find_library(name):
    for path in sorted(glob.glob("/usr/lib/clc/" + name) + glob.glob("/usr/share/clc/" + name) + glob.glob("/usr/lib/llvm-*/share/clc/" + name)):
        return path
    raise Missing(f"libclc's {name} is not installed (Debian: libclc-15 or later)")


def find_ptxas():
    wheels = [os.path.join(p, "nvidia", "*", "bin") for p in sys.path if p.endswith("-packages")]
    beside = [os.path.join(folder, "ptxas") for pattern in wheels for folder in glob.glob(pattern)]
    return find(["ptxas", *beside], "ptxas is not installed (pip install nvidia-cuda-nvcc, or a CUDA toolkit)")


# ---- one program ---------------------------------------------------------------------------------------
class Program:
    """A recorded text: where it came from, and the sizes of its kernels' work-groups."""

    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as file:
            head = file.readline()
        name, defines, options = head[len("// kernels/"):].strip().split(" | ")
        self.file, self.defines = name, dict(d.split("=") for d in defines.split())
        self.options = [o for o in options.split() if o != "-cl-kernel-arg-info"]

    def weight(self):
        """Larger where more is asked for at once."""
        tile = ("TILE", "WG_", "BLOCK", "VEC", "STAGES", "SUB_")
        return sum(int(v) for k, v in self.defines.items() if not k.startswith(tile)), self.path

    def groups(self, clang):
        """Work-items of each kernel's group, 0 where it takes any."""
        _, text = call([clang, "-E", "-P", "-x", "cl", *self.options, self.path])
        found = {}
        for head in re.finditer(r"\bkernel\b([^{;]*?)\bvoid\s+(\w+)\s*\(", text):
            size = re.search(r"reqd_work_group_size\((.*?)\)\)\)", head.group(1))
            found[head.group(2)] = 0
            if size:
                found[head.group(2)] = math.prod(map(int, re.findall(r"\d+", size.group(1))))
        return found


def clang_lines(clang, program, triple, cpu, library, to):
    return [clang, "-x", "cl", *program.options, "-target", triple, *cpu, "-nogpulib", *LIBRARY_OPTIONS, library, "-O3", "-S", program.path, "-o", to]


def compile_amd(target, program, tools, folder):
    to = os.path.join(folder, "a.s")
    code, text = call(clang_lines(tools["clang"], program, AMD_TRIPLE, ["-mcpu=" + target], tools["library"], to))
    if code:
        raise RuntimeError(text)
    with open(to, encoding="utf-8") as file:
        parts = re.split(r"; -- End function", file.read())
    found = {}
    for part, info in zip(parts, parts[1:]):
        name = re.search(r"^\t\.amdhsa_kernel (\w+)", part, re.M)
        if not name:
            continue
        numbers = {key: int(re.search(r"^; " + key + r":\s*(\d+)", info, re.M).group(1))
                   for key in ("NumVgprs", "ScratchSize", "LDSByteSize", "Occupancy")}
        about = re.search(r"\.name:\s+" + name.group(1) + r"\n(.*?)\.wavefront_size", parts[-1], re.S).group(1)
        group = re.search(r"\.reqd_workgroup_size:\s+- (\d+)\s+- (\d+)\s+- (\d+)", about)
        found[name.group(1)] = {"registers": numbers["NumVgprs"], "scratch": numbers["ScratchSize"], "local": numbers["LDSByteSize"],
                                "waves": numbers["Occupancy"], "spills": sum(map(int, re.findall(r"_spill_count:\s*(\d+)", about))),
                                "group": math.prod(map(int, group.groups())) if group else 0}
    return found


def nvidia_waves(target, registers, local, items):
    """Warps on one of a multiprocessor's four schedulers."""
    big = int(target[3:]) in (80, 90, 100)
    memory, warps = (160 if big else 100) * 1024, 64 if big else 48
    group_warps = -(-items // 32)
    groups = min(16 if not big else 32, warps // group_warps, memory // (local + 1024),
                 65536 // (-(-registers // 8) * 8 * 32 * group_warps))
    return groups * group_warps // 4


def compile_nvidia(target, program, tools, folder):
    ptx = os.path.join(folder, "a.ptx")
    cpu = target if int(target[3:]) < 86 else "sm_86"  # what clang 15 knows; ptxas takes it further
    code, text = call(clang_lines(tools["clang"], program, NVIDIA_TRIPLE, ["-Xclang", "-target-cpu", "-Xclang", cpu],
                                  tools["library"], ptx))
    if code:
        raise RuntimeError(text)
    groups, found = program.groups(tools["clang"]), {}
    # ptxas is not told the group's size, which this clang leaves out: told, it gives up registers for waves beyond what is
    # asked for here (8 to 80 bytes spilled at 40 or 48 registers), and that says nothing of what a kernel needs.
    code, text = call([tools["ptxas"], "-v", "-arch=" + target, ptx, "-o", os.path.join(folder, "a.cubin")])
    if code:
        raise RuntimeError(text)
    pattern = r"entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers(.*?)\n"
    for name, stack, stores, loads, registers, rest in re.findall(pattern, text, re.S):
        local = re.search(r"(\d+) bytes smem", rest)
        local = int(local.group(1)) if local else 0
        found[name] = {"registers": int(registers), "scratch": int(stack), "spills": int(stores) + int(loads), "local": local,
                       "group": groups.get(name, 0),
                       "waves": nvidia_waves(target, int(registers), local, groups.get(name) or DEFAULT_GROUP)}
    return found


def intel_waves(width, local, items):
    """Threads on one of the 16 vector engines that share 128 KiB."""
    threads = -(-items // width)
    groups = min(128 // threads, 131072 // local if local else 128)
    return groups * threads // 16


def compile_intel(target, program, tools, folder):
    code, text = call([tools["ocloc"], "compile", "-file", program.path, "-device", target, "-options", " ".join(program.options),
                       "-internal_options", "-cl-intel-allow-zebin", "-out_dir", folder])
    if code:
        raise RuntimeError(text)
    found = {}
    with open(glob.glob(os.path.join(folder, "*.bin"))[0], "rb") as file:
        info = re.search(rb"kernels:\s*\n(  - name: .*?)\0", file.read(), re.S).group(1).decode(errors="replace")
    for kernel in re.findall(r"^  - name: +(.*?simd_size.*?)(?=^  - name: |\Z)", info, re.M | re.S):
        number = {key: int(n.group(1)) if (n := re.search(pattern, kernel)) else 0 for key, pattern in
                  (("registers", r"grf_count: +(\d+)"), ("width", r"simd_size: +(\d+)"), ("local", r"slm_size: +(\d+)"),
                   ("spills", r"spill_fill_space\s+size: +(\d+)"), ("scratch", r"private_space\s+size: +(\d+)"))}
        group = re.search(r"required_work_group_size: \[ (\d+), (\d+), (\d+)", kernel)
        items = math.prod(map(int, group.groups())) if group else 0
        found[re.match(r"\S+", kernel).group(0)] = {**number, "group": items, "waves": intel_waves(number["width"], number["local"], items or DEFAULT_GROUP)}
    return found


COMPILERS = {"amd": compile_amd, "nvidia": compile_nvidia, "intel": compile_intel}


def tools_for(target):
    kind = family(target)
    if kind == "intel":
        return {"ocloc": find(["ocloc"], "ocloc is not installed (Debian: intel-opencl-icd)")}
    triple = AMD_TRIPLE if kind == "amd" else NVIDIA_TRIPLE
    library = find_library(triple + ".bc")
    tools = {"library": library, "clang": find_clang(triple, library)}
    return tools if kind == "amd" else {**tools, "ptxas": find_ptxas()}


# ---- all programs --------------------------------------------------------------------------------------
def run_recorder(build, word, folder):
    """What tests/record_kernels says is the tile of a class of device; with a folder, its programs go there."""
    environment = {**os.environ, "CHIARO_KERNEL_DUMP": folder, "CHIARO_CACHE": "0", "CHIARO_DEVICE": ""}
    if folder and os.path.exists(OCLGRIND):  # it builds fastest
        with open(os.path.join(folder, "oclgrind.icd"), "w", encoding="utf-8") as file:
            file.write(OCLGRIND + "\n")
        environment["OCL_ICD_VENDORS"] = folder
    program = os.path.join(build, "tests", "record_kernels")
    if not os.path.exists(program):
        raise Missing(f"{program} is not built (meson setup build && ninja -C build)")
    code, text = call([program, word], env=environment)
    tile = re.search(r"^tile (\w+)$", text, re.M)
    if code or not tile:
        said = [line for line in text.splitlines() if line.startswith("record_kernels:")] or text.splitlines()
        raise RuntimeError(said[-1] if said else f"record_kernels {word}: no output")
    return tile.group(1)


def record(build, tile, folder):
    os.mkdir(folder)
    plain = re.sub(r"s\d+$", "", tile)  # what records has no sub-groups: they are put in afterwards
    run_recorder(build, plain, folder)
    paths = sorted(glob.glob(os.path.join(folder, "*.cl")))
    for path in paths if plain != tile else []:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("SUB_GROUPS=0", "SUB_GROUPS=1", 1).replace("#define SUB_GROUPS 0", "#define SUB_GROUPS 1", 1))
    return [Program(path) for path in paths]


def one_a_file(programs):
    """The variant of each file that asks for most."""
    best = {}
    for program in programs:
        if program.file not in best or program.weight() > best[program.file].weight():
            best[program.file] = program
    return list(best.values())


def compile_one(target, tile, program, tools):
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = COMPILERS[family(target)](target, program, tools, folder)
        except RuntimeError as error:
            text = [line for line in str(error).splitlines() if "error" in line.lower()] or str(error).splitlines()
            found = {"*": {"error": text[0] if text else "no message"}}
        return [{"target": target, "tile": tile, "file": program.file, "kernel": name,
                 "variant": " ".join(f"{k}={v}" for k, v in program.defines.items() if not k.startswith(("TILE", "WG_", "STAGES", "SUB_"))), **numbers}
                for name, numbers in sorted(found.items())]


def measure(build, targets, tile, pattern, one, jobs, note=lambda text: None):
    """Rows of every kernel on every target, and what was left out and why."""
    rows, left_out, recorded = [], {}, {}
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = []
        for target in targets:
            try:
                tools = tools_for(target)
            except Missing as missing:
                left_out[target] = str(missing)
                continue
            name = tile or run_recorder(build, family(target), "")
            if name not in recorded:
                note(f"recording {name}")
                recorded[name] = record(build, name, os.path.join(folder, name))
            programs = [p for p in recorded[name] if fnmatch.fnmatch(p.file, f"*{pattern}*")]
            waiting += [pool.submit(compile_one, target, name, p, tools) for p in (one_a_file(programs) if one else programs)]
        for i, done in enumerate(waiting):
            rows += done.result()
            note(f"{i + 1} of {len(waiting)} programs")
    return rows, left_out


# ---- budgets -------------------------------------------------------------------------------------------
def read_budgets(path):
    """Lines TARGET KERNEL NAME<=NUMBER … or NAME>=NUMBER …; the last line that fits a kernel says a number."""
    lines = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.split("#")[0].split()
            if words and (len(words) < 3 or not all(re.fullmatch(r"\w+[<>]=\d+", w) for w in words[2:])):
                raise ValueError(f"{path}:{number}: not TARGET KERNEL NAME<=NUMBER …")
            if words:
                lines.append((words[0], words[1], [re.fullmatch(r"(\w+)([<>])=(\d+)", w).groups() for w in words[2:]]))
    return lines


def faults(row, budgets):
    """What a row has too much or too little of."""
    if "error" in row:
        return ["does not compile: " + row["error"]]
    limits = {}
    for target, kernel, words in budgets:
        if fnmatch.fnmatch(row["target"], target) and fnmatch.fnmatch(row["kernel"], kernel):
            limits.update({name: (sign, int(number)) for name, sign, number in words})
    return [f"{name} is {row[name]}, at {'most' if sign == '<' else 'least'} {number}" for name, (sign, number) in limits.items()
            if name in row and (row[name] > number if sign == "<" else row[name] < number)]


def print_table(rows, budgets):
    print(f"{'target':9} {'tile':11} {'kernel':26} {'group':>5} {'regs':>5} {'scratch':>8} {'spills':>7} {'local':>7} {'waves':>6}  variant")
    for row in rows:
        wrong = faults(row, budgets)
        if "error" not in row:
            print(f"{row['target']:9} {row['tile']:11} {row['kernel']:26} {row['group'] or 'any':>5} {row['registers']:5} {row['scratch']:8} "
                  f"{row['spills']:7} {row['local']:7} {row['waves']:6}  {row['variant']}")
        for fault in wrong:
            print(f"{row['target']:9} {row['file']} {row['kernel']}: {fault}")


def main():
    parse = argparse.ArgumentParser(description="Compiles every kernel offline for GPUs and reads registers, scratch and local memory.")
    parse.add_argument("--target", action="append", help=f"gfx…, sm_…, or a device of ocloc's; again for more; default: {' '.join(TARGETS)}")
    parse.add_argument("--tile", help="a tile of the group core; default: what the class of device starts with")
    parse.add_argument("--kernel", default="", help="only files whose names contain this")
    parse.add_argument("--one", action="store_true", help="one variant a file, the one that asks for most")
    parse.add_argument("--build", default=os.path.join(HERE, "..", "build"), help="build folder; default: build")
    parse.add_argument("--budgets", default=os.path.join(HERE, "offline_budgets.txt"), help="limits; default: tools/offline_budgets.txt")
    parse.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parse.add_argument("--json", action="store_true", help="rows as JSON")
    chosen = parse.parse_args()

    def note(text):
        if sys.stderr.isatty():
            print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)

    try:
        budgets = read_budgets(chosen.budgets)
        rows, left_out = measure(chosen.build, chosen.target or TARGETS, chosen.tile, chosen.kernel, chosen.one, chosen.jobs, note)
    except (Missing, RuntimeError, OSError, ValueError) as error:
        sys.exit(f"offline.py: {error}")
    note("")
    if not rows and not left_out:
        sys.exit(f"offline.py: no file of kernels contains \"{chosen.kernel}\"")
    if chosen.json:
        print(json.dumps({"rows": [{**row, "faults": faults(row, budgets)} for row in rows], "left_out": left_out}, indent=1))
    else:
        print_table(rows, budgets)
    for target, why in left_out.items():
        print(f"{target}: left out: {why}", file=sys.stderr)
    return any(faults(row, budgets) for row in rows)


if __name__ == "__main__":
    sys.exit(main())
