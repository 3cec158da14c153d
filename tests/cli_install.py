#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs into a temporary folder and uses it as a stranger would: every header alone as C11 and C++17, and the README's
C programs compiled with pkg-config as C11 and C++17, and run: they must print what the README says. Needs CHIARO_BUILD. Ends with "N passed, N failed, N skipped".
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
passed = failed = 0


def run(*command, **more):
    global passed, failed
    done = subprocess.run(command, capture_output=True, text=True, **more)
    passed += done.returncode == 0
    failed += done.returncode != 0
    if done.returncode:
        print(f"FAILED: {' '.join(command)}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        run("meson", "install", "-C", os.environ["CHIARO_BUILD"], "--destdir", folder, "--no-rebuild")
        pc = glob.glob(f"{folder}/**/chiaro.pc", recursive=True)
        include = glob.glob(f"{folder}/**/include/chiaro", recursive=True)
        if len(pc) != 1 or len(include) != 1:
            print(f"FAILED: installed pkg-config files {pc}, headers {include}")
            print("0 passed, 1 failed, 0 skipped")
            return 1
        environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(pc[0]), "PKG_CONFIG_SYSROOT_DIR": folder}
        flags = run("pkg-config", "--cflags", "--libs", "chiaro", env=environment).split()
        for header in sorted(os.listdir(include[0])):
            for compiler, standard in (("gcc", "-std=c11"), ("g++", "-std=c++17")):
                path = f"{folder}/one.{'c' if compiler == 'gcc' else 'cc'}"
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"#include <chiaro/{header}>\n")
                run(compiler, standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", path, f"-I{os.path.dirname(include[0])}")
        with open(f"{ROOT}/README.md", encoding="utf-8") as file:
            programs = re.findall(r"```c\n(.*?)```", file.read(), re.S)
        library = os.path.dirname(glob.glob(f"{folder}/**/libchiaro.so", recursive=True)[0])
        for number, program in enumerate(programs):
            for compiler, standard, suffix in (("gcc", "-std=c11", "c"), ("g++", "-std=c++17", "cc")):
                path = f"{folder}/readme{number}.{suffix}"
                with open(path, "w", encoding="utf-8") as file:
                    file.write(program)
                run(compiler, standard, "-Wall", "-Wextra", path, "-o", f"{path}.out", *flags)
                text = run(f"{path}.out", env={**os.environ, "LD_LIBRARY_PATH": library})
                said = re.search(r"printf\(.*; // (.*)", program).group(1)  # what the README says it prints: bits are bits
                if text.strip() != said:
                    print(f"FAILED: README program {number} printed: {text}")
                    return print(f"{passed} passed, {failed + 1} failed, 0 skipped") or 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
