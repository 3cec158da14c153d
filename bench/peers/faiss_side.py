#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""faiss's half of compare.py: exact search in a process of its own. Prints one JSON object.

Usage: faiss_side.py topk IndexFlatIP DUMP THREADS REPS DIM
DUMP is what `chiaro bench topk:… --dump` wrote: x are the queries, y the base, output the scores. Adding the base to the index
is not timed. "worst": the largest difference of a score, as a part of the largest; "other_rows": indices that differ, which
near ties may.
"""
import json
import struct
import sys
import time

import faiss
import numpy


def read_dump(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        body = file.read()
    kinds = {"F32": numpy.float32, "I32": numpy.int32}
    return {name: numpy.frombuffer(body, dtype=kinds[t["dtype"]], offset=t["data_offsets"][0], count=(t["data_offsets"][1] - t["data_offsets"][0]) // 4)
            for name, t in header.items() if name != "__metadata__"}


def main():
    variant, path = sys.argv[2], sys.argv[3]
    threads, reps, dim = (int(a) for a in sys.argv[4:7])
    faiss.omp_set_num_threads(threads)
    dump = read_dump(path)
    queries = dump["x"].reshape(-1, dim)
    want, rows = dump["output"].reshape(len(queries), -1), dump["indices"].reshape(len(queries), -1)
    index = getattr(faiss, variant)(dim)
    index.add(dump["y"].reshape(-1, dim))
    times = []
    for _ in range(reps + 1):  # the first is not counted
        start = time.perf_counter()
        scores, found = index.search(queries, want.shape[1])
        times.append((time.perf_counter() - start) * 1e3)
    print(json.dumps({"ms": min(times[1:]), "worst": float(abs(scores - want).max() / abs(want).max()), "other_rows": int((found != rows).sum()),
                      "faiss": faiss.__version__, "options": faiss.get_compile_options().strip()}))


main()
