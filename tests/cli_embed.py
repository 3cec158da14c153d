#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models that others made or changed, and images through them: `chiaro embed`, and `chiaro eval` where it reads the same.

Models written in plain Python with known weights; files that another program changed, and damaged ones; models of 849e892,
which say little of themselves; folders of pictures and names beside their features; little memory; images that do not fit the
model, in every kind of file; interrupts. Needs CHIARO_PROGRAM. Ends with "N passed, N failed, N skipped".
"""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import NETWORK, PROGRAM, check, make_data, make_pictures, npy, png, refused, run, summary, train


def safetensors(path, tensors, metadata):
    """What any program writes: name to (shape, floats), and a table of texts."""
    header, body = {"__metadata__": metadata}, b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def read_safetensors(path):
    with open(path, "rb") as file:
        raw = file.read()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + length])
    metadata = header.pop("__metadata__", {})
    body = raw[8 + length:]
    tensors = {name: (t["shape"], struct.unpack(f"<{(t['data_offsets'][1] - t['data_offsets'][0]) // 4}f", body[slice(*t["data_offsets"])]))
               for name, t in header.items()}
    return tensors, metadata


def load(path):
    with open(path, "rb") as file:
        raw = file.read()
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    return struct.unpack(f"<{(len(raw) - start) // 4}f", raw[start:])


# ---- models of others --------------------------------------------------------------------------------
def python_model(path, shape=(3, 4), drop=(), metadata=None):
    draw = random.Random(1)
    tensors = {"encoder.1.weight": (shape, [draw.gauss(0, 1) for _ in range(12)]), "encoder.1.bias": ([3], [0.5, -1.0, 2.0])}
    for name in drop:
        tensors.pop(name)
    safetensors(path, tensors, metadata or {"chiaro.config": "encoder = flatten linear:3\nhead = flatten\n", "chiaro.input": "1 2 2"})
    return tensors


def test_python_model(_, work):
    path = f"{work}/mine.safetensors"
    tensors = python_model(path)
    pixels = bytes(range(0, 240, 20))
    npy(f"{work}/x.npy", (3, 2, 2), "|u1", pixels)
    arguments = ["embed", "--images", f"{work}/x.npy", "--output", f"{work}/f.npy", "--quiet", "--model"]
    code, _, errors = run(*arguments, path)
    check(code == 0, "a model made in Python", errors)
    weight, bias = tensors["encoder.1.weight"][1], tensors["encoder.1.bias"][1]
    wanted = [sum(weight[4 * o + k] * pixels[4 * i + k] / 255 for k in range(4)) + bias[o] for i in range(3) for o in range(3)]
    got = load(f"{work}/f.npy") if code == 0 else [0.0] * 9
    check(max(abs(a - b) for a, b in zip(got, wanted)) < 4e-6, "its features", f"{got} {wanted}")  # 5 terms of up to 3: 5 · 3 · 2⁻²⁴ · 4
    python_model(path, shape=(4, 3))
    refused("a weight the other way round", 1, "encoder.1.weight is F32 [4, 3], the network takes F32 [3, 4]", *arguments, path)
    python_model(path, drop=["encoder.1.bias"])
    refused("a weight too few", 1, "encoder.1.bias is missing", *arguments, path)
    python_model(path, metadata={"chiaro.input": "1 2 2"})
    refused("no config", 1, "lacks chiaro.config", *arguments, path)
    python_model(path, metadata={"chiaro.config": "encoder = flatten linear:3\n", "chiaro.input": "1 2 2"})
    refused("the usual head, and no weights for it", 1, "head.0.weight is missing", *arguments, path)


def rewrite(path, to, change=None, keep=lambda key: True):
    tensors, metadata = read_safetensors(path)
    if change:
        shape, values = tensors[change]
        tensors[change] = (shape, [2 * v + 1 for v in values])
    safetensors(to, tensors, {k: v for k, v in metadata.items() if keep(k)})


def test_changed(data, work):
    model, images = f"{work}/run/model.safetensors", f"{data}/t10k-images-idx3-ubyte.gz"
    code, _, errors = train(data, f"{work}/run", "--epochs", 1)
    check(code == 0, "training", errors)
    rewrite(model, f"{work}/changed.safetensors", "encoder.0.weight")
    embed = ["embed", "--images", images, "--output", f"{work}/f.npy", "--quiet", "--model"]
    evaluate = ["eval", "--data", data, "--quiet", "--json", "--model"]
    for command in (embed, evaluate):
        refused(f"{command[0]}: a changed model", 1, "--changed loads it", *command, f"{work}/changed.safetensors")
        code, _, errors = run(*command, f"{work}/changed.safetensors", "--changed")
        check(code == 0, f"{command[0]} --changed", errors)
        with open(model, "rb") as file:
            raw = bytearray(file.read())
        raw[-5] ^= 4
        with open(f"{work}/flipped.safetensors", "wb") as file:
            file.write(raw)
        for more in ([], ["--changed"]):
            refused(f"{command[0]} {more}: a flipped bit", 1, "damaged", *command, f"{work}/flipped.safetensors", *more)
        code, _, errors = run(*command, model)
        check(code == 0, f"{command[0]}: the model as it was", errors)
    rewrite(model, f"{work}/plain.safetensors", keep=lambda key: not key.startswith("checksum."))
    run(*embed, model)
    first = load(f"{work}/f.npy")
    code, _, errors = run(*embed, f"{work}/plain.safetensors")
    check(code == 0 and load(f"{work}/f.npy") == first, "the same weights in a file of another writer", errors)


def test_old_model(data, work):
    """A model of 849e892 says neither what became of the pixels nor which rows it held out, the last ones."""
    code, _, errors = train(data, f"{work}/held", "--epochs", 1, "--holdout", 30)
    check(code == 0, "training with a holdout", errors)
    new = ("chiaro.pixels", "chiaro.labels", "chiaro.data", "chiaro.holdout", "checksum.")
    rewrite(f"{work}/held/model.safetensors", f"{work}/old.safetensors", keep=lambda key: not key.startswith(new))
    command = ["eval", "--model", f"{work}/old.safetensors", "--images", f"{data}/train-images-idx3-ubyte.gz", "--labels",
               f"{data}/train-labels-idx1-ubyte.gz", "--predictions", f"{work}/p.tsv", "--json"]
    for more in ([], ["--holdout", 30]):
        code, out, errors = run(*command, *more)
        rows = [line.split("\t")[0] for line in open(f"{work}/p.tsv", encoding="utf-8")][1:] if code == 0 else []
        check(code == 0 and rows == [str(i) for i in range(170, 200)] and "last 30" in errors, f"an old model's rows, {more}", errors)
    code, out, errors = run(*command, "--holdout", 31)
    check(code == 0 and "drawn by --seed" in errors and json.loads(out)["n_test"] == 31, "other rows than an old model's", errors)


# ---- pictures ----------------------------------------------------------------------------------------
def test_pictures(_, work):
    folder = f"{work}/pictures"
    make_pictures(folder, each=12, side=20)
    with open(f"{folder}/notes.txt", "w", encoding="utf-8") as file:
        file.write("no picture")
    os.rename(f"{folder}/leaf/003.png", f"{folder}/leaf/a\tb.png")
    code, _, errors = run("train", "simclr", "--data", folder, "--output", f"{work}/net", "--quiet", *NETWORK, "--epochs", 2, "--holdout", 6, "--size", 16,
                          "--batch", 8, "--shift", 0)
    check(code == 0, "training on pictures", errors)
    model = ["--model", f"{work}/net/model.safetensors"]
    code, out, errors = run("embed", *model, "--images", folder, "--output", f"{work}/p.npy")
    lines = open(f"{work}/p.npy.tsv", encoding="utf-8").read().split("\n") if code == 0 else [""] * 40
    names = sorted(f"{c}/{n}" for c in ("bark", "leaf", "moss") for n in os.listdir(f"{folder}/{c}"))
    wanted = ["row\tpath\tclass"] + [f"{i}\t{n.replace(chr(9), chr(92) + 'x09')}\t{n[:4]}" for i, n in enumerate(names)] + [""]
    check(code == 0 and lines == wanted and "p.npy.tsv" in out, "paths and classes beside the rows", errors + str(lines[:3]))
    code, out, errors = run("search", "--base", f"{work}/p.npy", "--query", f"{work}/p.npy", "--output", f"{work}/found", "--k", 1, "--exclude-self")
    check(code == 0 and "bark/000.png" in out, "search shows them", out + errors)
    first = load(f"{work}/p.npy")
    code, _, _ = run("embed", *model, "--images", folder, "--output", f"{work}/p.npy", "--picture-memory", 0, "--batch", 5, "--quiet")
    check(code == 0 and load(f"{work}/p.npy") == first, "decoded as they are needed, five at a time: the same")
    refused("another size", 1, "--size 20 contradicts", "embed", *model, "--images", folder, "--output", f"{work}/q.npy", "--size", 20)
    code, out, errors = run("eval", *model, "--data", folder, "--json", "--predictions", f"{work}/p.tsv", "--per-class")
    found = json.loads(out) if code == 0 else {}
    check(code == 0 and found["n_test"] == 6 and "held out" in errors and [c["class"] for c in found["per_class"]] == ["bark", "leaf", "moss"] and
          [c["tested"] for c in found["per_class"]] == [2, 2, 2], "eval of a folder: the model's rows", errors + out)
    head, *answers = [line.rstrip("\n").split("\t") for line in open(f"{work}/p.tsv", encoding="utf-8")]
    check(head == ["row", "path", "class", "knn", "probe"] and all(lines[int(a[0]) + 1].split("\t")[1:] == a[1:3] for a in answers), "answers by path", str(answers))
    code, out, errors = run("eval", *model, "--images", folder, "--holdout", "25%", "--json")
    check(code == 0 and json.loads(out)["n_test"] == 9 and "trained on" in errors, "a quarter of a folder", errors)
    npy(f"{work}/flat.npy", (2, 3, 16, 16), "|u1", bytes(2 * 768))
    code, _, errors = run("embed", *model, "--images", f"{work}/flat.npy", "--output", f"{work}/p.npy")
    check(code == 0 and not os.path.exists(f"{work}/p.npy.tsv") and "removed" in errors, "names of other rows do not stay", errors)
    os.makedirs(f"{work}/bare")
    for i in range(4):
        png(f"{work}/bare/{i}.png", 16, 16, bytes([40 * i] * 768))
    refused("pictures without classes", 1, "no labels to evaluate with", "eval", *model, "--data", f"{work}/bare", "--quiet")
    code, _, errors = run("embed", *model, "--images", f"{work}/bare", "--output", f"{work}/bare.npy")
    check(code == 0 and open(f"{work}/bare.npy.tsv", encoding="utf-8").readlines()[1] == "0\t0.png\t\n", "pictures without classes have paths", errors)


def test_shapes(_, work):
    """12 × 12 is not 6 × 24, whatever file it comes in."""
    pixels = random.Random(3).randbytes(40 * 144)
    npy(f"{work}/w.npy", (40, 6, 24), "|u1", pixels)
    npy(f"{work}/w4.npy", (40, 6, 24, 1), "|u1", pixels)
    npy(f"{work}/wy.npy", (40,), "|u1", bytes(i % 4 for i in range(40)))
    with open(f"{work}/w.idx", "wb") as file:
        file.write(struct.pack(">HBBIII", 0, 8, 3, 40, 6, 24) + pixels)
    with zipfile.ZipFile(f"{work}/w.npz", "w") as file:
        file.write(f"{work}/w.npy", "w.npy")
        file.write(f"{work}/wy.npy", "y.npy")
    text = json.dumps({"w": {"dtype": "U8", "shape": [40, 6, 24], "data_offsets": [0, 5760]}}).encode()
    with open(f"{work}/w.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + pixels)
    os.makedirs(f"{work}/wide/a")
    png(f"{work}/wide/a/1.png", 24, 6, pixels[:144], 1)
    model = f"{work}/run/model.safetensors"
    for name in ("w.npy", "w4.npy", "w.idx", "w.npz:w", "w.safetensors:w"):
        said = "1 × 6 × 24 (channels, rows, columns), the model takes 1 × 12 × 12"
        refused(f"embed {name}", 1, said, "embed", "--model", model, "--images", f"{work}/{name}", "--output", f"{work}/g.npy", "--quiet")
        refused(f"eval {name}", 1, said, "eval", "--model", model, "--images", f"{work}/{name}", "--labels", f"{work}/wy.npy", "--quiet")
    check(not os.path.exists(f"{work}/g.npy"), "nothing is written")
    refused("a range that the training did not have", 1, "contradicts", "embed", "--model", model, "--images", f"{work}/w.npy", "--range", "0,1000", "--output",
            f"{work}/g.npy")
    refused("an output over the images", 2, "input too", "embed", "--model", model, "--images", f"{work}/w.npz:w", "--output", f"{work}/w.npz")
    refused("an output over the model", 2, "input too", "embed", "--model", model, "--images", f"{work}/w.npy", "--output", model)


# ---- memory and interrupts ---------------------------------------------------------------------------
def test_memory(_, work):
    """A model that was trained 16 images at a time; more, or a smaller budget, changes no bit."""
    pixels = random.Random(4).randbytes(24 * 3 * 128 * 128)
    npy(f"{work}/m.npy", (24, 3, 128, 128), "|u1", pixels)
    npy(f"{work}/my.npy", (24,), "|u1", bytes(i % 3 for i in range(24)))
    code, _, errors = run("train", "simclr", "--images", f"{work}/m.npy", "--output", f"{work}/big", "--quiet", *NETWORK, "--batch", 16, "--shift", 0, "--steps", 1, "--warmup", 0)
    check(code == 0, "training on 128 × 128", errors)
    model = ["--model", f"{work}/big/model.safetensors"]
    embed = ["embed", *model, "--images", f"{work}/m.npy", "--quiet", "--output", f"{work}/m-f.npy"]
    evaluate = ["eval", *model, "--images", f"{work}/m.npy", "--labels", f"{work}/my.npy", "--quiet", "--json"]
    code, _, errors = run(*embed)
    first = load(f"{work}/m-f.npy") if code == 0 else ()
    _, out, _ = run(*evaluate)
    for more in (["--memory", "30M"], ["--memory", "8M"], ["--batch", 1]):
        code, _, errors = run(*embed, *more)
        check(code == 0 and load(f"{work}/m-f.npy") == first, f"embed {more}", errors)
    code, less, errors = run(*evaluate, "--memory", "80M", "--batch", 3)
    same = ("knn", "linear", "untrained_knn", "untrained_linear", "raw_knn")
    check(code == 0 and all(json.loads(less)[k] == json.loads(out)[k] for k in same), "eval --memory 80M --batch 3", errors + less + out)
    code, less, errors = run(*evaluate, "--memory", "8M")
    check(code == 0 and json.loads(less)["raw_knn"] is None and json.loads(less)["knn"] == json.loads(out)["knn"] and "no raw pixels" in less,
          "pixels that do not fit", errors + less)
    for command in (embed, evaluate):
        refused(f"{command[0]}: hardly any memory", 1, "one image of 3 × 128 × 128 at a time", *command, "--memory", "1M")
    refused("a batch over 500", 2, "from 1 to 500", *embed, "--batch", 501)


def stopped(what, command, folder, wait):
    """Ctrl-C as soon as a line says so; what is left in the folder."""
    before = sorted(os.listdir(folder))
    process = subprocess.Popen([PROGRAM, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = ""
    for line in process.stderr:
        said += line
        if wait in line:
            break
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    check(process.returncode == 130 and not out and "nothing was written" in errors and sorted(os.listdir(folder)) == before, f"{what}: Ctrl-C",
          f"{process.returncode} {said}{errors} {sorted(os.listdir(folder))}")


def test_interrupt(_, work):
    draw = random.Random(5)
    with open(f"{work}/many.idx", "wb") as file:
        file.write(struct.pack(">HBBIII", 0, 8, 3, 300000, 12, 12))
        file.truncate(file.tell() + 300000 * 144)
    os.makedirs(f"{work}/out")
    stopped("embed", ["embed", "--model", f"{work}/run/model.safetensors", "--images", f"{work}/many.idx", "--output", f"{work}/out/f.npy"], f"{work}/out", "0 of")
    rows = 30000
    npy(f"{work}/v.npy", (rows, 64), "<f4", struct.pack(f"<{rows * 64}f", *(draw.random() for _ in range(rows * 64))))
    npy(f"{work}/vy.npy", (rows,), "|u1", bytes(i % 10 for i in range(rows)))
    stopped("eval", ["eval", "--features", f"{work}/v.npy", "--labels", f"{work}/vy.npy", "--predictions", f"{work}/out/p.tsv", "--holdout", "50%"], f"{work}/out",
            "nearest neighbours")


def main():
    with tempfile.TemporaryDirectory() as work:
        data = f"{work}/data"
        os.mkdir(data)
        make_data(data)
        for test in (test_python_model, test_changed, test_old_model, test_pictures, test_shapes, test_memory, test_interrupt):
            test(data, work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
