#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tinygrad's half of compare.py, on the same OpenCL device (DEV=CL): CLIP forward and backward under TinyJit. Prints one JSON object.

Usage: tinygrad_side.py clip jit DUMP THREADS REPS DIM
DUMP is what `chiaro bench clip:… --dump` wrote: inputs are read from it, value and gradients compared with it ("worst": the
largest difference, as a part of the largest entry). THREADS go to PoCL through the environment that compare.py makes.
"""
import json
import struct
import sys
import time

import numpy
from tinygrad import Device, Tensor, TinyJit

SCALE = 10.0  # 1 / temperature


def read_dump(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        body = file.read()
    return {name: numpy.frombuffer(body, dtype=numpy.float32, offset=t["data_offsets"][0], count=(t["data_offsets"][1] - t["data_offsets"][0]) // 4)
            for name, t in header.items() if name != "__metadata__"}


def clip(x, y):
    a, b = x.detach().clone(), y.detach().clone()
    a.requires_grad = b.requires_grad = True
    s = SCALE * a.matmul(b.T)
    loss = (0.5 * (s.logsumexp(axis=1) + s.logsumexp(axis=0)) - SCALE * (a * b).sum(1)).mean()
    loss.backward()
    return loss.realize(), a.grad.realize(), b.grad.realize()


def main():
    path, reps, dim = sys.argv[3], int(sys.argv[5]), int(sys.argv[6])
    dump = read_dump(path)
    x, y = (Tensor(dump[name].reshape(-1, dim).copy()).realize() for name in ("x", "y"))
    step, times = TinyJit(clip), []
    for _ in range(3 + reps):  # the first three record and compile
        start = time.perf_counter()
        results = step(x, y)
        Device[Device.DEFAULT].synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    worst = max(float(abs(got.numpy().flatten() - dump[name]).max() / abs(dump[name]).max()) for got, name in zip(results, ("value", "grad_x", "grad_y")))
    print(json.dumps({"ms": min(times[3:]), "worst": worst, "device": Device.DEFAULT}))


main()
