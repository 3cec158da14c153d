#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Arrays as other programs write them, read by the program: zip archives of Python's zipfile, and what numpy saves.

Ends with "N passed, N failed, N skipped"; without numpy its part is skipped. The right values are those of the plain .npy.
"""
import json
import os
import struct
import sys
import tempfile
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import check, npy, refused, run, skip, summary  # noqa: E402
from interpreter import python_with  # noqa: E402

try:
    import numpy
except ImportError:
    numpy = None
    if python_with("numpy"):
        os.execv(python_with("numpy"), [python_with("numpy"), *sys.argv])


def search(base, folder):
    """What `search` writes for the rows of base nearest to two queries, as bytes."""
    output = os.path.join(folder, "found")
    code, _, errors = run("search", "--base", base, "--query", os.path.join(folder, "q.npy"), "--output", output, "--k", 3, "--metric", "dot")
    check(code == 0, f"search in {base}", errors)
    return [open(os.path.join(output, name), "rb").read() for name in ("indices.npy", "scores.npy")] if code == 0 else None


def info(path):
    """The one tensor of `info --json`."""
    code, out, errors = run("info", "--json", path)
    return json.loads(out)["tensors"][0] if code == 0 else {"shape": errors, "min": None, "max": None}


def archives(folder):
    """Stored, deflated, zip64 and streamed members; what is refused."""
    plain, query = os.path.join(folder, "x.npy"), os.path.join(folder, "q.npy")
    npy(plain, (40, 8), "<f4", struct.pack("<320f", *(i * 7919 % 101 / 8 for i in range(320))))
    npy(query, (2, 8), "<f4", struct.pack("<16f", *(i % 5 for i in range(16))))
    want = search(plain, folder)
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        path = os.path.join(folder, name + ".npz")
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.write(plain, "x.npy")
            with archive.open("y.npy", "w", force_zip64=True) as member:
                member.write(open(plain, "rb").read())
        for member in ("x", "y", "y.npy"):
            check(search(f"{path}:{member}", folder) == want, f"{name}, member {member}: as the plain file")
        refused(f"{name}: no member named", 1, "They are x, y", "search", "--base", path, "--query", query, "--output", os.path.join(folder, "none"))
    path = os.path.join(folder, "bz.npz")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.write(plain, "x.npy")
    refused("another method", 1, "packed by method 12", "search", "--base", path, "--query", query, "--output", os.path.join(folder, "none"))


def numpys(folder):
    """Every type and order that numpy saves, by `info`."""
    x = (numpy.arange(120).reshape(5, 4, 6) * 37 % 101)
    for kind in ("f2", "f4", "f8", "i1", "u1", "<i2", ">i2", ">u4", "<i8", ">f8", "?"):
        for order in "CF":
            a = numpy.asarray(x.astype(kind), order=order)
            for name, save in (("a.npy", numpy.save), ("a.npz", numpy.savez), ("b.npz", numpy.savez_compressed)):
                path = os.path.join(folder, name)
                save(path, a)
                t = info(path if name.endswith("npy") else path + ":arr_0")
                check(t["shape"] == [5, 4, 6] and t["min"] == a.min() and t["max"] == a.max(), f"{kind} {order} {name}", str(t))


def main():
    with tempfile.TemporaryDirectory() as folder:
        archives(folder)
        if numpy:
            numpys(folder)
        else:
            skip("numpy is missing: its own files")
    return summary()


if __name__ == "__main__":
    sys.exit(main())
