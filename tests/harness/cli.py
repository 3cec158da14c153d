# SPDX-License-Identifier: Apache-2.0
"""What tests of the program share: running it, counting checks, and small files of its formats."""
import gzip
import json
import os
import random
import struct
import subprocess
import zlib

PROGRAM = os.environ["CHIARO_PROGRAM"]
NETWORK = ["--encoder", "conv2d:8,k=3,s=2,p=1,bias=0 batch_norm relu conv2d:16,k=3,s=2,p=1 relu global_pool flatten",
           "--head", "linear:16 relu linear:8", "--batch", "32", "--rate", "0.01", "--checkpoint_every", "4", "--erase_low", "2",
           "--erase_high", "4", "--shift", "2"]
counts = {"passed": 0, "failed": 0, "skipped": 0}


def check(good, what, detail=""):
    counts["passed" if good else "failed"] += 1
    if not good:
        print(f"FAILED: {what}\n{detail}", flush=True)


def skip(what):
    counts["skipped"] += 1
    print(f"skipped: {what}", flush=True)


def summary():
    """Prints the closing line; the exit status."""
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return counts["failed"] != 0


def run(*arguments, timeout=120, **more):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **more)
    return done.returncode, done.stdout, done.stderr


def refused(what, code, text, *arguments, **more):
    """One sentence, the right status, nothing on stdout."""
    got, out, errors = run(*arguments, **more)
    check(got == code and text in errors and not out, f"{what}: status {got}, wanted {code} with \"{text}\"", errors)


def mount(folder, options):
    """A tmpfs over a folder ("size=64k", "ro"); whether it could be: root alone can. umount(folder) ends it."""
    return os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], stderr=subprocess.DEVNULL).returncode == 0


def umount(folder):
    subprocess.run(["umount", folder], stderr=subprocess.DEVNULL, check=False)


def idx(path, shape, data):
    with gzip.open(path, "wb") as file:
        file.write(struct.pack(">HBB", 0, 8, len(shape)) + b"".join(struct.pack(">I", n) for n in shape) + data)


def npy(path, shape, kind, data):
    header = str({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)


def png(path, width, height, rows, channels=3):
    """A PNG of 8 bits a channel; rows: bytes of all pixels, row by row."""
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    line = width * channels
    lines = b"".join(b"\0" + rows[y * line:(y + 1) * line] for y in range(height))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def make_pictures(folder, classes=("bark", "leaf", "moss"), each=10, side=24):
    """A folder a class; its pictures have a square of the class's colour at a random place."""
    draw = random.Random(2)
    for c, name in enumerate(classes):
        os.makedirs(f"{folder}/{name}")
        for i in range(each):
            rows = bytearray(draw.randrange(120) for _ in range(3 * side * side))
            left, top = draw.randrange(side // 2), draw.randrange(side // 2)
            for y in range(top, top + side // 2):
                for x in range(left, left + side // 2):
                    rows[3 * (y * side + x) + c % 3] = 200 + draw.randrange(56)
            png(f"{folder}/{name}/{i:03}.png", side, side, bytes(rows))


def make_data(folder, count=200, side=12, classes=4):
    """Images whose class is the place of a bright square."""
    draw = random.Random(1)
    for part, n in (("train", count), ("t10k", count // 2)):
        pixels, labels = bytearray(), bytearray()
        for i in range(n):
            label = i % classes
            for y in range(side):
                for x in range(side):
                    inside = (y * 2 // side) * 2 + x * 2 // side == label
                    pixels.append(min(255, draw.randrange(90) + 150 * inside))
            labels.append(label)
        idx(f"{folder}/{part}-images-idx3-ubyte.gz", (n, side, side), bytes(pixels))
        idx(f"{folder}/{part}-labels-idx1-ubyte.gz", (n,), bytes(labels))


def weights(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        body = file.read()
    return {k: body[v["data_offsets"][0]:v["data_offsets"][1]] for k, v in header.items() if k != "__metadata__"}


def train(data, output, *more, recipe="baseline", **options):
    return run("train", recipe, "--data", data, "--output", output, "--quiet", *NETWORK, *more, **options)
