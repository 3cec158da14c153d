#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""include/chiaro/pictures.h against Pillow: 2,000 small pictures of mixed kinds that this script makes, at most 1 of 255 apart
(CMYK 2) as they are, scaled and cut, in RGB and in grey; as one folder with the same order and bits whatever the threads.

Needs CHIARO_READ_PICTURE (tests/read_picture.c), and an interpreter with Pillow 11 or newer (13 scales very tall
pictures in another order, one apart): tests/harness/interpreter.py finds one; without one it
is one counted skip. Ends with "N passed, N failed, N skipped".
"""
import array
import io
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "harness"))
from interpreter import python_with

ROOT = os.path.dirname(HERE)
READER = os.environ["CHIARO_READ_PICTURE"]
COUNT, SIZE = 2000, 24
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # x, y, their steps
draw = random.Random(7)
counts = {"passed": 0, "failed": 0, "skipped": 0}


def check(good, what):
    counts["passed" if good else "failed"] += 1
    if not good:
        print(f"FAILED: {what}", flush=True)


# ---- making pictures -----------------------------------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack(samples, depth):
    """Samples of a row as PNG has them."""
    if depth == 8:
        return bytes(samples)
    if depth == 16:
        return b"".join(struct.pack(">H", v) for v in samples)
    bits = "".join(format(v, f"0{depth}b") for v in samples)
    return bytes(int(bits[i:i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8))


def filtered(row, above, step):
    """A row under a filter drawn at random."""
    kind = draw.randrange(5)
    left = bytes(step) + row
    corner = bytes(step) + above

    def predict(i):
        a, b, c = left[i], above[i], corner[i]
        if kind < 3:
            return (0, a, b)[kind]
        p = a + b - c
        return (a + b) // 2 if kind == 3 else min((a, b, c), key=lambda v: abs(p - v))
    return bytes([kind]) + bytes((row[i] - predict(i)) & 255 for i in range(len(row)))


def png(width, height, color, depth, rows, interlaced=False, more=(), behind=()):
    """rows[y]: samples of a row, flat."""
    n, body = CHANNELS[color], b""
    for x0, y0, dx, dy in PASSES if interlaced else ((0, 0, 1, 1),):
        xs = range(x0, width, dx)
        above = bytes((len(xs) * n * depth + 7) // 8)
        for y in range(y0, height, dy) if xs else ():
            row = pack([rows[y][x * n + c] for x in xs for c in range(n)], depth)
            body += filtered(row, above, max(1, n * depth // 8))
            above = row
    data, cut = zlib.compress(body), draw.randrange(1, 200)
    parts = [data[:cut], data[cut:]] if len(data) > cut else [data]
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)) +
            b"".join(chunk(*c) for c in more) + b"".join(chunk(b"IDAT", p) for p in parts) +
            b"".join(chunk(*c) for c in behind) + chunk(b"IEND", b""))


def tiff(orientation):
    order = draw.choice("<>")
    kind = draw.choice((3, 3, 4))
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((orientation, 0) if kind == 3 else (orientation,)))
    entries = struct.pack(order + "HHI4s", 256, 4, 1, b"abcd") + struct.pack(order + "HHI", 274, kind, 1) + value
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 2) + entries + bytes(4)


def smooth(width, height, channels):
    """Bytes of a picture with structure, or of noise."""
    from PIL import Image
    planes = []
    for _ in range(channels):
        w, h = (width, height) if draw.random() < 0.3 else (width // 5 + 2, height // 5 + 2)
        planes.append(Image.frombytes("L", (w, h), draw.randbytes(w * h)).resize((width, height), Image.BICUBIC).tobytes())
    return bytes(planes[c][i] for i in range(width * height) for c in range(channels))


def samples(width, height, color, depth):
    n = CHANNELS[color]
    flat = list(smooth(width, height, n))
    if depth == 16:
        flat = [v * 256 + low for v, low in zip(flat, draw.randbytes(len(flat)))]
    elif depth < 8:
        flat = [v >> (8 - depth) for v in flat]
    if color in (GREY_ALPHA, RGB_ALPHA) and draw.random() < 0.5:  # whole areas clear or opaque
        top = (1 << depth) - 1
        flat = [draw.choice((0, top, v)) if i % n == n - 1 else v for i, v in enumerate(flat)]
    return [flat[y * width * n:(y + 1) * width * n] for y in range(height)]


def transparent(color, depth, rows):
    """(tRNS, the same picture as rows of 8-bit RGBA): Pillow compares a transparent colour with values that it has scaled."""
    n, (top, y) = CHANNELS[color], ((1 << depth) - 1, draw.randrange(len(rows)))
    x = draw.randrange(len(rows[y]) // n)
    key = rows[y][x * n:x * n + n]
    eight = (lambda v: v // 257) if depth == 16 else (lambda v: v * 255 // top)
    twin = []
    for row in rows:
        pixels = [row[i:i + n] for i in range(0, len(row), n)]
        twin.append([v for p in pixels for v in [eight(c) for c in (p * 3 if n == 1 else p)] + [0 if p == key else 255]])
    return struct.pack(f">{n}H", *key), twin


def make_png(width, height, orientation):
    """(kind, bytes, bytes of a twin that Pillow is to read, or None)."""
    color = draw.choice(tuple(CHANNELS))
    depth = draw.choice({GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8)}.get(color, (8, 16)))
    rows, more, behind, twin = samples(width, height, color, depth), [], [], None
    kind = {GREY: "grey", RGB: "RGB", PALETTE: "palette", GREY_ALPHA: "grey+alpha", RGB_ALPHA: "RGBA"}[color] + f" {depth}-bit"
    if color == PALETTE:
        colors = 1 << depth
        more.append((b"PLTE", draw.randbytes(3 * colors)))
        if draw.random() < 0.5:
            more.append((b"tRNS", bytes(draw.choice((0, 255, draw.randrange(256))) for _ in range(draw.randrange(1, colors + 1)))))
            kind += " tRNS"
    elif color in (GREY, RGB) and draw.random() < 0.4:
        key, twin_rows = transparent(color, depth, rows)
        more.append((b"tRNS", key))
        kind += " tRNS"
    interlaced = draw.random() < 0.4
    if orientation > 1:
        draw.choice((more, behind)).append((b"eXIf", tiff(orientation)))
    if "twin_rows" in locals():
        twin = png(width, height, RGB_ALPHA, 8, twin_rows, more=[c for c in more + behind if c[0] == b"eXIf"])
    return f"PNG {kind}{' interlaced' if interlaced else ''}", png(width, height, color, depth, rows, interlaced, more, behind), twin


def with_app1(data, body):
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def make_jpeg(width, height, orientation):
    from PIL import Image
    mode, options = draw.choice((("L", {}), ("L", {"progressive": True}), ("RGB", {"subsampling": 0}), ("RGB", {"subsampling": 1}),
                                 ("RGB", {"subsampling": 2}), ("RGB", {"subsampling": 2, "progressive": True}),
                                 ("RGB", {"keep_rgb": True}), ("RGB", {"restart_marker_rows": 1}), ("CMYK", {}), ("CMYK", {"progressive": True})))
    image = Image.frombytes(mode, (width, height), smooth(width, height, len(mode)))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=draw.randrange(15, 99), optimize=draw.random() < 0.5, **options)
    data = file.getvalue()
    if orientation > 1 and draw.random() < 0.8:
        data = with_app1(data, b"Exif\0\0" + tiff(orientation))
    elif orientation > 1:
        form = draw.choice(('<x tiff:Orientation="%d"/>', "<tiff:Orientation>%d</tiff:Orientation>"))
        data = with_app1(data, b"http://ns.adobe.com/xap/1.0/\0" + (form % orientation).encode())
    if draw.random() < 0.2:
        data += draw.randbytes(20)  # what lies behind the end is nobody's business
    return "JPEG " + " ".join([mode, *(f"{k}={v}" for k, v in options.items())]), data, None


def make_folder(folder):
    """{path below the folder as bytes: (kind, path that Pillow is to read)}"""
    made = {}
    for i in range(COUNT):
        width, height, orientation = draw.randrange(1, 60), draw.randrange(1, 60), draw.randrange(1, 9)
        kind, data, twin = draw.choice((make_png, make_png, make_jpeg))(width, height, orientation)
        place = draw.choice((b"cats", b"dogs/deep/er", b"a-b", b"a", b"\xff\xfe", "été".encode(), b"10", b"9", b""))
        name = os.path.join(place, b"%s%d%s" % (draw.choice((b"", b".", b"A", b"\xe9", b"x y")), i, draw.choice((b".png", b".jpg", b".PNG", b"", b".dat"))))
        path = os.path.join(folder, b"pictures", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        if twin:
            path = os.path.join(folder, b"twin%d" % i)
            with open(path, "wb") as file:
                file.write(twin)
        made[name] = (kind, path)
    return made


# ---- the reference -------------------------------------------------------------------------------

def reference(path, size, grey):
    from PIL import Image, ImageOps
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would cut at 255
        image = Image.frombytes("L", image.size, bytes(v // 257 for v in array.array("H", image.convert("I;16").tobytes())))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    image = image.convert("L" if grey else "RGB")
    if size:
        shorter = min(image.size)
        image = image.resize(tuple(side * size // shorter for side in image.size), Image.BILINEAR)
        left, top = ((side - size) // 2 for side in image.size)
        image = image.crop((left, top, left + size, top + size))
    return image


def planes(image):
    return b"".join(band.tobytes() for band in image.split())


def apart(ours, theirs):
    return max((abs(a - b) for a, b in zip(ours, theirs)), default=0) if ours != theirs else 0


# ---- checks --------------------------------------------------------------------------------------

def read_one(reader, path, size, grey):
    reader.stdin.write(b"%d %d %s\n" % (size, grey, path))
    reader.stdin.flush()
    words = reader.stdout.readline().split()
    if words[0] != b"ok":
        return None, b" ".join(words)
    shape = tuple(map(int, words[1:]))
    return shape, reader.stdout.read(shape[0] * shape[1] * shape[2])


def note(worst, kind, difference):
    worst[kind] = max(worst.get(kind, 0), difference)
    return difference <= (2 if "CMYK" in kind else 1)


def check_one_by_one(folder, made, worst):
    with subprocess.Popen([READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        for name, (kind, path) in made.items():
            size, grey = draw.choice(((0, 0), (0, 1), (draw.randrange(1, 90), 0), (draw.randrange(1, 90), 1)))
            shape, got = read_one(reader, os.path.join(folder, b"pictures", name), size, grey)
            image = reference(path, size, grey)
            wanted = (1 if grey else 3, image.height, image.width)
            good = shape == wanted and note(worst, kind, apart(got, planes(image)))
            check(good, f"{kind} ({name!r}, size {size}, grey {grey}): {shape} for {wanted}, {worst.get(kind)} apart {got if not shape else ''}")
        reader.stdin.close()


def read_folder(path, size, grey, threads, keep):
    done = subprocess.run([READER, path, str(size), str(grey), str(threads), "0", str(keep)], capture_output=True, check=False)
    return done.returncode, done.stdout


def escaped(name):
    """As chi_text_escape: valid UTF-8 stays, other bytes become \\xNN."""
    return "".join(f"\\x{ord(c) - 0xdc00:02x}" if 0xdc80 <= ord(c) <= 0xdcff else c for c in name.decode("utf-8", "surrogateescape"))


def check_folder(folder, made, grey, worst):
    base = os.path.join(folder, b"pictures")
    status, first = read_folder(base, SIZE, grey, 1, 0)
    check(status == 0, f"the folder: {first[:300]}")
    for threads, keep in ((2, 0), (5, 0), (1, 0), (3, 1)):
        check(read_folder(base, SIZE, grey, threads, keep) == (0, first), f"{threads} threads, kept {keep}: other bits than one thread")
    lines = first.split(b"\n", len(made) + 1)
    channels = 1 if grey else 3
    check(lines[0] == b"ok %d %d %d %d 0 0 0 0" % (len(made), channels, SIZE, SIZE), f"counts: {lines[0]}")
    order = sorted(made)
    classes = sorted({name.split(b"/")[0] for name in made if b"/" in name})
    labels = [classes.index(name.split(b"/")[0]) if b"/" in name else -1 for name in order]
    check(lines[1:-1] == [f"{label} {escaped(name)}".encode() for label, name in zip(labels, order)], "order, escaped paths and labels")
    step = channels * SIZE * SIZE
    for i, name in enumerate(order):
        kind, path = made[name]
        ours = lines[-1][i * step:(i + 1) * step]
        check(note(worst, kind, apart(ours, planes(reference(path, SIZE, grey)))), f"{kind} ({name!r}) in a folder, grey {grey}")


def main():
    worst = {}
    with tempfile.TemporaryDirectory() as work:
        folder = os.fsencode(work)
        made = make_folder(folder)
        check_one_by_one(folder, made, worst)
        for grey in (0, 1):
            check_folder(folder, made, grey, worst)
    from PIL import __version__
    print(f"largest difference from Pillow {__version__}, of 255, by kind:")
    for kind in sorted(worst):
        print(f"  {kind:60} {worst[kind]}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return counts["failed"] != 0


if __name__ == "__main__":
    if not (has := python_with("PIL; assert int(PIL.__version__.split('.')[0]) > 10")):
        print("skipped: no interpreter with Pillow 11 or newer\n0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    if "--inside" not in sys.argv:
        sys.exit(subprocess.run([has, "-W", "ignore", os.path.abspath(__file__), "--inside"], check=False).returncode)
    sys.exit(main())
