#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`chiaro eval` and `chiaro embed` from the outside: accuracies against plain Python, which rows are tested and what is said
about them, labels of every kind, small memory, and refusals.

Needs CHIARO_PROGRAM. Makes its own small data. Ends with "N passed, N failed, N skipped".
"""
import json
import math
import os
import random
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import NETWORK, check, make_data, npy, refused, run, summary, train


def save(path, data, kind="<f4"):
    """Rows, or one number each, as .npy; other types than float32 by their code."""
    code = {"f4": "f", "f8": "d", "i8": "q", "i4": "i", "u1": "B"}[kind[1:]]
    flat = [v for row in data for v in row] if isinstance(data[0], (list, tuple)) else list(data)
    shape = (len(data), len(data[0])) if isinstance(data[0], (list, tuple)) else (len(data),)
    npy(path, shape, kind, struct.pack(f"<{len(flat)}{code}", *flat))


def blobs(seed, per_class, classes, dim, spread=1.0):
    """Points around a corner of a cube a class, class after class."""
    draw = random.Random(seed)
    rows, labels = [], []
    for c in range(classes):
        for _ in range(per_class):
            rows.append([draw.gauss(2.0 * (c >> k & 1), spread) for k in range(dim)])
            labels.append(c)
    return rows, labels


def evaluate(*arguments):
    """The JSON of a run that must succeed, and what it said."""
    code, out, errors = run("eval", *arguments, "--json")
    check(code == 0, f"eval {' '.join(map(str, arguments))}", errors)
    return (json.loads(out) if code == 0 else {}), errors


def close(got, wanted):
    return got is not None and abs(got - wanted) < 1e-6


# ---- vectors ---------------------------------------------------------------------------------------
def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def knn(metric, base, labels, query, k):
    """The class with the most votes of the k nearest rows, the lower class of equals, for each query."""
    answers = []
    for x in query:
        def score(y):
            dot = sum(a * b for a, b in zip(x, y))
            if metric == "dot":
                return -dot
            if metric == "euclidean":
                return sum((a - b) ** 2 for a, b in zip(x, y))
            return -dot / math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))
        near = sorted(range(len(base)), key=lambda j: (score(base[j]), j))[:k]
        votes = {}
        for j in near:
            votes[labels[j]] = votes.get(labels[j], 0) + 1
        answers.append(min(votes, key=lambda c: (-votes[c], c)))
    return answers


def share(answers, labels):
    return sum(a == b for a, b in zip(answers, labels)) / len(labels)


def predictions(path):
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    return lines[0], lines[1:]


def test_vectors(_, work):
    base, labels = blobs(1, 15, 4, 3)
    query, wanted = blobs(2, 6, 4, 3)
    base, query = ([[float32(v) for v in row] for row in side] for side in (base, query))
    for name, rows in (("base", base), ("query", query)):
        save(f"{work}/{name}.npy", rows)
    save(f"{work}/labels.npy", labels, "<i8")
    save(f"{work}/wanted.npy", wanted, "<i8")
    files = ["--features", f"{work}/base.npy", "--labels", f"{work}/labels.npy", "--test-features", f"{work}/query.npy",
             "--test-labels", f"{work}/wanted.npy"]
    for metric in ("cosine", "dot", "euclidean"):
        found, _ = evaluate(*files, "--k", "7,1,60", "--metric", metric, "--predictions", f"{work}/p.tsv")
        for place, k in enumerate((7, 1, 60)):
            answers = knn(metric, base, labels, query, k)
            entry = found.get("k", [{}] * 3)[place]
            check(entry.get("k") == k and close(entry.get("knn"), share(answers, wanted)), f"kNN, {metric}, k = {k}", f"{entry} {share(answers, wanted)}")
        head, rows = predictions(f"{work}/p.tsv")
        check(head == ["row", "class", "knn", "probe"] and [int(r[2]) for r in rows] == knn(metric, base, labels, query, 7) and
              [int(r[1]) for r in rows] == wanted and [int(r[0]) for r in rows] == list(range(24)), f"predictions, {metric}", str(rows))
        check(close(found.get("linear"), share([int(r[3]) for r in rows], wanted)), "predictions of the probe", str(found))
        check(found.get("metric") == metric and found.get("n_train") == 60 and found.get("n_test") == 24, "facts", str(found))
    low, high = found["linear_interval"]
    p = found["linear"]
    half = 1.96 * math.sqrt(p * (1 - p) / 24) # of a normal approximation, which 24 rows are too few for: half as much again
    check(low < p < high and high - low < 3 * half and high - low > half, "an interval about the accuracy", str(found))
    again, _ = evaluate(*files, "--k", "7")
    check(again["linear_interval"] == found["linear_interval"], "the same interval twice")
    json_beside(files, work, again)
    probe_scales(files, work, base, query)


def json_beside(files, work, wanted):
    """--json-file: the table on stdout, and in the file what --json prints."""
    path = f"{work}/found.json"
    code, out, errors = run("eval", *files, "--k", "7", "--json-file", path)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = json.loads(text)
    found["seconds"] = wanted["seconds"]
    check(code == 0 and found == wanted and text.endswith("}\n") and "linear probe" in out and "{" not in out, "a table, and JSON in a file", out + errors + text)
    refused("JSON over an input", 2, "is an input too", "eval", *files, "--json-file", f"{work}/base.npy")
    refused("two outputs in one", 2, "are both", "eval", *files, "--json-file", path, "--predictions", path)
    refused("JSON into no folder", 1, "no-folder", "eval", *files, "--json-file", f"{work}/no-folder/x.json")


def probe_scales(files, work, base, query):
    """Neither kNN nor the probe depends on the unit of the features (powers of two: exactly)."""
    whole, _ = evaluate(*files, "--predictions", f"{work}/whole.tsv")
    for power in (-40, 40):
        for name, rows in (("base", base), ("query", query)):
            save(f"{work}/{name}.npy", [[v * 2.0 ** power for v in row] for row in rows])
        scaled, _ = evaluate(*files, "--predictions", f"{work}/scaled.tsv")
        check(predictions(f"{work}/whole.tsv") == predictions(f"{work}/scaled.tsv") and scaled.get("linear") == whole.get("linear"),
              f"features times 2^{power}", f"{scaled} {whole}")


def test_labels(_, work):
    base, labels = blobs(3, 12, 3, 2, 0.5)
    save(f"{work}/v.npy", base)
    whole = None
    forms = {"ids": [500 * y - 7000000 for y in labels], "large": [2 ** 62 + y for y in labels]}
    for name, values in forms.items():
        save(f"{work}/{name}.npy", values, "<i8")
    npy(f"{work}/column.npy", (36, 1), "<i8", struct.pack("<36q", *labels))
    with open(f"{work}/names.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(f"kind \u00e9 {y}" for y in labels) + "\n")
    for form in ("ids.npy", "large.npy", "column.npy", "names.txt"):
        found, errors = evaluate("--features", f"{work}/v.npy", "--labels", f"{work}/{form}", "--per-class")
        key = found.get("knn"), found.get("linear"), found.get("n_test"), found.get("linear_interval")
        whole = whole or key
        check(key == whole and found.get("n_test") == 7, f"labels: {form}", f"{key} {whole}")
        check("20%" not in errors and "drawn by --seed 1" in errors, "what was drawn is said", errors)
    check([c["class"] for c in found["per_class"]] == ["kind \u00e9 0", "kind \u00e9 1", "kind \u00e9 2"], "names of classes", str(found))
    check(sum(c["tested"] for c in found["per_class"]) == 7 and sum(c["rows"] for c in found["per_class"]) == 29 and
          close(sum(c["knn"] * c["tested"] for c in found["per_class"]) / 7, found["knn"]), "sums over classes", str(found))
    save(f"{work}/some.npy", [-1 if i % 4 == 0 else y for i, y in enumerate(labels)], "<i8")
    found, errors = evaluate("--features", f"{work}/v.npy", "--labels", f"{work}/some.npy", "--holdout", 9)
    check(found.get("n_train") == 18 and found.get("n_test") == 9 and "have no class and are left out" in errors, "rows without a class", errors)
    found, errors = evaluate("--features", f"{work}/v.npy", "--labels", f"{work}/labels_of_v.npy", "--unlabelled", "2") \
        if save(f"{work}/labels_of_v.npy", labels, "<i8") is None else ({}, "")
    check(found.get("classes") == 2 and found.get("n_test") == 5, "--unlabelled", str(found))


def test_many_classes(_, work):
    """kNN is not lost where the probe cannot be."""
    draw = random.Random(4)
    rows = [[draw.gauss(0, 1) for _ in range(3)] for _ in range(1030)]
    save(f"{work}/many.npy", rows + rows)
    save(f"{work}/many_labels.npy", [17 * i for i in range(1030)] * 2, "<i8")
    arguments = ["--features", f"{work}/many.npy", "--labels", f"{work}/many_labels.npy", "--holdout", 100, "--k", 1]
    found, _ = evaluate(*arguments)
    check(found.get("knn") == 1.0 and found.get("linear", 0) is None and any("at most 1024 classes" in n for n in found["notes"]),
          "1,030 classes", str(found))
    code, out, errors = run("eval", *arguments, "--per-class")
    check(code == 0 and "1024" in out and max(map(len, out.splitlines())) <= 80, "a table of 1,030 classes", errors)


def test_vectors_refused(_, work):
    save(f"{work}/v.npy", [[1.0, 2.0], [3.0, float("nan")], [5.0, 6.0]])
    save(f"{work}/l.npy", [0, 1, 0], "<i8")
    base = ["eval", "--features", f"{work}/v.npy", "--labels", f"{work}/l.npy"]
    refused("NaN", 1, "v.npy: row 1, feature 1 is nan", *base, "--holdout", 1)
    save(f"{work}/w.npy", [[1.0, 2.0], [3.0, 4.0], [5.0, 1e39]], "<f8")
    refused("beyond float32", 1, "w.npy: row 2, feature 1 is inf", "eval", "--features", f"{work}/w.npy", *base[3:], "--holdout", 1)
    refused("no labels", 2, "has no labels", *base[:3])
    refused("an option of images", 2, "--batch", *base, "--batch", 5)
    refused("holdout of all", 1, "leaves none", *base, "--holdout", 3)
    refused("holdout", 2, "20%", *base, "--holdout", "120%")
    refused("two ways", 2, "exclude each other", *base, "--holdout", 1, "--holdout-file", f"{work}/l.npy")
    refused("k", 2, "list of numbers", *base, "--k", "1,0")
    refused("k over the rows", 1, "--k 3 is more than the 2 rows", *base, "--k", 3, "--holdout", 1)
    refused("metric", 2, "the nearest is \"cosine\"", *base, "--metric", "cosin")
    refused("predictions over an input", 2, "input", *base, "--predictions", f"{work}/v.npy")
    refused("predictions nowhere", 1, "none", *base, "--predictions", f"{work}/none/p.tsv")
    save(f"{work}/flat.npy", [1.0, 2.0, 3.0])
    refused("one dimension", 1, "1 dimensions", "eval", "--features", f"{work}/flat.npy", *base[3:])
    save(f"{work}/l2.npy", [0, 1], "<i8")
    refused("label count", 1, "2 labels for the 3 rows", *base[:4], f"{work}/l2.npy")
    save(f"{work}/good.npy", [[float(i % 7), float(i)] for i in range(20000)])
    save(f"{work}/good_labels.npy", [i % 2 for i in range(20000)], "<i8")
    refused("memory", 1, "take 156 KiB on the device", "eval", "--features", f"{work}/good.npy", "--labels", f"{work}/good_labels.npy",
            "--memory", "100K", "--quiet")
    check(sorted(n for n in os.listdir(work) if "tmp" in n) == [], "nothing is left behind")


# ---- images ----------------------------------------------------------------------------------------
def pictures(seed, count, side, classes):
    """Images whose class is the place of a bright square, and their labels, drawn at random."""
    draw = random.Random(seed)
    pixels, labels = bytearray(), []
    for _ in range(count):
        label = draw.randrange(classes)
        for y in range(side):
            for x in range(side):
                pixels.append(min(255, draw.randrange(90) + 150 * ((y * 2 // side) * 2 + x * 2 // side == label)))
        labels.append(label)
    return bytes(pixels), labels


def shuffled(pixels, labels, order):
    side = len(pixels) // len(labels)
    return b"".join(pixels[i * side:(i + 1) * side] for i in order), [labels[i] for i in order]


def test_rows(_, work):
    pixels, labels = pictures(5, 120, 12, 4)
    x, y = f"{work}/x.npy", f"{work}/y.npy"
    npy(x, (120, 12, 12), "|u1", pixels)
    save(y, labels, "<i8")
    code, _, errors = run("train", "supcon", "--images", x, "--labels", y, "--output", f"{work}/run", "--quiet", *NETWORK, "--epochs", 2, "--holdout", 24,
                          "--crop", 0, "--flip", 0)
    check(code == 0, "training with a holdout", errors)
    model = ["--model", f"{work}/run/model.safetensors", "--images", x, "--labels", y]
    own, errors = evaluate(*model, "--predictions", f"{work}/own.tsv")
    check("24 images" in errors and "held out" in errors and own.get("n_test") == 24, "the model's own rows", errors)
    same, _ = evaluate(*model, "--holdout", 24, "--seed", 9, "--predictions", f"{work}/same.tsv")
    check(predictions(f"{work}/own.tsv") == predictions(f"{work}/same.tsv"), "a holdout of the model's size is the model's")
    other, errors = evaluate(*model, "--holdout", 30)
    check("are ones that" in errors and "trained on" in errors and other.get("n_test") == 30 and any("trained on" in n for n in other["notes"]),
          "testing on rows that were trained on is said", errors)
    rows = sorted(int(r[0]) for r in predictions(f"{work}/own.tsv")[1])
    with open(f"{work}/rows.txt", "w", encoding="utf-8") as file:
        file.write(" ".join(map(str, rows)) + "\n")
    named, errors = evaluate(*model, "--holdout-file", f"{work}/rows.txt")
    check(named.get("knn") == own.get("knn") and "trained on" not in errors, "rows by name", errors)
    counts = [[labels[i] for i in rows].count(c) for c in range(4)]
    check(all(abs(n - labels.count(c) * 0.2) < 1 for c, n in enumerate(counts)), "each class in proportion", str(counts))
    _, errors = evaluate(*model, "--test-images", x, "--test-labels", y)
    check("hold the same images" in errors and "96 of the 120 images" in errors, "tested on what was trained on", errors)
    sorted_labels(work, pixels, labels)
    missing_class(work, pixels, labels)


def sorted_labels(work, pixels, labels):
    order = sorted(range(120), key=lambda i: labels[i])
    more, names = shuffled(pixels, labels, order)
    npy(f"{work}/xs.npy", (120, 12, 12), "|u1", more)
    save(f"{work}/ys.npy", names, "<i8")
    found, _ = evaluate("--model", f"{work}/run/model.safetensors", "--images", f"{work}/xs.npy", "--labels", f"{work}/ys.npy", "--holdout", 23, "--per-class")
    check(found.get("raw_knn", 0) > 0.8 and min(c["tested"] for c in found["per_class"]) >= 4, "a set that is sorted by class", str(found))


def missing_class(work, pixels, labels):
    parts = [[i for i in range(60) if labels[i] != 3], list(range(60, 120))]
    for part, rows in zip(("a", "b"), parts):
        some, names = shuffled(pixels, labels, rows)
        npy(f"{work}/{part}.npy", (len(rows), 12, 12), "|u1", some)
        with open(f"{work}/{part}.txt", "w", encoding="utf-8") as file:
            file.write("".join(f"n{y}\n" for y in names))
    found, errors = evaluate("--model", f"{work}/run/model.safetensors", "--images", f"{work}/a.npy", "--labels", f"{work}/a.txt",
                             "--test-images", f"{work}/b.npy", "--test-labels", f"{work}/b.txt", "--per-class")
    check("class \"n3\": tested, but no row to learn from has it" in errors, "a class that one side lacks", errors)
    last = [c for c in found["per_class"] if c["class"] == "n3"]
    check(len(last) == 1 and last[0]["rows"] == 0 and last[0]["tested"] > 0 and last[0]["knn"] == 0, "its accuracy", str(found))


def test_table(data, work):
    code, _, errors = train(data, f"{work}/whole", "--epochs", 2)
    check(code == 0, "training", errors)
    model = ["--model", f"{work}/whole/model.safetensors", "--data", data]
    found, _ = evaluate(*model)
    keys = {"knn", "knn_weighted", "linear", "untrained_knn", "untrained_linear", "raw_knn", "n_train", "n_test", "seconds"}
    check(keys <= set(found), "keys that there always were", str(sorted(found)))
    check(close(found["knn_gain"], found["knn"] - found["untrained_knn"]) and close(found["linear_gain"], found["linear"] - found["untrained_linear"]) and
          found["knn_gain_interval"][0] <= found["knn_gain"] <= found["knn_gain_interval"][1], "trained less untrained", str(found))
    code, out, errors = run("eval", *model, "--per-class", "--k", "1,20")
    check(code == 0 and max(map(len, out.splitlines())) <= 80, "80 columns", out)
    for text in ("trained less untrained", "the same, untrained", "raw pixels", "kNN, k = 1,", "kNN, k = 20,", "linear probe", f"{found['linear']:.4f}"):
        check(text in out, f"the table says {text}", out)
    for text in ("trained network", "untrained network", "raw pixels", "nearest neighbours"):
        check(text in errors, f"progress says {text}", errors)
    _, _, errors = run("eval", *model, "--quiet", "--json")
    check(errors == "", "--quiet", errors)
    small, _ = evaluate(*model, "--batch", 7, "--memory", "40M")
    check(all(small[k] == found[k] for k in keys - {"seconds"}), "a batch of 7 changes nothing", f"{small}\n{found}")


def main():
    with tempfile.TemporaryDirectory() as work:
        data = f"{work}/data"
        os.mkdir(data)
        make_data(data)
        for test in (test_vectors, test_labels, test_many_classes, test_vectors_refused, test_rows, test_table):
            test(data, work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
