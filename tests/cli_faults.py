#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the program: damaged files, a full disk, folders that cannot be written, caches shared or damaged,
selectors, contradictions. Each gets one sentence and a status, at once, and leaves nothing half written.

Needs CHIARO_PROGRAM; a full disk needs root (a small tmpfs), else it is skipped. Ends with "N passed, N failed, N skipped".
"""
import glob
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import NETWORK, PROGRAM, check, make_data, mount, npy, refused, run, skip, summary, train, umount

HUGE = struct.pack(">HBBIII", 0, 8, 3, 0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF)
TERABYTES = json.dumps({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def npy_claim(shape):
    header = str({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)


def damaged_images(data, work):
    good = open(f"{data}/train-images-idx3-ubyte.gz", "rb").read()
    files = {
        "missing": None, "empty": b"", "garbage": bytes(range(256)) * 20, "cut gz": good[:len(good) // 2],
        "short idx": gzip.compress(gzip.decompress(good)[:-100]), "long idx": gzip.compress(gzip.decompress(good) + bytes(9)),
        "an idx that claims exabytes": gzip.compress(HUGE + bytes(100)), "sizes that overflow": gzip.compress(struct.pack(">HBBIII", 0, 8, 3, 0xFFFFFFFF, 0xFFFFFFFF, 2) + bytes(50)),
        "npy, terabytes": npy_claim((1 << 40, 12, 12)), "npy, sizes that overflow": npy_claim((1 << 40, 1 << 40, 16)),
        "npy, cut": npy_claim((4, 12, 12)), "npy, no header": b"\x93NUMPY\x01\x00\xff\xff", "npy, of rank 1": npy_claim((16,)),
    }
    for what, content in files.items():
        path = f"{work}/images-{what.replace(' ', '-').replace(',', '')}"
        if content is not None:
            write(path, content)
        refused(f"images: {what}", 1, os.path.basename(path), "train", "baseline", "--images", path, "--output", f"{work}/damaged", "--quiet", *NETWORK)
        check(not os.path.exists(f"{work}/damaged/config.txt"), f"images: {what}: nothing is written")
    for value in ("inf", "-inf"):
        npy(f"{work}/{value}.npy", (1, 2, 2), "<f4", struct.pack("<4f", 0, 1, float(value), 0))
        refused(f"{value} in images", 1, "element 2", "train", "baseline", "--images", f"{work}/{value}.npy", "--output", f"{work}/damaged")


def damaged_models(data, work):
    code, _, errors = train(data, f"{work}/run", "--epochs", 1)
    check(code == 0, "training", errors)
    good = open(f"{work}/run/model.safetensors", "rb").read()
    files = {"missing": None, "empty": b"", "garbage": b"\x10" + bytes(200), "cut": good[:-40], "cut in its header": good[:30],
             "a header of exabytes": struct.pack("<Q", 1 << 62) + b"{}", "terabytes of data": struct.pack("<Q", len(TERABYTES)) + TERABYTES,
             "one bit flipped": good[:-5] + bytes([good[-5] ^ 16]) + good[-4:], "not JSON": struct.pack("<Q", 8) + b"not json"}
    for what, content in files.items():
        path = f"{work}/model-{what.replace(' ', '-')}"
        if content is not None:
            write(path, content)
        for command in (["eval", "--model", path, "--data", data], ["embed", "--model", path, "--images", f"{data}/t10k-images-idx3-ubyte.gz", "--output", f"{work}/none.npy"]):
            refused(f"model: {what}, {command[0]}", 1, os.path.basename(path), *command)
        check(not os.path.exists(f"{work}/none.npy"), f"model: {what}: no features are written")
    for path in glob.glob(f"{work}/run/checkpoint-*"):
        write(path, open(path, "rb").read()[:100])
    os.remove(f"{work}/run/model.safetensors")
    code, _, errors = train(data, f"{work}/run", "--epochs", 1, "--resume")
    check(code == 1 and "checkpoint" in errors, "no checkpoint that can be read: resuming is refused", errors)


def full_disk(data, work):
    folder = f"{work}/small"
    os.mkdir(folder)
    if not mount(folder, "size=192k"):
        skip("a full disk: no small tmpfs can be mounted here")
        return
    try:
        code, _, errors = train(data, f"{folder}/run", "--epochs", 2, "--keep", 2)
        kept = glob.glob(f"{folder}/run/checkpoint-*.safetensors")
        check(code == 0, "a run that fits on a small disk", errors)
        try:
            with open(f"{folder}/filler", "wb", buffering=0) as file:
                while file.write(bytes(512)):
                    pass
        except OSError:
            pass
        before = {path: open(path, "rb").read() for path in kept}
        code, _, errors = run("embed", "--model", f"{folder}/run/model.safetensors", "--images", f"{data}/train-images-idx3-ubyte.gz", "--output", f"{folder}/f.npy")
        check(code == 1 and "No space left" in errors, "features on a full disk", errors)
        check(not glob.glob(f"{folder}/f.npy*"), "no half file of features", str(os.listdir(folder)))
        code, _, errors = train(data, f"{folder}/other", "--epochs", 2)
        check(code == 1 and "No space left" in errors and errors.count("\n") <= 2, "a run on a full disk", errors)
        check(all(open(path, "rb").read() == content for path, content in before.items()), "older checkpoints are untouched")
        left = [name for _, _, names in os.walk(folder) for name in names if ".tmp" in name or name.endswith("~")]
        check(not left, "no temporary file is left", left)
    finally:
        umount(folder)


def outputs(data, work):
    write(f"{work}/file", b"x")
    refused("an output folder under a file", 1, "file", "train", "baseline", "--data", data, "--output", f"{work}/file/run", "--quiet", *NETWORK)
    refused("features under a file", 1, "file", "embed", "--model", f"{work}/kept.safetensors", "--images", f"{data}/t10k-images-idx3-ubyte.gz", "--output", f"{work}/file/f.npy")


def bench(word, cache, *more, **extra):
    # The core is named: which cores are tried, and so what is compiled, would depend on how busy the machine is.
    environment = {**os.environ, "CHIARO_CACHE": "force", "CHIARO_CACHE_DIR": cache, **extra}
    return subprocess.Popen([PROGRAM, "bench", word, "--core", "panel", "--hash", "--json", "--reps", "1", *more], env=environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ends(process):
    out, errors = process.communicate(timeout=120)
    return process.returncode, json.loads(out)["hash"] if process.returncode == 0 else out, errors


def caches(work):
    cache, word = f"{work}/shared-cache", "clip:65x65x17"
    results = [ends(p) for p in [bench(word, cache) for _ in range(3)]]
    check(all(r[0] == 0 and r[1] == results[0][1] for r in results), "three processes fill one cache", results)
    entries = sorted(glob.glob(f"{cache}/*.program"))
    check(len(entries) > 1 and not [n for n in os.listdir(cache) if ".tmp" in n], "entries, and no temporary file", os.listdir(cache))
    for what, damage in (("emptied", lambda all: b""), ("cut", lambda all: all[:len(all) // 2]), ("zeroed", lambda all: bytes(len(all))), ("lengthened", lambda all: all + b"more")):
        for path in entries:
            write(path, damage(open(path, "rb").read()))
        again = [ends(p) for p in [bench(word, cache) for _ in range(2)]]
        check(all(r[0] == 0 and r[1] == results[0][1] for r in again), f"two processes meet {what} entries", again)
        check(sorted(glob.glob(f"{cache}/*.program")) == entries and all(os.path.getsize(p) > 100 for p in entries), f"{what} entries are built again")
    write(f"{work}/no-folder", b"x")
    code, got, errors = ends(bench(word, f"{work}/no-folder"))
    check(code == 0 and got == results[0][1] and "not kept" in errors, "a file where the cache folder should be", errors)
    readonly = f"{work}/readonly"
    os.mkdir(readonly, 0o700)
    if not mount(readonly, "ro,mode=700"):
        os.chmod(readonly, 0o500)
    code, got, errors = ends(bench(word, readonly))
    check(code == 0 and got == results[0][1] and errors.count("not kept") == 1, "a cache folder that cannot be written: one warning", errors)
    umount(readonly)
    done = subprocess.run([PROGRAM, "cache", "clear"], capture_output=True, text=True, env={**os.environ, "CHIARO_CACHE_DIR": cache})
    check(done.returncode == 0 and not glob.glob(f"{cache}/*.program") and not glob.glob(f"{cache}/*.notes"), "cache clear", done.stderr)


def contradictions(data, work):
    refused("a tile of the other core", 1, "g16x16k16", "bench", "clip:8x8x8", "--core", "panel", "--tile", "g16x16k16")
    refused("no such term", 1, "nearest", "bench", "clip:8x8x8", "--device", "nme:x")
    refused("an excluded device", 3, "matches no device", "bench", "clip:8x8x8", "--device", "cpu,gpu,!cpu,!gpu")
    refused("an index that is not there", 3, "#77", "bench", "clip:8x8x8", "--device", "#77")
    refused("n = 0", 2, "from 1", "bench", "clip:0x0x8")
    refused("dim = 0", 2, "from 1", "bench", "clip:8x8x0")
    base = ["train", "baseline", "--data", data, "--output", f"{work}/never", "--quiet", *NETWORK]
    refused("temperature below 0", 2, "temperature = -0.1", *base, "--temperature", "-0.1")
    refused("temperature infinite", 2, "temperature = inf", *base, "--temperature", "inf")
    refused("a batch of 0", 2, "batch = 0", *base, "--batch", "0")
    refused("a batch that memory does not hold", 1, "largest batch that fits", *base, "--memory", "600K")
    refused("an erased box the wrong way round", 1, "erase", *base, "--erase", "0.5", "--erase_low", "9", "--erase_high", "3")
    check(not os.path.exists(f"{work}/never"), "nothing was written")


def main():
    with tempfile.TemporaryDirectory() as work:
        data = f"{work}/data"
        os.mkdir(data)
        make_data(data)
        damaged_images(data, work)
        damaged_models(data, work)
        full_disk(data, work)
        outputs(data, work)
        caches(work)
        contradictions(data, work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
