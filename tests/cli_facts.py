#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chiaro info on models as a person reads them, on types that are only listed, on files of other programs, within 80 columns.

Needs CHIARO_PROGRAM. Other formats: cli_info.c. Ends with "N passed, N failed, N skipped".
"""
import json
import os
import struct
import sys
import tempfile
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import check, make_data, npy, refused, run, summary, train


def safetensors(path, tensors, metadata=None):
    """tensors: name → (type, shape, bytes)."""
    header, body = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def narrow(what, out):
    check(out and max(map(len, out.split("\n"))) <= 80, f"{what}: at most 80 wide", out)


def models(work):
    make_data(work)
    code, _, errors = train(work, f"{work}/run", "--epochs", "1", "--seed", "3")
    check(code == 0, "a model to look at", errors)
    path = f"{work}/run/model.safetensors"
    code, out, errors = run("info", path)
    narrow("a model", out)
    flat = " ".join(out.split())
    # 8 · 9 + 2 · 8 and 16 · 8 · 9 + 16; 16 · 16 + 16 and 16 · 8 + 8
    for text in ("step ", "input 1 x 12 x 12", "pixels bytes, 0 to 255", "encoder conv2d:8,k=3,s=2,p=1,bias=0 batch_norm relu", "1,256 parameters, 16 running statistics", "head linear:16 relu linear:8",
                 "408 parameters", "seed=3", "rate=0.01", "classes none", "data 200 images", "encoder.0.weight F32 8 x 1 x 3 x 3", "checksums, all right"):
        check(text in flat, f"a model says \"{text}\"", out)
    check(code == 0 and "checksum." not in out and "chiaro.config" not in out and "?" not in out, "no checksums and no raw keys unless asked", out + errors)
    code, out, _ = run("info", path, "--checksums")
    narrow("checksums", out)
    check(code == 0 and "checksum.encoder.0.weight = " in out and "all right" not in out, "checksums where asked", out)
    code, out, _ = run("info", path, "--json")
    got = json.loads(out)
    check(got["encoder"] == {"parameters": 1256, "statistics": 16, "bytes": 4 * 1272} and got["head"]["parameters"] == 408 and "checksum.encoder.0.weight" in got["metadata"]
          and "chiaro.config" in got["metadata"], "JSON has all of it", out)
    refused("both", 2, "--checksums", "info", path, "--json", "--checksums")
    last = sorted(name for name in os.listdir(f"{work}/run") if name.startswith("checkpoint"))[-1]
    code, out, _ = run("info", f"{work}/run/{last}")
    narrow("a checkpoint", out)
    check(code == 0 and "the optimiser's state" in out, "a checkpoint is told from a model", out)


def foreign(work):
    path = f"{work}/f8.safetensors"
    safetensors(path, {"a": ("F8_E4M3", [3, 2], b"abcdef"), "b": ("F32", [1], struct.pack("<f", 2.5)), "long " + 30 * "name " + "end": ("F64", [1], struct.pack("<d", 1 / 3))},
                {"format": "pt", "chiaro.future": "something new", "note": "a\nb\x1b[2J"})
    code, out, errors = run("info", path)
    check(code == 0 and "a  F8_E4M3 3 x 2\n" in out and "b  F32  1  2.5 to 2.5" in out and "format = pt" in out and "chiaro.future = something new" in out and "\x1b" not in out,
          "types that are listed, keys that are shown", out + errors)
    code, out, _ = run("info", path, "--json")
    got = {t["name"]: t for t in json.loads(out)["tensors"]}
    check(code == 0 and got["a"]["type"] == "F8_E4M3" and got["a"]["bytes"] == 6 and got["a"]["min"] is None and got["b"]["max"] == 2.5, "and in JSON", out)
    code, out, errors = run("info", path, env={**os.environ, "COLUMNS": "80"})
    # One of ours with keys of the future, and one whose keys are no such text.
    config = "encoder = linear:2\nbatch = 4\n"
    ours = {"chiaro.format": "1", "chiaro.config": config, "chiaro.input": "4 1 1", "chiaro.classes": "0", "chiaro.step": "7", "chiaro.mood": "fine"}
    weights = {"encoder.0.weight": ("F32", [2, 4], bytes(32)), "encoder.0.bias": ("F32", [2], bytes(8))}
    safetensors(path, weights, ours)
    code, out, errors = run("info", path)
    check(code == 0 and "step        7" in out and "chiaro.mood = fine" in out and "10 parameters" in out and "without labels" in out, "a key of the future", out + errors)
    for what, change in (("another recipe", {"chiaro.config": "enc = linear:2\n"}), ("no input", {"chiaro.input": "four"}), ("no step", {"chiaro.step": ""})):
        safetensors(path, weights, {**ours, **change})
        code, out, errors = run("info", path)
        check(code == 1 and path in errors and "encoder.0.weight" in out and "chiaro.config =" in out, f"{what}: said, and listed as any file", out + errors)


def archives(work):
    npy(f"{work}/one.npy", (2, 2), "<i2", struct.pack("<4h", -5, 1, 2, 9))
    with zipfile.ZipFile(f"{work}/two.npz", "w") as archive:
        archive.write(f"{work}/one.npy", "x.npy")
        archive.write(f"{work}/one.npy", "y.npy")
    code, out, errors = run("info", f"{work}/two.npz")
    check(code == 0 and "npz, 2 tensors" in out and "x  I16  2 x 2  -5 to 9" in out and "y  I16" in out, "npz", out + errors)
    code, out, errors = run("info", f"{work}/two.npz:y")
    check(code == 0 and "1 tensor" in out and "I16  2 x 2  -5 to 9" in out, "one array of it", out + errors)


def main():
    with tempfile.TemporaryDirectory() as work:
        models(work)
        foreign(work)
        archives(work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
