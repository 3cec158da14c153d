#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that a line lives where what it mentions lives, and that files and functions keep their size.

Ends with "N passed, N failed, N skipped": one check a rule and file that the rule looks at.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAYERS = ["base", "device", "tune", "tiles", "similarity", "encoder", "train", "data"]  # bottom first; loss beside encoder
ABOVE = {"loss": "encoder", "data": "data"}

# What a line mentions, the files the rule looks at, and the rooms where it may stand.
RULES = [
    ("calls OpenCL", r"\bcl[A-Z]\w+\s*\(", r"^src/.*\.[ch]$", r"^src/device/"),
    ("names an OpenCL type", r"\bcl_(?!h\b)\w+\b", r"^(src|tools)/.*\.[ch]$", r"^src/device/"),
    ("includes OpenCL", r"#include\s*<CL/", r"^(include|src|tools)/.*\.h?[ch]$", r"^(src/device/|include/chiaro/opencl\.h$)"),
    ("includes CLBlast", r"#include\s*<clblast", r"^(include|src|tools)/.*\.[ch]$", r"^src/device/clblast\.c$"),
    ("asks the compiler for a builtin", r"__builtin_\w+|__has_builtin", r"^kernels/", r"^kernels/common/vendor\.h$"),
    ("reads the environment", r"\b(getenv|setenv)\s*\(", r"^src/.*\.[ch]$", r"^src/base/env\.c$"),
    ("opens a file", r"\b(fopen|open|opendir|fdopen)\s*\(", r"^src/.*\.c$", r"^src/(base/file|device/(cache|source|facts|list))\.c$"),
    ("prints", r"\b(printf|puts|putchar|fputs)\s*\(", r"^src/.*\.c$", r"^src/base/"),
    ("allocates", r"\b(malloc|calloc|realloc|free|strdup)\s*\(", r"^src/(?!ref/).*\.c$", r"^src/base/memory\.c$"),
    ("reads a clock", r"\b(clock_gettime|gettimeofday|nanosleep|usleep)\s*\(", r"^src/.*\.c$", r"^src/base/clock\.c$"),
    ("ends the process", r"\b(exit|abort|_exit)\s*\(", r"^src/.*\.c$", r"^$"),
    ("uses mad or native functions", r"\b(mad|native_\w+|half_(exp|log|recip|sqrt)\w*)\s*\(", r"^kernels/", r"^$"),
    ("names an extension or a vendor macro", r"#pragma OPENCL EXTENSION|__NV_CL|__AMD__", r"^kernels/", r"^kernels/common/vendor\.h$"),
    ("includes a reference", r'#include\s*".*ref/', r"^src/(?!ref/).*\.[ch]$", r"^$"),
]
LIMITS = [(r"^include/.*\.h$", 300), (r"^(src|tools|bench)/.*\.[ch]$", 500), (r"^tests/.*\.[ch]$", 600), (r"^kernels/", 500)]
FUNCTION_LINES = [(r"^kernels/", 100), (r"^(src|tools)/.*\.c$", 80)]


def files(root):
    for folder in ("include", "src", "kernels", "tests", "tools", "bench"):
        for path, _, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".cl", ".py", ".sh")):
                    yield os.path.relpath(os.path.join(path, name), root)


def code_only(text):
    """Without comments and string contents; lines stay lines."""
    def blank(match):
        return "\n" * match.group(0).count("\n") if match.group(0).startswith("/") else '""'
    text = re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', lambda m: blank(m) if not m.group(0).startswith('"') else m.group(0), text, flags=re.S)
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


def layer_faults(path, text):
    """A layer may include only what stands below it."""
    match = re.match(r"src/(\w+)/", path)
    if not match or match.group(1) not in LAYERS + ["loss"]:
        return []
    own = ABOVE.get(match.group(1), match.group(1))
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        other = re.match(r'#include "\.\./(\w+)/', line)
        if other and other.group(1) in LAYERS + ["loss"] and LAYERS.index(ABOVE.get(other.group(1), other.group(1))) > LAYERS.index(own):
            found.append(f"{path}:{number}: {match.group(1)} includes {other.group(1)}, which stands above it")
    return found


def function_faults(path, text):
    limit = next((n for pattern, n in FUNCTION_LINES if re.match(pattern, path)), None)
    if not limit:
        return []
    found, start = [], None
    for number, line in enumerate(text.split("\n"), 1):
        if line == "{":
            start = number
        if line == "}" and start:
            if number - start - 1 > limit:
                found.append(f"{path}:{start}: a function of {number - start - 1} lines, at most {limit}")
            start = None
    return found


def check(path, text):
    """Lists of faults, one list a rule that looks at the file."""
    bare = code_only(text)
    for what, pattern, scope, rooms in RULES:
        if re.match(scope, path) and not re.match(rooms, path):
            yield [f"{path}:{n}: {what}: {line.strip()[:80]}" for n, line in
                   enumerate((bare if "include" not in what else text).split("\n"), 1) if re.search(pattern, line)]
    yield [] if "SPDX-License-Identifier: Apache-2.0" in "\n".join(text.split("\n")[:2]) else [f"{path}:1: no SPDX line"]
    for scope, limit in LIMITS:
        if re.match(scope, path):
            yield [f"{path}: {text.count(chr(10))} lines, at most {limit}"] if text.count("\n") > limit else []
    yield layer_faults(path, text)
    yield function_faults(path, text)


def self_test():
    """The rules catch what they are for."""
    seeded = [("src/loss/x.c", "a = clCreateBuffer(c);"), ("src/tiles/x.c", "p = malloc(3);"), ("kernels/x.cl", "x = mad(a, b, c);"),
              ("src/base/x.c", '#include "../device/device.h"'), ("src/loss/x.c", "v = getenv(n);"), ("src/encoder/x.c", "exit(1);"), ("src/loss/x.c", "#include <clblast_c.h>"), ("kernels/tiles/x.cl", "__builtin_prefetch(p);"),
              ("src/tune/x.c", "{\n" + "x;\n" * 90 + "}")]
    for path, line in seeded:
        faults = [f for found in check(path, "// SPDX-License-Identifier: Apache-2.0\n" + line) for f in found]
        yield [] if faults else [f"rooms.py does not see: {path}: {line[:40]}"]
    clean = "// SPDX-License-Identifier: Apache-2.0\n// clFinish( and malloc( in a comment\nconst char *s = \"exit(1)\";\n"
    yield [f for found in check("src/loss/x.c", clean) for f in found]


def listed_kernels(root):
    with open(os.path.join(root, "kernels/meson.build"), encoding="utf-8") as file:
        listed = set(re.findall(r"'([\w/]+\.cl)'", file.read()))
    present = {p[len("kernels/"):] for p in files(root) if p.startswith("kernels/") and p.endswith(".cl")}
    return [f"kernels/meson.build: {name} is {'listed but absent' if name in listed else 'not listed'}" for name in sorted(listed ^ present)]


def main():
    passed = failed = 0
    results = list(self_test()) + [listed_kernels(ROOT)]
    for path in files(ROOT):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            results += check(path, file.read())
    for faults in results:
        passed += not faults
        failed += bool(faults)
        for fault in faults:
            print(fault)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
