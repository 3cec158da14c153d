#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ways to train: rows held out, beginning with a model, going on and for longer, in a limited time, only planned, and what is
said before the first step.

Needs CHIARO_PROGRAM. Makes its own small data. Ends with "N passed, N failed, N skipped".
"""
import json
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import PROGRAM, check, npy, refused, run, summary, weights

CONV = "conv2d:4,k=3,s=2,p=1 relu global_pool flatten"
TINY = ["--encoder", CONV, "--head", "linear:4", "--batch", "8", "--checkpoint-every", "1000", "--schedule", "constant", "--warmup", "0"]


def make_arrays(work, count=60, classes=3):
    """Images whose class is how bright they are; labels sorted."""
    pixels = b"".join(bytes((40 * (i * classes // count) + (7 * i + 11 * k + k * k) % 80) for k in range(144)) for i in range(count))
    npy(f"{work}/x.npy", (count, 12, 12), "|u1", pixels)
    npy(f"{work}/other.npy", (count, 12, 12), "|u1", bytes(255 - p for p in pixels))
    npy(f"{work}/y.npy", (count,), "<i8", struct.pack(f"<{count}q", *(i * classes // count for i in range(count))))
    return f"{work}/x.npy", f"{work}/y.npy"


def train(work, output, *more, recipe="simclr", images="x.npy", network=TINY):
    return run("train", recipe, "--images", f"{work}/{images}", "--output", f"{work}/{output}", *network, *more)


def flat(text):
    return " ".join(text.split())


def model(work, output):
    return weights(f"{work}/{output}/model.safetensors")


def metadata(path):
    with open(path, "rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))["__metadata__"]


def rows(text):
    out = []
    for word in text.split():
        first, _, last = word.partition("-")
        out += range(int(first), int(last or first) + 1)
    return out


def test_holdout(work):
    labels = ["--labels", f"{work}/y.npy"]
    code, _, errors = train(work, "tenth", *labels, "--holdout", "20%", "--epochs", 1)
    held = rows(metadata(f"{work}/tenth/model.safetensors").get("chiaro.holdout", ""))
    check(code == 0 and "held out: 12 images" in flat(errors), "a part", errors)
    check([sum(20 * c <= row < 20 * c + 20 for row in held) for c in range(3)] == [4, 4, 4], "each class in proportion, though sorted", str(held))
    check(rows(open(f"{work}/tenth/holdout.txt", encoding="ascii").read()) == held, "holdout.txt")
    code, _, errors = train(work, "seed", *labels, "--holdout", "12", "--epochs", 1, "--seed", 2)
    other = rows(metadata(f"{work}/seed/model.safetensors").get("chiaro.holdout", ""))
    check(code == 0 and len(other) == 12 and other != held, "drawn by the seed", errors)
    code, _, errors = train(work, "named", *labels, "--holdout-file", f"{work}/tenth/holdout.txt", "--epochs", 1, "--seed", 2)
    check(code == 0 and rows(metadata(f"{work}/named/model.safetensors")["chiaro.holdout"]) == held, "the rows of a file", errors)
    with open(f"{work}/first.txt", "w", encoding="ascii") as file:
        file.write("0-19\n")
    code, _, errors = train(work, "lacking", *labels, "--holdout-file", f"{work}/first.txt", "--epochs", 1)
    check(code == 0 and 'no image that is trained on is of class "0"' in flat(errors) and 'no image that is held out is of class "1", and other' in flat(errors),
          "a class that one side lacks", errors)
    code, _, errors = train(work, "lacking", *labels, "--holdout-file", f"{work}/tenth/holdout.txt", "--epochs", 1, "--resume")
    check(code == 1 and "other rows" in errors, "other rows on resume", errors)
    code, _, errors = train(work, "lacking", *labels, "--epochs", 1, "--resume")
    check(code == 0, "the run's own rows on resume", errors)
    base = ["train", "simclr", "--images", f"{work}/x.npy", "--output", f"{work}/none", *TINY]
    refused("a part of images without labels", 2, "none has", *base, "--holdout", "10%")
    refused("more than there are", 1, "leaves none", *base, "--holdout", "60")
    refused("all but one", 1, "at least 2", *base, "--holdout", "59")
    refused("100 %", 2, "less than 100%", *base, "--holdout", "100%")
    refused("no number", 2, "10%", *base, "--holdout", "ten")
    refused("both", 2, "exclude each other", *base, "--holdout", "5", "--holdout-file", f"{work}/first.txt")
    with open(f"{work}/far.txt", "w", encoding="ascii") as file:
        file.write("58-60\n")
    refused("a row beyond", 1, "of 60 images", *base, "--holdout-file", f"{work}/far.txt")
    check(not os.path.exists(f"{work}/none"), "nothing is written by what is refused")


def test_longer(work):
    code, _, errors = train(work, "straight", "--epochs", 4)
    check(code == 0, "four epochs", errors)
    train(work, "longer", "--epochs", 2, "--rate", "0.002")
    code, _, errors = train(work, "longer", "--epochs", 4, "--rate", "2e-3", "--resume")
    check(code == 0 and "lengthened from 14 steps to 28 at the same rate" in flat(errors), "a finished run is lengthened, numbers compared as numbers", errors)
    check(model(work, "longer") == model(work, "straight"), "at a constant rate: the weights of a run of that length")
    check("epochs           = 4\n" in open(f"{work}/longer/config.txt", encoding="utf-8").read(), "config.txt says so")
    code, _, errors = train(work, "longer", "--epochs", 4, "--rate", "0.0020", "--resume", "--keep", 5)
    check(code == 0, "keep changes no weight", errors)
    cosine = ["--schedule", "cosine"]
    train(work, "cosine", "--epochs", 2, *cosine)
    code, _, errors = train(work, "cosine", "--epochs", 4, *cosine, "--resume")
    check(code == 0 and "its cosine is stretched over all of them: from step 14 on the rate goes on at 0.001, where it had come down to 2.51e-05" in flat(errors),
          "a cosine is stretched, and it is said", errors)
    with open(f"{work}/cosine/metrics.jsonl", encoding="utf-8") as file:
        rates = [json.loads(line)["lr"] for line in file]
    check(len(rates) == 28 and abs(rates[14] - 0.001) < 1e-6, "rates of both parts", str(rates))
    shutil.rmtree(f"{work}/cosine")


def test_data(work):
    code, _, errors = train(work, "longer", "--epochs", 5, "--resume", images="other.npy")
    check(code == 1 and "other images" in errors, "resuming with other images of the same shape", errors)
    check("epochs           = 4\n" in open(f"{work}/longer/config.txt", encoding="utf-8").read(), "what is refused changes nothing")
    npy(f"{work}/wide.npy", (60, 16, 16), "|u1", bytes(60 * 256))
    code, _, errors = train(work, "longer", "--epochs", 5, "--resume", images="wide.npy")
    check(code == 1 and "1 × 12 × 12" in errors and "1 × 16 × 16" in errors, "resuming with images of another shape", errors)


def test_labels(work):
    labels = ["--labels", f"{work}/y.npy"]
    train(work, "labelled", *labels, "--epochs", 1, recipe="supcon")
    npy(f"{work}/turned.npy", (60,), "<i8", struct.pack("<60q", *(2 - i * 3 // 60 for i in range(60))))
    code, _, errors = train(work, "labelled", "--labels", f"{work}/turned.npy", "--epochs", 2, "--resume", recipe="supcon")
    check(code == 1 and "other labels" in errors, "resuming with other labels of the same classes", errors)
    code, _, errors = train(work, "labelled", *labels, "--epochs", 2, "--resume", recipe="supcon")
    check(code == 0, "resuming with its own", errors)


def test_changed(work):
    """A checkpoint that another program changed and saved is not gone on with."""
    shutil.copytree(f"{work}/longer", f"{work}/changed")
    path = f"{work}/changed/checkpoint-28.safetensors"
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        body = bytearray(file.read())
    body[0] ^= 1
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)
    code, _, errors = train(work, "changed", "--epochs", 4, "--rate", "0.002", "--resume")
    check(code == 1 and "changed by another program" in errors and "going back" not in errors, "a changed checkpoint", errors)


def test_old(work):
    """A run of 849e892 with 7 rows held out, its last ones, stopped after 6 of 12 steps: the weights that it came to."""
    old = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases", "849e892", "held")
    shutil.copytree(old, f"{work}/old")
    command = ["train", "supcon", "--images", f"{old}/x.npy", "--labels", f"{old}/y.npy", "--output", f"{work}/old", "--encoder",
               "conv2d:4,k=3,s=2,p=1,bias=0 batch_norm relu global_pool flatten", "--head", "linear:4", "--batch", "8", "--checkpoint_every", "6", "--holdout", "7"]
    code, _, errors = run(*command, "--epochs", 6, "--resume")
    check(code == 0 and weights(f"{work}/old/model.safetensors") == weights(f"{old}/after.safetensors"), "a run of 849e892", errors)
    check(open(f"{work}/old/holdout.txt", encoding="ascii").read() == "17-23\n", "its rows are those that it held out")
    npy(f"{work}/floats.npy", (24, 8, 8), "<f4", struct.pack("<1536f", *((i % 97) / 97 for i in range(1536))))
    shutil.rmtree(f"{work}/old")
    shutil.copytree(old, f"{work}/old")
    command[3] = f"{work}/floats.npy"
    code, _, errors = run(*command, "--epochs", 6, "--resume")
    check(code == 1 and "rounded numbers to bytes" in errors, "of floats: refused, as they were cut to 8 bits then", errors)


def test_init(work):
    code, _, errors = train(work, "begun", "--init", f"{work}/straight/model.safetensors", "--epochs", 1, "--rate", 0)
    check(code == 0 and f"weights: those of {work}/straight/model.safetensors" in flat(errors), "--init", errors)
    check(model(work, "begun") == model(work, "straight"), "at rate 0 they are the weights of --init")
    code, _, errors = train(work, "headless", "--init", f"{work}/straight/model.safetensors", "--epochs", 1, "--rate", 0,
                            network=[*TINY[:3], "linear:6", *TINY[4:]])
    mine, theirs = model(work, "headless"), model(work, "straight")
    check(code == 0 and "drawn anew" in errors and all(mine[k] == theirs[k] for k in mine if k.startswith("encoder.")), "another head is drawn anew, and it is said", errors)
    check(len(mine["head.0.weight"]) == 4 * 4 * 6, "it is another one")
    wide = [TINY[0], CONV.replace(":4", ":5"), *TINY[2:]]
    refused("another encoder", 1, f'encoder.0.weight is 5 × 1 × 3 × 3 here and 4 × 1 × 3 × 3 there; its own is --encoder "{CONV}"', "train", "simclr",
            "--images", f"{work}/x.npy", "--output", f"{work}/none", *wide, "--init", f"{work}/straight/model.safetensors", "--quiet")
    refused("no model", 1, "absent", "train", "simclr", "--images", f"{work}/x.npy", "--output", f"{work}/none", *TINY, "--init", f"{work}/absent", "--quiet")
    check(not os.path.exists(f"{work}/none"), "nothing is written by what is refused")
    # Killed before its first checkpoint: the weights of --init are not forgotten.
    whole = train(work, "init-whole", "--init", f"{work}/straight/model.safetensors", "--epochs", 2, "--seed", 3)
    check(os.path.exists(f"{work}/init-whole/checkpoint-0.safetensors"), "a checkpoint of the weights of --init", whole[2])
    for name in ("checkpoint-14.safetensors", "model.safetensors"):
        os.remove(f"{work}/init-whole/{name}")
    code, _, errors = train(work, "init-whole", "--epochs", 2, "--seed", 3, "--resume")
    train(work, "init-again", "--init", f"{work}/straight/model.safetensors", "--epochs", 2, "--seed", 3)
    check(code == 0 and model(work, "init-whole") == model(work, "init-again"), "resumed from there", errors)


def test_plan(work):
    before = sorted(os.listdir(work))
    code, out, errors = train(work, "planned", "--dry-run", "--epochs", 3)
    check(code == 0 and sorted(os.listdir(work)) == before, "--dry-run writes nothing", errors)
    for word in ("device: ", "networks", "optimisers", "in all", "time: ", "for 21 steps", "disk: ", "are free", "nothing was written"):
        check(word in out, f"--dry-run says \"{word}\"", out)
    with open(f"{work}/plain", "w", encoding="ascii"):
        pass
    for more in ([], ["--dry-run"]):
        refused("an output that is a file", 1, "is no folder", "train", "simclr", "--images", f"{work}/x.npy", "--output", f"{work}/plain", *TINY, *more)
    refused("no output", 2, "is empty", "train", "simclr", "--images", f"{work}/x.npy", "--output", "", *TINY)
    refused("--dry-run of a run that is there", 1, "holds a run already", "train", "simclr", "--images", f"{work}/x.npy", "--output", f"{work}/straight", *TINY, "--dry-run")


def start(work, output, *more):
    process = subprocess.Popen([PROGRAM, "train", "simclr", "--images", f"{work}/x.npy", "--output", f"{work}/{output}", *TINY, "--epochs", "1000000", "--checkpoint-every", "100000000", *more],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    metrics = f"{work}/{output}/metrics.jsonl"
    deadline = time.time() + 60
    while time.time() < deadline and not (os.path.exists(metrics) and os.path.getsize(metrics)):
        time.sleep(0.02)
    return process


def test_signals(work):
    process = start(work, "asked")
    deadline = time.time() + 60
    process.send_signal(signal.SIGUSR1)
    while time.time() < deadline and not any(n.endswith(".safetensors") for n in os.listdir(f"{work}/asked")):
        time.sleep(0.02)
    found = [n for n in os.listdir(f"{work}/asked") if n.startswith("checkpoint-") and n.endswith(".safetensors")]
    check(process.poll() is None and len(found) == 1, "SIGUSR1: a checkpoint, and on", str(found))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    check(process.returncode == 130 and "as SIGUSR1 asks" in flat(errors), "it is said", errors)


def test_time(work):
    begin = time.time()
    code, _, errors = train(work, "timed", "--epochs", 1000000, "--time-limit", "4s")
    took = time.time() - begin
    check(code == 0 and took < 5.5 and "ended by --time-limit after step" in errors, f"--time-limit: {took:.1f} s", errors)
    step = int(re.search(r"after step (\d+) of", errors).group(1)) if code == 0 else 0
    check(os.path.exists(f"{work}/timed/checkpoint-{step}.safetensors"), "a checkpoint")
    check(metadata(f"{work}/timed/model.safetensors")["chiaro.step"] == str(step), "and a model, of that step")
    refused("no time for a step", 1, "before the first step", "train", "simclr", "--images", f"{work}/x.npy", "--output", f"{work}/hasty", *TINY, "--time-limit", "0.01", "--quiet")
    for text in ("0", "-1", "ten", "5x", "1h30", "nan", ""):
        good = text == "1h30"
        code, _, errors = train(work, f"time-{len(text)}-{text}", "--epochs", 1, "--time-limit", text)
        check((code == 0) == good and (good or "--time-limit" in errors), f"--time-limit {text!r}", errors)


def test_doubts(work):
    def said(text, *more, **ways):
        output = f"doubt{len(os.listdir(work))}"
        code, _, errors = train(work, output, *more, **ways)
        check(code == 0 and text in flat(errors), f"\"{text}\" is said", errors)

    def labels(name, values):
        npy(f"{work}/{name}.npy", (60,), "<i8", struct.pack("<60q", *values))
        return ["--labels", f"{work}/{name}.npy", "--epochs", 1]
    said("the run ends inside its warm-up: it has 7 steps and the warm-up 20, so the rate gets to 0.0007 of 0.002", "--epochs", 1, "--warmup", 20, "--schedule", "cosine")
    said("all images are of one class", *labels("one", [7] * 60), recipe="supcon")
    said("all labels are different", *labels("all", range(60)), recipe="supcon")
    said('1 of 3 classes have one image each, the first of them "500000000000"', *labels("single", [5] * 30 + [500000000000] + [-9] * 29), recipe="supcon")
    said("no class: 10 images, which are not drawn", *labels("some", [-1] * 10 + [1] * 25 + [2] * 25), recipe="supcon")
    said("batches of 40 leave out 20 of 60 images", "--epochs", 1, network=[*TINY[:5], "40", *TINY[6:]])
    text = "# dashes do too\nloss = ntxent\nencoder = " + CONV + "\nhead = linear:4\nbatch = 8\nepochs = 1\nweight-decay = 0.001\ncheckpoint-every = 3\n"
    with open(f"{work}/dashes.txt", "w", encoding="utf-8") as file:
        file.write(text)
    code, _, errors = run("train", "--recipe", f"{work}/dashes.txt", "--images", f"{work}/x.npy", "--output", f"{work}/dashes")
    check(code == 0 and "weight_decay     = 0.001" in open(f"{work}/dashes/config.txt", encoding="utf-8").read(), "keys with dashes", errors)
    refused("too small for the windows", 1, "takes 13 × 13 or more: give larger images", "train", "simclr", "--images", f"{work}/x.npy", "--output", f"{work}/none", "--quiet")
    refused("too small for the boxes", 1, "--erase-high 12 or less", "train", "baseline", "--images", f"{work}/x.npy", "--output", f"{work}/none", "--quiet")


def test_end(work):
    output = "it's a run"
    code, _, errors = train(work, output, "--labels", f"{work}/y.npy", "--epochs", 1)
    commands = [line.strip() for line in errors.split("\n") if line.startswith("  ") and PROGRAM in line]
    check(code == 0 and len(commands) == 2, "what to do next is said", errors)
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
        check(done.returncode == 0, f"it can be pasted: {command}", done.stderr)
        check(shlex.split(command)[0] == os.path.realpath(PROGRAM), "the program by its path", command)
    code, out, _ = run("train", "pictures", "--help")
    check(code == 0 and re.search(r"--holdout VALUE[^-]*default: 10%", flat(out)) and re.search(r"--crop VALUE[^-]*default: 0.3", flat(out)),
          "the help of a recipe says its values", out)


def main():
    with tempfile.TemporaryDirectory() as work:
        make_arrays(work)
        for test in (test_holdout, test_longer, test_data, test_changed, test_labels, test_old, test_init, test_plan, test_signals, test_time, test_doubts, test_end):
            test(work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
