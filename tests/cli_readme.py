#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The README's blocks, as printed and in their order: C programs are saved under the name in their first line, `sh` blocks
run in one shell's environment, `python` blocks in an interpreter. Each must end well, a program print what its comment says,
and the features in torch be those of `chiaro embed` to 1e-5.

A block whose first line says "# needs …" is one counted skip where that is missing: harness/interpreter.py looks for numpy and
torch. Runs in a folder of links to this tree, with CHIARO_BUILD as its build folder. Needs CHIARO_BUILD and CHIARO_PROGRAM. Ends with "N passed, N failed, N skipped".
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "harness"))
from cli import check, skip, summary
from interpreter import python_with

ROOT = os.path.dirname(HERE)
LANGUAGES = {"c", "sh", "python"}  # anything else is not meant to run


def blocks():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return re.findall(r"^```(\w*)\n(.*?)^```$", file.read(), re.M | re.S)


def lay_out(work):
    """This tree as links, so that what blocks write stays in a folder of the test's own."""
    for name in os.listdir(ROOT):
        if not name.startswith(("build", ".")):
            os.symlink(os.path.join(ROOT, name), os.path.join(work, name))
    os.symlink(os.path.abspath(os.environ["CHIARO_BUILD"]), os.path.join(work, "build"))


def needs(text):
    """The modules that a block's first line names."""
    line = re.match(r"# needs ([\w, ]+)", text)
    return re.findall(r"\b(?:numpy|torch|PIL)\b", line.group(1)) if line else []


def missing(text):
    """What a block needs and no interpreter here has, or None."""
    modules = needs(text)
    if not modules or python_with(", ".join(modules)):
        return None
    return ", ".join(m for m in modules if not python_with(m)) or " and ".join(modules) + " together"


class Shell:
    """Runs blocks one after the other; what one exports the next ones have."""

    def __init__(self, work):
        self.work, self.kept = work, os.path.join(work, ".exported")
        self.bin = os.path.join(work, ".bin")
        os.mkdir(self.bin)

    def sh(self, text):
        python = python_with("numpy")
        if python:
            with open(os.path.join(self.bin, "python3"), "w", encoding="utf-8") as file:
                file.write(f'#!/bin/sh\nexec "{python}" "$@"\n')
            os.chmod(os.path.join(self.bin, "python3"), 0o755)
        script = f'[ ! -f "{self.kept}" ] || . "{self.kept}"\n{text}\nexport -p >"{self.kept}"\n'
        environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        return self.call(["bash", "-euo", "pipefail", "-c", script], environment)

    def python(self, text):
        return self.call([python_with(", ".join(needs(text)) or "os"), "-c", text], os.environ)

    def call(self, command, environment):
        done = subprocess.run(command, cwd=self.work, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", timeout=500, check=False)
        return done.returncode, done.stdout, done.stderr


def main():
    found = blocks()
    check({"c", "sh", "python"} <= {language for language, _ in found}, "the README has blocks of each kind", str([language for language, _ in found]))
    with tempfile.TemporaryDirectory() as work:
        lay_out(work)
        shell, promised = Shell(work), []
        for number, (language, text) in enumerate(found):
            what = f"block {number + 1} of the README ({language}: {text.strip().splitlines()[0][:60]})"
            lacking = missing(text)
            if language not in LANGUAGES:
                continue
            if lacking:
                skip(f"{what}: {lacking} is missing")
            elif language == "c":
                name = re.match(r"// (\w+\.c)\n", text)
                check(name, f"{what} begins with the name of its file")
                with open(os.path.join(work, name.group(1)), "w", encoding="utf-8") as file:
                    file.write(text)
                promised.append(re.search(r"printf\(.*; // (.*)", text).group(1))
            elif language == "sh":
                code, out, errors = shell.sh(text)
                check(code == 0, f"{what}: status {code}", out[-1500:] + errors[-1500:])
                check("warning:" not in errors, f"{what}: a compiler warns", errors[-1500:])
                promised = [line for line in promised if line not in out.splitlines()]
            else:
                code, out, errors = shell.python(text)
                check(code == 0, f"{what}: status {code}", out + errors)
                if "below 1e-5" in text:
                    check(code == 0 and float(out or "inf") < 1e-5, f"{what}: what it prints is below 1e-5", out + errors)
        check(not promised, "programs print what their comments say", str(promised))
    return summary()


if __name__ == "__main__":
    sys.exit(main())
