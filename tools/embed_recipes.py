#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Embeds text files as C. Usage: embed_recipes.py OUT.c HEADER ARRAY FILE...: `const text_source ARRAY[]` of tools/HEADER."""
import os
import sys


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write(f'#include "{sys.argv[2]}"\n\nconst text_source {sys.argv[3]}[] = {{\n')
        for path in sys.argv[4:]:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            name = os.path.splitext(os.path.basename(path))[0]
            lines = "\n".join('      "%s\\n"' % line.replace("\\", "\\\\").replace('"', '\\"') for line in text.splitlines())
            out.write('    { "%s",\n%s },\n' % (name, lines))
        out.write("    { 0, 0 },\n};\n")


if __name__ == "__main__":
    main()
