#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sentences about devices: folders that cannot be written or are others' too, too few open files, selectors as they were given.

Needs CHIARO_PROGRAM. Ends with "N passed, N failed, N skipped".
"""
import json
import os
import resource
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import check, refused, run, skip, summary

FOLDERS = ("HOME", "XDG_CACHE_HOME", "POCL_CACHE_DIR", "CHIARO_CACHE_DIR")


def bare(**more):
    return {**{key: value for key, value in os.environ.items() if key not in FOLDERS}, **more}


def homes(work):
    """Without a folder of its own PoCL has no device, and the sentence says which variable names one."""
    only = all(d["platform"] == "Portable Computing Language" for d in json.loads(run("devices", "--json")[1]))
    if not only:
        skip("folders of PoCL: other drivers have devices too")
        return
    with open(f"{work}/file", "w", encoding="ascii") as file:
        file.write("x")
    os.mkdir(f"{work}/open", 0o700)
    os.chmod(f"{work}/open", 0o777)
    shared = os.path.exists("/tmp/pocl/kcache") and os.stat("/tmp/pocl/kcache").st_mtime_ns
    for what, part, variables in (("HOME is a file", "Not a directory", {"HOME": f"{work}/file"}), ("HOME takes no folder", "HOME", {"HOME": "/proc"}),
                                  ("XDG_CACHE_HOME is a file", "XDG_CACHE_HOME", {"XDG_CACHE_HOME": f"{work}/file", "HOME": work}), ("no HOME", "other users share", {}),
                                  ("HOME is everybody's", "other users", {"HOME": f"{work}/open"}), ("POCL_CACHE_DIR is a file", "Not a directory", {"POCL_CACHE_DIR": f"{work}/file"})):
        for words in (["devices"], ["bench", "gemm:8x8x8"], ["plan", "clip:8x8x8"]):
            code, out, errors = run(*words, env=bare(**variables))
            check(code == 3 and not out and errors.count("\n") == 1 and "POCL_CACHE_DIR" in errors and part in errors and "install" not in errors, f"{what}: {words[0]}", errors)
    check((os.path.exists("/tmp/pocl/kcache") and os.stat("/tmp/pocl/kcache").st_mtime_ns) == shared and not os.path.exists(f"{work}/open/.cache"), "nothing was put where others may")
    for what, variables in (("POCL_CACHE_DIR", {"POCL_CACHE_DIR": f"{work}/pocl"}), ("CHIARO_CACHE_DIR without HOME", {"CHIARO_CACHE_DIR": f"{work}/ours"}), ("a new HOME", {"HOME": f"{work}/home"})):
        code, out, errors = run("bench", "gemm:8x8x8", "--reps", "1", "--core", "panel", env=bare(**variables))
        check(code == 0, f"{what} is enough", errors)
    check(os.path.isdir(f"{work}/ours/pocl"), "PoCL keeps its programs in our folder where it has no other")


def files():
    def lower():
        resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))
    for words in (["devices"], ["bench", "gemm:8x8x8"]):
        code, out, errors = run(*words, preexec_fn=lower)
        check(code == 3 and not out and errors.count("\n") == 1 and "at most 10 files" in errors and "ulimit -n" in errors, f"ten open files: {words[0]}", errors)
    code, _, errors = run("devices", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    check(code == 0, "64 open files are enough", errors)


def selectors():
    for selector, status, part in (("!auto", 3, '"!auto" matches no device'), ("0", 1, 'nearest is "#0"'), ("#99,,", 3, '"#99,," matches no device'), ("gup", 1, 'nearest is "gpu"'), ("!", 1, "no term")):
        refused(f"--device '{selector}'", status, part, "plan", "clip:8x8x8", "--device", selector)
    for selector in ("#0", "", ",", "#99,,#0", "!#99", " #0 , "):
        code, _, errors = run("plan", "clip:8x8x8", "--device", selector)
        check(code == 0, f"--device '{selector}'", errors)
    code, out, errors = run("plan", "clip:8x8x8", env={**os.environ, "CHIARO_DEVICE": "!auto"})
    check(code == 3 and '"!auto"' in errors, "CHIARO_DEVICE is quoted as given", out + errors)


def main():
    with tempfile.TemporaryDirectory() as work:
        homes(work)
    files()
    selectors()
    return summary()


if __name__ == "__main__":
    sys.exit(main())
