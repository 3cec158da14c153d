# SPDX-License-Identifier: Apache-2.0
"""The files that rows of table.py name: the images and labels of cases.md, the same numbers in other layouts, types and
containers, and what other programs write. Plain Python: the table runs where numpy is not.
"""
import gzip
import json
import os
import random
import struct
import zipfile
import zlib

SIDE, COUNT, CLASSES = 28, 400, 10
DIGITS = {"u1": "B", "i1": "b", "u2": "H", "i2": "h", "f2": "e", "i4": "i", "i8": "q", "u8": "Q", "f4": "f", "f8": "d", "b1": "?"}


def npy_bytes(shape, kind, values, order="C"):
    """kind as numpy spells it, "<i8", "|u1", ">f4", "<U5"; values in C order."""
    if kind[1] in "US":
        width = int(kind[2:])
        data = b"".join(v.encode("utf-32-le").ljust(4 * width, b"\0") if kind[1] == "U" else v.encode().ljust(width, b"\0") for v in values)
    elif kind == "|u1":
        data = bytes(values)
    else:
        data = struct.pack(f"{'>' if kind[0] == '>' else '<'}{len(values)}{DIGITS[kind[1:]]}", *values)
    header = str({"descr": kind, "fortran_order": order == "F", "shape": tuple(shape)}).encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def fortran(shape, values):
    """C order to Fortran order."""
    strides = [1]
    for side in shape[:0:-1]:
        strides.insert(0, strides[0] * side)
    out = []

    def walk(axis, at):
        if axis < 0:
            out.append(values[at])
            return
        for i in range(shape[axis]):
            walk(axis - 1, at + i * strides[axis])
    walk(len(shape) - 1, 0)
    return out


def safetensors_bytes(tensors, metadata=None):
    header, body = {"__metadata__": metadata} if metadata else {}, b""
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def read_safetensors(path):
    with open(path, "rb") as file:
        raw = file.read()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    metadata = header.pop("__metadata__", {})
    return {k: (v["dtype"], v["shape"], raw[8 + size:][slice(*v["data_offsets"])]) for k, v in header.items()}, metadata


def read_npy(path):
    """Shape and float32 values."""
    with open(path, "rb") as file:
        raw = file.read()
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    header = eval(raw[10:start], {"__builtins__": {}})  # a literal that numpy's format prescribes
    assert header["descr"] in ("<f4", "<i8"), header
    count = (len(raw) - start) // (4 if header["descr"] == "<f4" else 8)
    return header["shape"], struct.unpack(f"<{count}{'f' if header['descr'] == '<f4' else 'q'}", raw[start:])


def png_bytes(width, height, channels, pixels):
    """8 bits a value; pixels row by row."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    line = width * channels
    raw = b"".join(b"\0" + bytes(pixels[y * line:(y + 1) * line]) for y in range(height))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


class Set:
    """cases.md: images whose class is the place of a bright bar, and the class of each."""

    def __init__(self):
        draw = random.Random(0)
        self.y = [draw.randrange(CLASSES) for _ in range(COUNT)]
        self.x = []
        for label in self.y:
            image = [draw.randrange(40) for _ in range(SIDE * SIDE)]
            image[(2 + 2 * label) * SIDE:(4 + 2 * label) * SIDE] = [220] * (2 * SIDE)
            self.x += image
        self.order = sorted(range(COUNT), key=lambda i: self.y[i])

    def images(self, rows):
        return [v for i in rows for v in self.x[i * SIDE * SIDE:(i + 1) * SIDE * SIDE]]

    def colour(self, last):
        """Three channels x, x // 2, 255 - x, the channels last or first."""
        area, out = SIDE * SIDE, []
        for i in range(COUNT):
            image = self.x[i * area:(i + 1) * area]
            planes = [image, [v // 2 for v in image], [255 - v for v in image]]
            out += [planes[c][p] for p in range(area) for c in range(3)] if last else planes[0] + planes[1] + planes[2]
        return out


def make_arrays(work, s):
    n, flat = COUNT, (COUNT, SIDE, SIDE)
    put = lambda name, shape, kind, values, order="C": write(f"{work}/{name}", npy_bytes(shape, kind, values, order))
    put("x.npy", flat, "|u1", s.x)
    put("wide.npy", (n, 14, 56), "|u1", s.x)
    put("nhwc.npy", (n, SIDE, SIDE, 3), "|u1", s.colour(True))
    put("nchw.npy", (n, 3, SIDE, SIDE), "|u1", s.colour(False))
    put("first.npy", (n, 1, SIDE, SIDE), "|u1", s.x)
    put("last.npy", (n, SIDE, SIDE, 1), "|u1", s.x)
    put("nhwc-float.npy", (n, SIDE, SIDE, 3), "<f4", [v / 255 for v in s.colour(True)])
    put("fortran.npy", flat, "|u1", fortran(flat, s.x), "F")
    put("both.npy", (2, 3, 8, 3), "|u1", list(range(144)))
    put("neither.npy", (2, 8, 8, 8), "|u1", [v % 256 for v in range(1024)])
    put("one-colour.npy", (32, 32, 3), "|u1", [v % 256 for v in range(3072)])
    put("int64.npy", flat, "<i8", s.x)
    put("whole-float.npy", flat, "<f4", s.x)
    put("big-endian.npy", flat, ">f8", s.x)
    put("unit.npy", flat, "<f4", [v / 255 for v in s.x])
    put("sixteen.npy", flat, "<u2", [v * 257 for v in s.x])
    put("standardised.npy", flat, "<f4", [(v - 51) / 102 for v in s.x])  # 0 and 255 are -0.5 and 2
    bits = [int(v > 100) for v in s.x]
    put("bits-u1.npy", flat, "|u1", bits)
    put("bits-bool.npy", flat, "|b1", bits)
    put("bits-white.npy", flat, "|u1", [255 * v for v in bits])
    put("bits-float.npy", flat, "<f4", bits)
    put("half.npy", flat, "<f2", [v / 255 for v in s.x])
    put("below.npy", flat, "<i2", [v - 5 for v in s.x])
    put("nan.npy", (2, 4, 4), "<f4", [0.5] * 17 + [float("nan")] + [0.5] * 14)
    put("infinite.npy", (2, 4, 4), "<f4", [0.5] * 20 + [float("inf")] + [0.5] * 11)
    put("sorted.npy", flat, "|u1", s.images(s.order))
    put("tiny.npy", (600, 14, 14), "|u1", [(i * 7919) % 256 for i in range(600 * 196)])
    put("one.npy", (1, 28, 28), "|u1", s.x[:784])
    big = b"".join(struct.pack(">I", v) for v in flat)
    write(f"{work}/x.idx", struct.pack(">HBB", 0, 8, 3) + big + bytes(s.x))
    write(f"{work}/wide.idx.gz", gzip.compress(struct.pack(">HBBIII", 0, 8, 3, n, 14, 56) + bytes(s.x), 1))
    with zipfile.ZipFile(f"{work}/all.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.write(f"{work}/x.npy", "x.npy")
        file.write(f"{work}/nhwc.npy", "nhwc.npy")
        file.write(f"{work}/wide.npy", "wide.npy")
    with zipfile.ZipFile(f"{work}/numbers.npz", "w", zipfile.ZIP_STORED) as file:
        file.write(f"{work}/int64.npy", "int64.npy")
    write(f"{work}/short.idx", struct.pack(">HBB", 0, 11, 3) + big + struct.pack(f">{len(s.x)}h", *s.x))
    write(f"{work}/all.safetensors", safetensors_bytes({"x": ("U8", [n, SIDE, SIDE], bytes(s.x)), "wide": ("U8", [n, 14, 56], bytes(s.x)),
                                                        "y": ("I64", [n], struct.pack(f"<{n}q", *s.y))}))


def make_labels(work, s):
    n = COUNT
    put = lambda name, kind, values, shape=None: write(f"{work}/{name}", npy_bytes(shape or (len(values),), kind, values))
    put("y.npy", "<i8", s.y)
    put("y-column.npy", "<i4", s.y, (n, 1))
    put("y-500.npy", "<i8", [v * 500 for v in s.y])
    put("y-huge.npy", "<i8", [v * (1 << 59) - (1 << 62) for v in s.y])
    put("y-u8.npy", "<u8", [v + 7000000 for v in s.y])
    put("y-gap.npy", "<i8", [-1 if i % 4 == 0 else v for i, v in enumerate(s.y)])
    put("y-nine.npy", "<i8", [9999 if i % 4 == 0 else v for i, v in enumerate(s.y)])
    put("y-float.npy", "<f8", s.y)
    put("y-strings.npy", "<U9", [f"class {v}" for v in s.y])
    put("y-sorted.npy", "<i8", [s.y[i] for i in s.order])
    put("y-two.npy", "<i8", s.y[:-2])
    put("y-many.npy", "<i8", list(range(n)))
    put("y-ones.npy", "<i8", [1] * n)
    put("y-2-63.npy", "<u8", [1 << 63] + s.y[1:])
    put("y-half.npy", "<f4", [0.5] + s.y[1:])
    put("y-matrix.npy", "<i8", s.y, (n // 2, 2))
    write(f"{work}/y.txt", "".join(f"Klasse {v}\r\n" for v in s.y))
    write(f"{work}/y-latin.txt", b"".join(b"caf\xe9 %d\n" % v for v in s.y))
    write(f"{work}/y-empty.txt", "".join("\n" if i == 7 else f"k{v}\n" for i, v in enumerate(s.y)))
    write(f"{work}/y.idx", struct.pack(">HBBI", 0, 8, 1, n) + bytes(s.y))
    write(f"{work}/rows.txt", "0-39\n")


def make_folders(work, s):
    area = SIDE * SIDE
    picture = lambda i: png_bytes(SIDE, SIDE, 1, s.x[i * area:(i + 1) * area])
    for i in range(60):
        write(f"{work}/pictures/k{s.y[i]}/{i:03}.png", picture(i))
        write(f"{work}/flat/{i:03}.png", picture(i))
    write(f"{work}/half/train-images-idx3-ubyte.gz", gzip.compress(struct.pack(">HBBIII", 0, 8, 3, COUNT, SIDE, SIDE) + bytes(s.x), 1))
    write(f"{work}/mixed/train-images-idx3-ubyte.gz", gzip.compress(struct.pack(">HBBIII", 0, 8, 3, COUNT, SIDE, SIDE) + bytes(s.x), 1))
    write(f"{work}/mixed/train-labels-idx1-ubyte", struct.pack(">HBBI", 0, 8, 1, COUNT) + bytes(s.y))
    write(f"{work}/mixed2/train-images-idx3-ubyte", struct.pack(">HBBIII", 0, 8, 3, COUNT, SIDE, SIDE) + bytes(s.x))
    write(f"{work}/mixed2/train-labels-idx1-ubyte.gz", gzip.compress(struct.pack(">HBBI", 0, 8, 1, COUNT) + bytes(s.y), 1))
    write(f"{work}/dots/train-images.idx3-ubyte", struct.pack(">HBBIII", 0, 8, 3, COUNT, SIDE, SIDE) + bytes(s.x))
    write(f"{work}/dots/train-labels.idx1-ubyte", struct.pack(">HBBI", 0, 8, 1, COUNT) + bytes(s.y))
    os.makedirs(f"{work}/nothing")
    write(f"{work}/single/one.png", picture(0))
    write(f"{work}/hollow/a/0.png", picture(0))
    write(f"{work}/hollow/a/1.png", picture(1))
    os.makedirs(f"{work}/hollow/b")
    for i, name in enumerate((".cache/0.png", "a/0.png", "a/1.png")):
        write(f"{work}/hidden/{name}", picture(i))
    write(f"{work}/hidden/a/2.gif", b"GIF89a")
    write(f"{work}/loop/a/0.png", picture(0))
    write(f"{work}/loop/a/1.png", picture(1))
    os.symlink("..", f"{work}/loop/a/up")
    write(f"{work}/text/0.png", picture(0))
    write(f"{work}/text/1.png", "this is a text\n")
    huge = png_bytes(1, 1, 1, [0])
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    write(f"{work}/huge/0.png", picture(0))
    write(f"{work}/huge/1.png", huge[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + huge[33:])
    write(f"{work}/sizes/0.png", picture(0))
    write(f"{work}/sizes/1.png", png_bytes(14, 56, 1, s.x[:area]))
    write(f"{work}/small/0.png", png_bytes(2, 2, 1, [0, 90, 180, 255]))
    write(f"{work}/small/1.png", png_bytes(2, 2, 1, [9, 99, 199, 25]))
    write(f"{work}/not-a-folder", "x")


def make_all(work):
    s = Set()
    make_arrays(work, s)
    make_labels(work, s)
    make_folders(work, s)
    return s
