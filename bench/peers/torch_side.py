# SPDX-License-Identifier: Apache-2.0
"""PyTorch's half of compare.py: one variant of one problem in a process of its own. Prints one JSON object.

Usage: torch_side.py KIND VARIANT DUMP THREADS REPS [BATCH]
DUMP is what `chiaro bench … --dump` wrote: the inputs are read from it, and value and gradients are compared with it
("worst": the largest difference, as a part of the largest entry). train-step has no dump and gets BATCH.
"""
import json
import struct
import sys
import time

import numpy
import torch
import torch.nn.functional as F

SCALE, SIGLIP_BIAS = 10.0, -10.0  # SCALE: 1 / temperature
FOREVER = float("-inf")


def clip_ce(x, y):
    logits, own = (SCALE * x) @ y.T, torch.arange(len(x))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def clip_lse(x, y):
    s = (SCALE * x) @ y.T
    return (torch.logsumexp(s, 0).mean() + torch.logsumexp(s, 1).mean()) / 2 - s.diagonal().mean()


def ntxent_ce(x):
    s = ((SCALE * x) @ x.T).fill_diagonal_(FOREVER)
    return F.cross_entropy(s, torch.arange(len(x)).roll(len(x) // 2))


def ntxent_lse(x):
    s = ((SCALE * x) @ x.T).fill_diagonal_(FOREVER)
    return torch.logsumexp(s, 1).mean() - SCALE * (x * x.roll(len(x) // 2, 0)).sum(1).mean()


def siglip_logsigmoid(x, y):  # as open_clip has it
    signs = 2 * torch.eye(len(x)) - 1
    return -F.logsigmoid(signs * ((SCALE * x) @ y.T + SIGLIP_BIAS)).sum() / len(x)


def siglip_softplus(x, y):  # all pairs as negatives, then the diagonal put right
    logits = (SCALE * x) @ y.T + SIGLIP_BIAS
    return (F.softplus(logits).sum() - logits.diagonal().sum()) / len(x)


def moco(keys, queue):
    queue = queue.T.contiguous()  # as its authors keep it

    def ce(x):
        logits = SCALE * torch.cat([(x * keys).sum(1, keepdim=True), x @ queue], 1)
        return F.cross_entropy(logits, torch.zeros(len(x), dtype=torch.long))

    def lse(x):
        own = SCALE * (x * keys).sum(1)
        return (torch.logaddexp(torch.logsumexp((SCALE * x) @ queue, 1), own) - own).mean()
    return {"ce": ce, "lse": lse}


def supcon(same, counts):
    if counts.min() == 0:
        sys.exit("supcon: a row without a positive; the formulas here need at least two rows of each class")
    weights = same / counts  # [n][n], rows sum to 1: made once, not timed

    def loss(x):
        s = (SCALE * x) @ x.T
        positives = (weights * s).sum(1)
        return (torch.logsumexp(s.fill_diagonal_(FOREVER), 1) - positives).mean()

    def plain(x):
        s = (SCALE * x) @ x.T
        positives = torch.where(same, s, 0.0).sum(1) / counts[:, 0]
        return (torch.logsumexp(s.masked_fill(torch.eye(len(x), dtype=torch.bool), FOREVER), 1) - positives).mean()
    return {"weights": loss, "where": plain}


def read_dump(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        body = bytearray(file.read())
    kinds = {"F32": torch.float32, "I32": torch.int32}
    return {name: torch.frombuffer(body, dtype=kinds[t["dtype"]], offset=t["data_offsets"][0], count=(t["data_offsets"][1] - t["data_offsets"][0]) // 4)
            for name, t in header.items() if name != "__metadata__"}


def worst(got, want):
    return float((got.flatten() - want).abs().max() / want.abs().max())


def loss_step(kind, formula, dump, dim):
    trained = ("x",) if kind == "moco" else ("x", "y")
    inputs = [dump[name].view(-1, dim).clone().requires_grad_() for name in trained if name in dump]
    if kind == "moco":
        functions = moco(dump["y"].view(-1, dim), dump["queue"].view(-1, dim))
    elif kind == "siglip":
        functions = {"logsigmoid": siglip_logsigmoid, "softplus": siglip_softplus}
    elif kind == "supcon":
        labels = dump["labels"]
        same = (labels[:, None] == labels).fill_diagonal_(False)
        functions = supcon(same, same.sum(1, keepdim=True))
    else:
        functions = {"ce": globals()[kind + "_ce"], "lse": globals()[kind + "_lse"]}
    function = functions[formula.removeprefix("compiled ")]
    if formula.startswith("compiled"):
        function = torch.compile(function, dynamic=False)

    def step():
        value = function(*inputs)
        return [value.detach(), *torch.autograd.grad(value, inputs)]
    want = [dump[name] for name in ("value", "grad_x", "grad_y") if name in dump]
    return step, lambda results: max(worst(a, b) for a, b in zip(results, want))


def gemm_step(formula, dump, dim):
    x, y = dump["x"].view(-1, dim), dump["y"].view(-1, dim)
    out = torch.empty(len(x), len(y))
    steps = {
        "out=": lambda: [torch.mm(x, y.T, out=out)],
        "fresh": lambda: [x @ y.T],
        "numpy.matmul": lambda: [torch.from_numpy(numpy.matmul(x.numpy(), y.numpy().T, out=out.numpy()))],
    }
    return steps[formula], lambda results: worst(results[0], dump["output"])


def augment(x):
    """What the baseline recipe asks for: padded crop, flip, contrast and brightness, one zeroed box."""
    count, side = len(x), x.shape[-1]
    padded = F.pad(x, (4, 4, 4, 4))
    down, across, at = torch.randint(0, 9, (count, 1)), torch.randint(0, 9, (count, 1)), torch.arange(side)
    columns = across + torch.where(torch.rand(count, 1) < 0.5, side - 1 - at, at)
    view = padded[torch.arange(count)[:, None, None], 0, (down + at)[:, :, None], columns[:, None, :]]
    on = (torch.rand(count, 1, 1) < 0.8).float()
    contrast, brightness = 1 + on * (torch.rand(count, 1, 1) * 0.8 - 0.4), 1 + on * (torch.rand(count, 1, 1) * 0.8 - 0.4)
    mean = view.mean((1, 2), keepdim=True)
    view = ((view - mean) * contrast + mean) * brightness
    h, w = torch.randint(8, 15, (count, 1)), torch.randint(8, 15, (count, 1))
    top, left = (torch.rand(count, 1) * (side + 1 - h)).long(), (torch.rand(count, 1) * (side + 1 - w)).long()
    box = ((at >= top) & (at < top + h))[:, :, None] & ((at >= left) & (at < left + w))[:, None, :] & (torch.rand(count, 1, 1) < 0.5)
    return view.masked_fill(box, 0.0).clamp(0, 1)[:, None]


def train_step(formula, batch):
    """chiaro's train-step problem: 3 convolutions, head, NT-Xent at temperature 0.2, AdamW without decay."""
    torch.manual_seed(1)
    pool = ((numpy.arange(4096 * 784, dtype=numpy.uint64) * 2654435761 >> 24) & 255).astype(numpy.float32) / 255
    images = torch.from_numpy(pool).view(4096, 1, 28, 28)[torch.arange(batch) * 7 % 4096]
    layers = []
    for inputs, outputs in ((1, 32), (32, 64), (64, 128)):
        layers += [torch.nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), torch.nn.BatchNorm2d(outputs), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(128, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64))
    last = "channels_last" in formula
    if last:
        net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.0)

    def loss(views):
        z = F.normalize(net(views), dim=1)
        s = (5.0 * z @ z.T).fill_diagonal_(FOREVER)
        return torch.logsumexp(s, 1).mean() - 5.0 * (z * z.roll(batch, 0)).sum(1).mean()
    function = torch.compile(loss, dynamic=False) if formula.startswith("compiled") else loss

    def step():
        views = torch.cat([augment(images), augment(images)])
        if last:
            views = views.contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad(set_to_none=True)
        value = function(views)
        value.backward()
        optimizer.step()
        return [value.detach()]
    return step, lambda results: None


def main():
    kind, formula, path, threads, reps = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    torch.set_num_threads(threads)
    if kind == "train-step":
        step, difference = train_step(formula, int(sys.argv[6]))
    else:
        dump, dim = read_dump(path), int(sys.argv[6])
        step, difference = gemm_step(formula, dump, dim) if kind == "gemm" else loss_step(kind, formula, dump, dim)
    results = step()
    step()  # two untimed: the first compiles, the second meets a warm allocator
    times = []
    for _ in range(reps):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    print(json.dumps({"ms": min(times), "worst": difference(results), "torch": torch.__version__}))


main()
