#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chiaro doctor: one page within 80 columns, without names of the user or of the host, and a check that can fail.

Needs CHIARO_PROGRAM. Ends with "N passed, N failed, N skipped".
"""
import json
import os
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import check, run, summary

KERNELS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "kernels")


def doctor(*words, **variables):
    code, out, errors = run("doctor", *words, env={**{k: v for k, v in os.environ.items() if k != "COLUMNS"}, **variables})
    return code, out, errors


def page(work):
    home, host = f"{work}/homes/alice.adams", socket.gethostname()
    os.makedirs(home)
    names = {"HOME": home, "USER": "alice.adams", "LOGNAME": "alice.adams", "CHIARO_CACHE_DIR": f"{work}/scratch/alice.adams/c", "CHIARO_TUNE_DIR": f"{home}/records", "POCL_NOTE": f"{work}/pocl",
             "POCL_CACHE_DIR": os.environ.get("POCL_CACHE_DIR", os.path.expanduser("~/.cache/pocl/kcache")),
             "OCL_NOTE": f"/net/{host}/x alice.adamson\x1b[2J"}
    code, out, errors = doctor(**names)
    check(code == 0 and "all is right" in out and "WRONG" not in out, "the check passes", out + errors)
    check(max(map(len, out.split("\n"))) <= 80, "one page, at most 80 wide", out)
    check("alice.adams/" not in out and "alice.adams " not in out and home not in out and f"/{host}/" not in out and "\x1b" not in out, "no names, no control characters", out)
    for text in ("~/records", "/scratch/USER/c", "/net/HOST/x alice.adamson", "chiaro\n", "version", "distribution", "kernel", "#0", "driver", ".icd", "libOpenCL", "open files", "locked memory",
                 "POCL_CACHE_DIR", "why it", "train-step:4"):
        check(text in out, f"the page has \"{text}\"", out)
    check("of 7 checks" in errors, "and shows that it is alive", errors)
    code, out, errors = doctor("--json", "--quiet", **names)
    got = json.loads(out)
    check(code == 0 and got["failed"] == 0 and not errors and {"chiaro", "system", "devices", "drivers", "paths", "limits", "environment", "check"} <= set(got)
          and got["environment"]["POCL_NOTE"].endswith("/pocl"), "JSON", out + errors)


def faults(work):
    """A device that computes something else is seen, and so is none."""
    shutil.copytree(KERNELS, f"{work}/kernels")
    path = f"{work}/kernels/loss/clip.cl"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    changed = text.replace("row.value + col.value", "1.001f * (row.value + col.value)")
    check(changed != text, "a fault to plant")
    with open(path, "w", encoding="utf-8") as file:
        file.write(changed)
    code, out, errors = doctor(CHIARO_KERNEL_DIR=f"{work}/kernels")
    lines = {line.split()[0]: line for line in out.split("\n") if line.startswith("  ")}
    check(code == 1 and "WRONG" in lines["value"] and "WRONG" in lines["clip:37x37x19"] and "right" in lines["topk:33x29x17,k=7"] and "NOT all" in out, "a wrong kernel is seen", out + errors)
    code, out, errors = doctor("--device", "name:nobody")
    check(code == 3 and "none was opened" in out and "distribution" in out, "no device: the page all the same, status 3", out + errors)
    with open(f"{work}/file", "w", encoding="ascii") as file:
        file.write("x")
    code, out, errors = doctor(HOME=f"{work}/file", CHIARO_DEVICE="platform:Portable")
    check(code in (0, 3) and "limits" in out, "a home that is a file", out + errors)


def main():
    with tempfile.TemporaryDirectory() as work:
        page(work)
        faults(work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
