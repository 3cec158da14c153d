#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The README's Python block: a model in torch gives the features of `chiaro embed` to 1e-5.

Needs CHIARO_PROGRAM, and an interpreter with torch and numpy: CHIARO_TORCH_PYTHON, else the one of bench/peers
(build/peers/venv), else this one; without one it is one counted skip. Ends with "N passed, N failed, N skipped".
"""
import os
import random
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "harness"))
from cli import check, npy, run, skip, summary

ROOT = os.path.dirname(HERE)


def torch_python():
    for python in (os.environ.get("CHIARO_TORCH_PYTHON"), os.path.join(ROOT, "build", "peers", "venv", "bin", "python"), sys.executable):
        if python and os.path.exists(python) and subprocess.run([python, "-c", "import torch, numpy"], stderr=subprocess.DEVNULL).returncode == 0:
            return python
    return None


def main():
    python = torch_python()
    if not python:
        skip("no interpreter with torch and numpy")
        return summary()
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        block = re.search(r"```python\n(.*?)```", file.read(), re.S).group(1)
    with tempfile.TemporaryDirectory() as work:
        draw = random.Random(3)
        npy(f"{work}/images.npy", (96, 28, 28), "|u1", bytes(draw.randrange(256) for _ in range(96 * 784)))
        code, _, errors = run("train", "baseline", "--images", f"{work}/images.npy", "--output", f"{work}/run", "--batch", 32, "--epochs", 2, "--quiet")
        check(code == 0, "training", errors)
        code, _, errors = run("embed", "--model", f"{work}/run/model.safetensors", "--images", f"{work}/images.npy", "--output", f"{work}/features.npy")
        check(code == 0, "embed", errors)
        done = subprocess.run([python, "-c", block], capture_output=True, text=True, cwd=work, timeout=300)
        check(done.returncode == 0 and float(done.stdout or "inf") < 1e-5, "the README's features in torch", done.stdout + done.stderr)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
