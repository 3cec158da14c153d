#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`chiaro search` from the outside: its results against plain Python, the same bytes at every budget, core and element type,
rows without themselves, names, refusals, and what is left behind by an interrupt or a full disk.

Needs CHIARO_PROGRAM; a full disk needs root (a small tmpfs), else it is skipped. Ends with "N passed, N failed, N skipped".
"""
import json
import math
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
from cli import PROGRAM, check, mount, npy, refused, run, skip, summary, umount

NAN = float("nan")


def rows(count, dim, seed, low=-3, high=3):
    """Small integers: every product and sum is exact in float32, and ties abound."""
    draw = random.Random(seed)
    return [[draw.randint(low, high) for _ in range(dim)] for _ in range(count)]


def save(path, data, dim, kind="<f4"):
    code = {"f4": "f", "f8": "d", "f2": "e", "i4": "i", "i1": "b", "u1": "B", "i8": "q"}[kind[1:]]
    flat = [int(v) if code in "ibBq" else float(v) for row in data for v in row]
    npy(path, (len(data), dim), kind, struct.pack(f"{'>' if kind[0] == '>' else '<'}{len(flat)}{code}", *flat))


def load(path):
    with open(path, "rb") as file:
        raw = file.read()
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    header = eval(raw[10:start])  # our own file
    values = struct.unpack(f"<{(len(raw) - start) // (8 if 'i8' in header['descr'] else 4)}{'q' if 'i8' in header['descr'] else 'f'}", raw[start:])
    n, k = header["shape"]
    return header, [list(values[i * k:(i + 1) * k]) for i in range(n)]


def score(metric, x, y):
    dot = sum(a * b for a, b in zip(x, y))
    if metric == "dot":
        return dot
    if metric == "euclidean":
        return sum((a - b) ** 2 for a, b in zip(x, y))
    length = math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))
    return dot / length if length else 0.0


def best(metric, query, base, k):
    scores = [score(metric, query, y) for y in base]
    order = sorted(range(len(base)), key=lambda j: (math.isnan(scores[j]), (scores[j] if metric == "euclidean" else -scores[j]) if not math.isnan(scores[j]) else 0, j))
    return order[:k], [scores[j] for j in order[:k]]


def search(work, base, query, k, *more):
    out = f"{work}/found"
    code, text, errors = run("search", "--base", base, "--query", query, "--output", out, "--k", k, "--json", *more)
    if code:
        return None, None, errors
    both = open(f"{out}/indices.npy", "rb").read() + open(f"{out}/scores.npy", "rb").read()
    return both, json.loads(text), errors


def results(work):
    base, query = rows(2000, 9, 1), rows(37, 9, 2)
    save(f"{work}/b.npy", base, 9)
    save(f"{work}/q.npy", query, 9)
    for metric in ("dot", "euclidean"):
        for k in (1, 7, 1024):
            both, said, errors = search(work, f"{work}/b.npy", f"{work}/q.npy", k, "--metric", metric)
            check(both is not None, f"{metric}, k = {k}", errors)
            if both is None:
                continue
            (head, indices), (_, scores) = load(f"{work}/found/indices.npy"), load(f"{work}/found/scores.npy")
            wanted = [best(metric, x, base, k) for x in query]
            check(indices == [w[0] for w in wanted], f"{metric}, k = {k}: indices, ties by the lower one")
            check(scores == [w[1] for w in wanted], f"{metric}, k = {k}: scores")
            check(head["descr"] == "<i8" and head["shape"] == (37, k), f"{metric}, k = {k}: the files' types", head)
            check(said["queries"] == 37 and said["rows"] == 2000 and said["dim"] == 9 and said["k"] == k and said["metric"] == metric, "JSON", said)
    both, said, errors = search(work, f"{work}/b.npy", f"{work}/q.npy", 5)
    check(both is not None and said["metric"] == "cosine", "cosine is the default", errors)
    _, scores = load(f"{work}/found/scores.npy")
    off = max(abs(a - b) for row, x in zip(scores, query) for a, b in zip(row, best("cosine", x, base, 5)[1]))
    check(off < 1e-6, "cosine: scores", off)


def budgets(work):
    """One set of bytes for every way to cut the work."""
    draw = random.Random(3)
    save(f"{work}/rb.npy", [[draw.gauss(0, 1) for _ in range(13)] for _ in range(3001)], 13)
    save(f"{work}/rq.npy", [[draw.gauss(0, 1) for _ in range(13)] for _ in range(301)], 13)
    for metric, k in (("cosine", 10), ("euclidean", 200), ("dot", 1)):
        first, said, errors = search(work, f"{work}/rb.npy", f"{work}/rq.npy", k, "--metric", metric)
        check(first is not None and said["base_block"] == 3001, f"{metric}: one block", errors)
        blocks = set()
        for more in (["--memory", "700K"], ["--memory", "200K"], ["--memory", "90K"], ["--memory", "60K"], ["--core", "group"], ["--core", "group", "--memory", "150K"],
                     ["--tile", "p4x16v4"], ["--threads", "1"]):
            both, said, errors = search(work, f"{work}/rb.npy", f"{work}/rq.npy", k, "--metric", metric, *more)
            check(both == first, f"{metric}, {more}: the same bytes", errors or said)
            if both and "--memory" in more:
                blocks.add((said["query_block"], said["base_block"]))
                check(said["peak_bytes"] <= int(more[-1][:-1]) * 1024, f"{metric}, {more}: stays in its budget", said)
        check(len(blocks) >= 4, f"{metric}: budgets make different blocks", blocks)


def types(work):
    base, query = rows(300, 5, 4, 0, 9), rows(11, 5, 5, 0, 9)
    save(f"{work}/b-f4.npy", base, 5)
    save(f"{work}/q-f4.npy", query, 5)
    first, _, errors = search(work, f"{work}/b-f4.npy", f"{work}/q-f4.npy", 4, "--metric", "dot")
    check(first is not None, "float32", errors)
    for kind in (">f4", "<f8", ">f8", "<f2", "<i4", ">i4", "|i1", "|u1", "<i8"):
        save(f"{work}/b-t.npy", base, 5, kind)
        save(f"{work}/q-t.npy", query, 5, kind)
        both, _, errors = search(work, f"{work}/b-t.npy", f"{work}/q-t.npy", 4, "--metric", "dot", "--memory", "40K")
        check(both == first, f"elements of {kind}", errors)


def degenerate(work):
    base, query = rows(60, 4, 6), rows(5, 4, 7)
    base[3][1] = NAN
    base[20][0] = NAN
    query[2][3] = NAN
    save(f"{work}/nb.npy", base, 4)
    save(f"{work}/nq.npy", query, 4)
    first = None
    for more in ([], ["--memory", "20K"], ["--core", "group"]):
        both, _, errors = search(work, f"{work}/nb.npy", f"{work}/nq.npy", 60, "--metric", "dot", *more)
        (_, indices), (_, scores) = load(f"{work}/found/indices.npy"), load(f"{work}/found/scores.npy")
        first = first or both
        check(both == first, f"NaN, {more}: the same bytes", errors)
        check(indices == [best("dot", x, base, 60)[0] for x in query], f"NaN, {more}: below everything, by index")
        check(all(math.isnan(v) for v in scores[2]) and all(math.isnan(v) for v in scores[0][58:]) and not math.isnan(scores[0][57]), f"NaN, {more}: scores")
    save(f"{work}/none.npy", [], 4)
    both, _, errors = search(work, f"{work}/nb.npy", f"{work}/none.npy", 3)
    check(both is not None and load(f"{work}/found/indices.npy")[0]["shape"] == (0, 3), "no query: empty files", errors)


def refusals(work):
    out = f"{work}/never"
    good = ["--query", f"{work}/q.npy", "--output", out]
    base = ["search", "--base", f"{work}/b.npy", *good]
    refused("k = 0", 2, "--k 0", *base, "--k", 0)
    refused("k = 1025", 2, "1 to 1024", *base, "--k", 1025)
    refused("k is no number", 2, "--k ten", *base, "--k", "ten")
    refused("a metric", 2, "nearest is \"cosine\"", *base, "--metric", "cosin")
    refused("no query", 2, "--query", "search", "--base", f"{work}/b.npy", "--output", out)
    refused("k > rows", 1, "--k 70 is more than the 60 rows", "search", "--base", f"{work}/nb.npy", "--query", f"{work}/nq.npy", "--output", out, "--k", 70)
    refused("other features", 1, "rows of 9 features", "search", "--base", f"{work}/nb.npy", *good)
    refused("no base rows", 1, "more than the 0 rows", "search", "--base", f"{work}/none.npy", "--query", f"{work}/nq.npy", "--output", out)
    refused("a budget of 2 KiB", 1, "--memory", *base, "--memory", "2K")
    raw = open(f"{work}/b.npy", "rb").read()
    body = raw[-4 * 2000 * 9:]

    def shaped(*shape):
        npy(f"{work}/shaped.npy", shape, "<f4", body)
        with open(f"{work}/shaped.npy", "rb") as file:
            return file.read()

    files = {"empty": b"", "four bytes": raw[:4], "cut in the header": raw[:40], "cut in a row": raw[:-5], "too long": raw + b"\0", "garbage": bytes(range(256)) * 9,
             "one dimension": shaped(18000), "three dimensions": shaped(2000, 3, 3), "no features": shaped(2000, 0),
             "of complex numbers": raw.replace(b"'<f4'", b"'<c4'"), "of objects": raw.replace(b"'<f4'", b"'|O' "),
             "of terabytes": shaped(1 << 40, 9), "beyond addresses": shaped((1 << 63) - 1, 9), "less than it says": shaped(2001, 9)}
    for what, content in files.items():
        path = f"{work}/bad-{what.replace(' ', '-')}.npy"
        with open(path, "wb") as file:
            file.write(content)
        refused(f"a base {what}", 1, os.path.basename(path), "search", "--base", path, *good)
        refused(f"a query {what}", 1, os.path.basename(path), "search", "--base", f"{work}/b.npy", "--query", path, "--output", out)
    refused("a base that is missing", 1, "missing.npy", "search", "--base", f"{work}/missing.npy", *good)
    refused("a folder as base", 1, "not a regular file", "search", "--base", work, *good)
    refused("outputs under a file", 1, "b.npy", "search", "--base", f"{work}/b.npy", "--query", f"{work}/q.npy", "--output", f"{work}/b.npy/x")
    left = os.listdir(out) if os.path.isdir(out) else []
    check(not left, "refusals leave nothing behind", left)


def without_self(work):
    base = rows(50, 3, 8, -1, 1)  # few values, so many rows are equal
    save(f"{work}/s.npy", base, 3)
    for metric in ("dot", "euclidean"):
        for k in (1, 4, 49):
            both, said, errors = search(work, f"{work}/s.npy", f"{work}/s.npy", k, "--metric", metric, "--exclude-self")
            check(both is not None and said["k"] == k and said["exclude_self"], f"--exclude-self, {metric}, k = {k}", errors)
            (head, indices), (_, scores) = load(f"{work}/found/indices.npy"), load(f"{work}/found/scores.npy")
            wanted = [best(metric, x, base, 50) for x in base]
            others = [[(j, v) for j, v in zip(*w) if j != i][:k] for i, w in enumerate(wanted)]
            check(head["shape"] == (50, k) and [list(zip(*pair)) for pair in zip(indices, scores)] == others, f"{metric}, k = {k}: the best others")
    os.symlink(f"{work}/s.npy", f"{work}/link.npy")
    both, _, errors = search(work, f"{work}/s.npy", f"{work}/link.npy", 2, "--exclude-self")
    check(both is not None, "a link to the base is the base", errors)
    same = ["search", "--base", f"{work}/s.npy", "--output", f"{work}/found", "--exclude-self", "--query"]
    save(f"{work}/t.npy", base[:9], 3)
    refused("another file", 1, "so none of its rows is one of the base", *same, f"{work}/t.npy")
    refused("k = rows", 1, "--k 50 is more than the 49 rows", *same, f"{work}/s.npy", "--k", 50)
    refused("k = 1024", 2, "one more is looked for", *same, f"{work}/s.npy", "--k", 1024)


def array_files(work):
    """The same rows out of every file that holds arrays."""
    base = rows(40, 4, 9, 0, 9)
    save(f"{work}/f.npy", base, 4, "|u1")
    flat = bytes(v for row in base for v in row)
    with open(f"{work}/f.idx", "wb") as file:
        file.write(struct.pack(">HBBII", 0, 8, 2, 40, 4) + flat)
    with zipfile.ZipFile(f"{work}/f.npz", "w") as file:
        file.write(f"{work}/f.npy", "rows.npy")
        file.write(f"{work}/f.npy", "others.npy")
    header = json.dumps({"rows": {"dtype": "U8", "shape": [40, 4], "data_offsets": [0, 160]}, "more": {"dtype": "U8", "shape": [4], "data_offsets": [160, 164]}}).encode()
    with open(f"{work}/f.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + flat + bytes(4))
    first, _, errors = search(work, f"{work}/f.npy", f"{work}/f.npy", 3, "--metric", "dot")
    check(first is not None, "rows of .npy", errors)
    for path in ("f.idx", "f.npz:rows", "f.safetensors:rows"):
        both, _, errors = search(work, f"{work}/{path}", f"{work}/{path}", 3, "--metric", "dot", "--exclude-self")
        check(both is not None, f"{path}, --exclude-self", errors)
        both, _, errors = search(work, f"{work}/{path}", f"{work}/f.npy", 3, "--metric", "dot")
        check(both == first, path, errors)
    refused("another array of the file", 1, "none of its rows", "search", "--base", f"{work}/f.npz:rows", "--query", f"{work}/f.npz:others", "--output",
            f"{work}/found", "--exclude-self")


def names(work):
    base = rows(12, 3, 10)
    save(f"{work}/n.npy", base, 3)
    paths = [f"cats/a\\x09{i} \u00e9.png" for i in range(12)]
    with open(f"{work}/n.npy.tsv", "w", encoding="utf-8") as file:
        file.write("row\tpath\tclass\n" + "".join(f"{i}\t{p}\t{'cats' if i else ''}\n" for i, p in enumerate(paths)))
    code, out, errors = run("search", "--base", f"{work}/n.npy", "--query", f"{work}/n.npy", "--output", f"{work}/found", "--k", 2, "--metric", "euclidean",
                            "--exclude-self")
    check(code == 0 and max(map(len, out.splitlines())) <= 80 and out.count("query ") >= 3 and paths[0] in out, "names of the first queries", out + errors)
    (_, indices), (_, scores) = load(f"{work}/found/indices.npy"), load(f"{work}/found/scores.npy")
    with open(f"{work}/found/neighbours.tsv", encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    wanted = [[str(q), paths[q], str(j + 1), str(indices[q][j]), f"{scores[q][j]:.9g}", paths[indices[q][j]], "cats" if indices[q][j] else ""]
              for q in range(12) for j in range(2)]
    check(lines == [["query", "query_path", "rank", "row", "score", "path", "class"]] + wanted, "neighbours.tsv", lines[:3])
    with open(f"{work}/words.txt", "w", encoding="utf-8") as file:
        file.write("".join(f"word{i}\n" for i in range(12)))
    save(f"{work}/b.npy", rows(4, 3, 2), 3)
    both, said, errors = search(work, f"{work}/n.npy", f"{work}/b.npy", 2, "--names", f"{work}/words.txt")
    with open(f"{work}/found/neighbours.tsv", encoding="utf-8") as file:
        second = file.readlines()[1].rstrip("\n").split("\t")
    check(said["names"] and second[1] == "" and second[5] == f"word{second[3]}" and second[6] == "", "names from a text", second)
    both, said, errors = search(work, f"{work}/b.npy", f"{work}/b.npy", 1)
    check(both is not None and not said["names"] and not os.path.exists(f"{work}/found/neighbours.tsv"), "an old neighbours.tsv does not stay", errors)
    arguments = ["search", "--base", f"{work}/n.npy", "--query", f"{work}/b.npy", "--output", f"{work}/found", "--names"]
    refused("too few names", 1, "names 3 rows, there are 12", *arguments, write(f"{work}/few.txt", "a\nb\nc\n"))
    refused("rows out of order", 1, "line 3 is not that of row 1", *arguments, write(f"{work}/bad.tsv", "row\tpath\tclass\n0\ta\t\n2\tb\t\n"))
    refused("no names", 1, "absent", *arguments, f"{work}/absent.tsv")
    os.makedirs(f"{work}/over")
    save(f"{work}/over/indices.npy", base, 3)
    refused("an output over an input", 1, "written over", "search", "--base", f"{work}/over/indices.npy", "--query", f"{work}/b.npy", "--output", f"{work}/over")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def sparse(path, count, dim):
    npy(path, (count, dim), "<f4", b"")
    os.truncate(path, os.path.getsize(path) + 4 * count * dim)


def interrupt(work):
    sparse(f"{work}/zeros.npy", 4_000_000, 64)
    sparse(f"{work}/many.npy", 20_000, 64)
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([PROGRAM, "search", "--base", f"{work}/zeros.npy", "--query", f"{work}/many.npy", "--output", f"{work}/stopped"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 20
        while not (os.path.isdir(f"{work}/stopped") and os.listdir(f"{work}/stopped")) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(number)
        try:
            out, errors = process.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            process.kill()
            out, errors = process.communicate()
        check(process.returncode == 130 and not out and "interrupted" in errors, f"{number.name}: status 130", f"{process.returncode} {errors}")
        check(os.listdir(f"{work}/stopped") == [], f"{number.name}: nothing is left", os.listdir(f"{work}/stopped"))


def full_disk(work):
    folder = f"{work}/small"
    os.mkdir(folder)
    if not mount(folder, "size=64k"):
        skip("a full disk: no small tmpfs can be mounted here")
        return
    try:
        code, _, errors = run("search", "--base", f"{work}/b.npy", "--query", f"{work}/q.npy", "--output", folder, "--k", 500)
        check(code == 1 and "No space left" in errors and os.listdir(folder) == [], "a full disk: nothing half written", f"{errors} {os.listdir(folder)}")
    finally:
        umount(folder)


def main():
    code, text, _ = run("search", "--help")
    check(code == 0 and "example: chiaro search" in text and "--metric" in text, "--help", text)
    with tempfile.TemporaryDirectory() as work:
        for part in (results, budgets, types, degenerate, refusals, array_files, without_self, interrupt, full_disk, names):
            part(work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
