#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Embeds kernels as C arrays. Usage: embed.py KERNEL_DIR OUT.c DEPFILE FILE...

Each FILE (relative to KERNEL_DIR) is flattened: `#include "common/x.h"` lines are replaced by the file
they name, once each, with #line marks so that a compiler's message names the original file and line.
"""
import os
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def flatten(root, name, seen, out):
    seen.append(name)
    out.append(f'#line 1 "kernels/{name}"')
    with open(os.path.join(root, name), encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            match = INCLUDE.match(line)
            if not match:
                out.append(line)
                continue
            if match.group(1) not in seen:
                flatten(root, match.group(1), seen, out)
            out.append(f'#line {number + 1} "kernels/{name}"')


def array(data):
    rows = [data[i:i + 20] for i in range(0, len(data), 20)]
    return ",\n".join(",".join(str(byte) for byte in row) for row in rows)


def main():
    root, target, depfile, names = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    inputs, bodies, table = set(), [], []
    for index, name in enumerate(sorted(names)):
        seen, out = [], []
        flatten(root, name, seen, out)
        inputs.update(seen)
        data = "\n".join(out).encode() + b"\0"
        bodies.append(f"static const unsigned char source_{index}[] = {{\n{array(data)}\n}};\n")
        table.append(f'    {{ "{name}", (const char *)source_{index} }},')
    with open(target, "w", encoding="utf-8") as file:
        file.write('#include "program.h"\n\n' + "\n".join(bodies))
        file.write("\nconst chi__source chi__sources[] = {\n" + "\n".join(table) + "\n    { 0, 0 },\n};\n")
    with open(depfile, "w", encoding="utf-8") as file:
        paths = [os.path.join(root, name).replace(" ", "\\ ") for name in sorted(inputs)]
        file.write(f"{target}: {' '.join(paths)}\n")


if __name__ == "__main__":
    main()
