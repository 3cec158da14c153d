#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training on folders of pictures: the recipe pictures, batches that fit the data, images brought to the device as they are
needed, and what is said of data that will not do.

Needs CHIARO_PROGRAM. Makes its own small data. Ends with "N passed, N failed, N skipped".
"""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import PROGRAM, check, make_pictures, npy, png, refused, run, summary, weights

TINY = ["--encoder", "conv2d:4,k=3,s=2,p=1 relu global_pool flatten", "--head", "linear:4"]


def pictures(data, output, *more, **options):
    return run("train", "pictures", "--data", data, "--output", output, *TINY, *more, **options)


def model_of(output):
    return weights(f"{output}/model.safetensors")


def test_recipe(data, work):
    code, _, errors = pictures(data, f"{work}/all", "--epochs", 3)
    flat = " ".join(errors.split())
    check(code == 0, "pictures", errors)
    check("30 images of 3 classes" in flat and "3 × 64 × 64 (channels, rows, columns) as bytes, 360 KiB" in flat, "data and shape are said", errors)
    check("held out: 3 images" in flat, "a tenth of the classed images is held out", errors)
    check("batch = 64 is lowered to the 27 images left to train on" in flat, "the batch is lowered, with both numbers", errors)
    check(re.search(r"3 of 3 steps.*epoch 3 of 3, loss [0-9.]+, [0-9]+ images/s", errors), "progress", errors)
    refused("a batch that was asked for is not lowered", 1, "batch = 28 is more than the 27 images left", "train", "pictures", "--data", data,
            "--output", f"{work}/none", *TINY, "--batch", "28", "--quiet")
    code, _, errors = pictures(data, f"{work}/quiet", "--epochs", 3, "--quiet")
    check(code == 0 and errors == "", "quiet is quiet", errors)
    check(model_of(f"{work}/quiet") == model_of(f"{work}/all"), "the same weights twice")


def test_streaming(data, work):
    """The same weights wherever the images are, whatever the threads, and after an interruption."""
    common = ["--batch", 8, "--steps", 20, "--checkpoint-every", 10]
    code, _, errors = pictures(data, f"{work}/pool", *common)
    check(code == 0 and "all on the device" in " ".join(errors.split()) and "waited for images 0.0 % of the time" in " ".join(errors.split()), "all images on the device", errors)
    whole = model_of(f"{work}/pool")
    ways = {"decoded": ["--picture-memory", "0"], "threads": ["--picture-memory", "0", "--threads", "1"]}
    for name, more in ways.items():
        code, _, errors = pictures(data, f"{work}/{name}", *common, *more)
        flat = " ".join(errors.split())
        check(code == 0 and "brought to the device a batch at a time" in flat, f"{name}: images are brought as they are needed", errors)
        found = re.search(r"the device waited for images ([0-9.]+) % of the time", flat)
        check(all("waited" in json.loads(line) for line in open(f"{work}/{name}/metrics.jsonl", encoding="utf-8")), f"{name}: metrics have it too")
        check(found and 0 <= float(found.group(1)) <= 100, f"{name}: the share of waiting is said", errors)
        check(code == 0 and model_of(f"{work}/{name}") == whole, f"{name}: the same weights")
    code, _, errors = pictures(data, f"{work}/decoded", *common, "--picture-memory", "0", "--resume")
    check(code == 0, "resuming a finished run does nothing", errors)
    os.remove(f"{work}/decoded/checkpoint-20.safetensors")
    code, _, errors = pictures(data, f"{work}/decoded", *common, "--picture-memory", "0", "--resume")
    check(code == 0 and model_of(f"{work}/decoded") == whole, "resumed in the middle: the same weights", errors)


def test_memory(work):
    """An array that the device cannot hold whole: a batch at a time, with the same weights. 16 MiB of images, a sixteenth of it for the rest."""
    npy(f"{work}/many.npy", (1024, 1, 128, 128), "|u1", bytes(range(256)) * 65536)
    said = {}
    for memory in ("1G", "17M", "8M"):
        code, _, errors = run("train", "simclr", "--images", f"{work}/many.npy", "--output", f"{work}/m{memory}", *TINY, "--batch", 2, "--steps", 5, "--memory", memory)
        said[memory] = " ".join(errors.split())
        check(code == 0, f"--memory {memory}", errors)
    check("all on the device" in said["1G"] and "a batch at a time" in said["17M"] and "a batch at a time" in said["8M"], "where the images are, by memory", str(said))
    check(model_of(f"{work}/m1G") == model_of(f"{work}/m17M") == model_of(f"{work}/m8M"), "the same weights at any --memory")


def test_damage_meanwhile(data, work):
    """A picture that goes bad while it is trained on ends the run with a sentence that names it."""
    mine = f"{work}/mine"
    shutil.copytree(data, mine)
    process = subprocess.Popen([PROGRAM, "train", "pictures", "--data", mine, "--output", f"{work}/meanwhile", *TINY, "--batch", "8", "--epochs", "100000",
                                "--picture-memory", "0", "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    metrics = f"{work}/meanwhile/metrics.jsonl"
    deadline = time.time() + 60
    while time.time() < deadline and not (os.path.exists(metrics) and os.path.getsize(metrics)):
        time.sleep(0.02)
    with open(f"{mine}/leaf/004.png", "r+b") as file:
        file.truncate(60)
    _, errors = process.communicate(timeout=60)
    check(process.returncode == 1 and "leaf/004.png" in errors and errors.count("\n") == 1, "a picture that goes bad", errors)


def test_interrupt(data, work):
    process = subprocess.Popen([PROGRAM, "train", "pictures", "--data", data, "--output", f"{work}/stopped", *TINY, "--batch", "8", "--epochs", "100000",
                                "--picture-memory", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    metrics = f"{work}/stopped/metrics.jsonl"
    deadline = time.time() + 60
    while time.time() < deadline and not (os.path.exists(metrics) and os.path.getsize(metrics)):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    check(process.returncode == 130 and "checkpoint written" in errors, "SIGTERM as Ctrl-C", errors)
    check(any(name.startswith("checkpoint-") for name in os.listdir(f"{work}/stopped")), "a checkpoint after it")


def test_small_folders(work):
    pair = f"{work}/pair"
    os.mkdir(pair)
    png(f"{pair}/a.png", 30, 20, bytes(range(200)) * 9)
    refused("one picture", 1, "at least 2", "train", "pictures", "--data", pair, "--output", f"{work}/one", "--quiet")
    png(f"{pair}/b.png", 9, 9, bytes(81), channels=1)
    code, _, errors = pictures(pair, f"{work}/two", "--epochs", 4)
    check(code == 0 and "lowered to the 2 images" in errors, "two pictures, of other sizes and kinds", errors)
    code, _, errors = pictures(pair, f"{work}/grey", "--epochs", 2, "--grey", "--size", 16)
    check(code == 0 and "left out" in errors and "1 × 16 × 16" in errors, "grey pictures: colours are left alone, and it is said", errors)
    refused("labels for pictures without", 1, "supcon needs labels", "train", "supcon", "--data", pair, "--output", f"{work}/three", "--size", "28", "--quiet")
    refused("mixed sizes", 1, "give one size for all", "train", "simclr", "--data", pair, "--output", f"{work}/four", "--quiet")
    code, _, errors = run("train", "simclr", "--data", pair, "--output", f"{work}/five", "--size", "28", "--epochs", "1", *TINY)
    check(code == 0 and "batch = 512 is lowered to the 2 images" in errors, "an older recipe on pictures", errors)
    npy(f"{work}/small.npy", (4, 8, 8), "|u1", bytes(256))
    refused("one image a step", 1, "its loss is 0", "train", "simclr", "--images", f"{work}/small.npy", "--output", f"{work}/six", *TINY, "--batch", "1", "--quiet")


def test_idx_without_labels(work):
    """Case 17: an idx folder without labels will do for a recipe that needs none; gzipped and plain files may stand together."""
    folder = f"{work}/idx"
    os.mkdir(folder)
    with open(f"{folder}/train-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, 6, 8, 8) + bytes(range(128)) * 3)
    code, _, errors = run("train", "simclr", "--data", folder, "--output", f"{work}/idx-run", *TINY, "--epochs", "1", "--quiet")
    check(code == 0, "idx without labels", errors)
    refused("idx without labels, supcon", 1, "holds no train-labels", "train", "supcon", "--data", folder, "--output", f"{work}/idx-sup", *TINY, "--quiet")


def main():
    with tempfile.TemporaryDirectory() as work:
        data = f"{work}/data"
        make_pictures(data)
        test_recipe(data, work)
        test_streaming(data, work)
        test_memory(work)
        test_damage_meanwhile(data, work)
        test_interrupt(data, work)
        test_small_folders(work)
        test_idx_without_labels(work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
