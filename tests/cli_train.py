#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Commands as a user meets them: training, killing and resuming, features, evaluation, and every bad input.

Needs CHIARO_PROGRAM. Makes its own small data. Ends with "N passed, N failed, N skipped".
"""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import NETWORK, PROGRAM, check, make_data, npy, refused, run, summary, train, weights


def losses(output):
    with open(f"{output}/metrics.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_training(data, work):
    code, _, errors = train(data, f"{work}/whole", "--epochs", 4)
    check(code == 0, "training", errors)
    lines = losses(f"{work}/whole")
    check([line["step"] for line in lines] == list(range(24)), "a metric a step")
    check(set(lines[0]) == {"step", "epoch", "loss", "lr", "items_per_s", "seconds"}, "keys of a metric")
    first, last = (sum(x["loss"] for x in part) / 4 for part in (lines[:4], lines[-4:]))
    check(last < first - 0.02, "the loss falls", f"{first} {last}")
    check(sorted(os.listdir(f"{work}/whole")) == ["checkpoint-20.safetensors", "checkpoint-24.safetensors", "config.txt",
                                                 "metrics.jsonl", "model.safetensors"], "files of a run", str(os.listdir(f"{work}/whole")))
    code, _, errors = train(data, f"{work}/whole", "--epochs", 4)
    check(code == 1 and "--resume" in errors, "a second run in the same folder is refused", errors)
    code, _, errors = train(data, f"{work}/whole", "--epochs", 4, "--temperature", 0.3, "--resume")
    check(code == 1 and "another recipe" in errors and 'temperature was "0.2" and is now "0.3"' in errors, "resuming another recipe is refused", errors)
    code, _, errors = train(data, f"{work}/whole", "--epochs", 3, "--resume")
    check(code == 1 and "not shortened" in errors, "a run cannot be shortened", errors)


def test_resume(data, work):
    whole = weights(f"{work}/whole/model.safetensors")
    for trial, delay in enumerate((0.15, 0.4, 0.8)):
        output = f"{work}/killed{trial}"
        process = subprocess.Popen([PROGRAM, "train", "baseline", "--data", data, "--output", output, "--quiet", *NETWORK, "--epochs", "4"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        resume = ["--resume"] if os.path.exists(f"{output}/config.txt") else []
        code, _, errors = train(data, output, "--epochs", 4, *resume)
        check(code == 0 and weights(f"{output}/model.safetensors") == whole, f"killed after {delay} s and resumed: other weights", errors)
        check([x["step"] for x in losses(output)] == list(range(24)), "metrics without gap or repetition")
    output = f"{work}/broken"
    shutil.copytree(f"{work}/whole", output)
    os.remove(f"{output}/model.safetensors")
    with open(f"{output}/checkpoint-24.safetensors", "r+b") as file:
        file.truncate(os.path.getsize(file.name) // 2)
    code, _, errors = train(data, output, "--epochs", 4, "--resume")
    check(code == 0 and weights(f"{output}/model.safetensors") == whole and "checkpoint before" in errors, "a damaged checkpoint is passed over", errors)


def test_interrupt(data, work):
    output = f"{work}/stopped"
    process = subprocess.Popen([PROGRAM, "train", "baseline", "--data", data, "--output", output, *NETWORK, "--epochs", "4000"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 60
    while time.time() < deadline and not (os.path.exists(f"{output}/metrics.jsonl") and os.path.getsize(f"{output}/metrics.jsonl")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    check(process.returncode == 130 and "checkpoint written" in errors, "Ctrl-C", errors)
    check(any(name.startswith("checkpoint-") for name in os.listdir(output)), "a checkpoint after Ctrl-C")


def test_supcon_and_features(data, work):
    code, _, errors = train(data, f"{work}/sup", "--epochs", 6, recipe="supcon")
    check(code == 2 and "exclude each other" in errors, "options that contradict", errors)
    code, _, errors = train(data, f"{work}/sup", "--epochs", 8, "--crop", 0, "--flip", 0, recipe="supcon")
    check(code == 0, "supcon", errors)
    code, out, errors = run("eval", "--model", f"{work}/sup/model.safetensors", "--data", data, "--json")
    check(code == 0, "eval", errors)
    result = json.loads(out) if code == 0 else {}
    check(set(result) >= {"knn", "knn_weighted", "linear", "untrained_knn", "untrained_linear", "raw_knn", "n_train", "n_test", "seconds"}, "keys of eval")
    check(result.get("knn", 0) > 0.8 and result.get("linear", 0) > 0.8, "supcon separates the classes", out)
    images = f"{data}/t10k-images-idx3-ubyte.gz"
    code, _, errors = run("embed", "--model", f"{work}/sup/model.safetensors", "--images", images, "--output", f"{work}/f.npy")
    check(code == 0 and os.path.getsize(f"{work}/f.npy") == 128 + 100 * 16 * 4, "embed", errors)
    code, _, errors = run("embed", "--model", f"{work}/sup/model.safetensors", "--images", images, "--output", f"{work}/none/f.npy")
    check(code == 1 and "none" in errors, "embed into a folder that is not there", errors)


def test_bad_input(data, work):
    base = ["train", "baseline", "--data", data, "--output", f"{work}/bad", "--quiet", *NETWORK]
    refused("unknown recipe", 2, "no recipe", "train", "simclf", "--data", data, "--output", work + "/x")
    refused("unknown option", 2, "the nearest is --rate", *base, "--raet", "1")
    refused("rate", 2, "rate = -1", *base, "--rate", "-1")
    refused("temperature 0", 2, "temperature = 0", *base, "--temperature", "0")
    refused("temperature NaN", 2, "temperature = nan", *base, "--temperature", "nan")
    refused("unknown layer", 1, "the nearest is \"conv2d\"", *base, "--encoder", "conv3d:8")
    refused("window too large", 1, "does not fit", *base, "--encoder", "conv2d:8,k=99 global_pool")
    refused("batch over the images", 1, "more than the 200 images", *base, "--batch", "500")
    refused("memory", 1, "largest batch that fits", *base, "--memory", "400K")
    refused("memory 0", 2, "--memory 0", *base, "--memory", "0")
    os.mkdir(f"{work}/empty")
    refused("no data", 1, "no PNG or JPEG file below it", "train", "baseline", "--data", f"{work}/empty", "--output", f"{work}/bad")
    refused("unwritable output", 1, "/proc/none", *base[:5], "/proc/none", *base[6:])
    refused("no output", 2, "--output", "train", "baseline", "--data", data)
    refused("diverged", 1, "diverged", *base[:5], f"{work}/wild", *base[6:], "--rate", "1000", "--weight_decay", "1000", "--epochs", "50")
    with open(f"{work}/recipe.txt", "w", encoding="utf-8") as file:
        file.write("# mine\nlos = ntxent\n")
    refused("unknown key", 2, "recipe.txt:2: there is no key \"los\"; the nearest is \"loss\"", "train", "--recipe", f"{work}/recipe.txt", "--data", data, "--output", f"{work}/bad2")
    npy(f"{work}/nan.npy", (1, 2, 2), "<f4", struct.pack("<4f", 0, 1, float("nan"), 0))
    refused("NaN in images", 1, "element 2 is nan", "train", "baseline", "--images", f"{work}/nan.npy", "--output", f"{work}/bad3")
    npy(f"{work}/x.npy", (4, 12, 12), "|u1", bytes(576))
    npy(f"{work}/y.npy", (3,), "<i8", struct.pack("<3q", 0, 1, 2))
    refused("label count", 1, "3 labels for the 4 images", "train", "supcon", "--images", f"{work}/x.npy", "--labels", f"{work}/y.npy", "--output", f"{work}/bad4")
    npy(f"{work}/z.npy", (4,), "<f8", struct.pack("<4d", 0, 1, 2.5, 3))
    refused("a label that is no integer", 1, "2.5", "train", "supcon", "--images", f"{work}/x.npy", "--labels", f"{work}/z.npy", "--output", f"{work}/bad5")
    model = f"{work}/whole/model.safetensors"
    refused("no model", 1, "absent", "eval", "--model", f"{work}/absent", "--data", data)
    refused("not a model", 1, "", "eval", "--model", f"{data}/train-images-idx3-ubyte.gz", "--data", data)
    refused("other pixels", 1, "the model takes", "embed", "--model", model, "--images", f"{work}/nan.npy".replace("nan", "small"), "--output", f"{work}/g.npy") \
        if npy(f"{work}/small.npy", (1, 2, 2), "|u1", bytes(4)) is None else None
    refused("no device", 3, "matches no device", "bench", "clip:8x8x8", "--device", "name:nothing")
    refused("no command", 2, "the nearest is \"train\"", "trian")
    for command in ("train", "embed", "eval", "bench", "devices", "info"):
        code, out, _ = run(command, "--help")
        check(code == 0 and "example:" in out, f"{command} --help")


def main():
    with tempfile.TemporaryDirectory() as work:
        data = f"{work}/data"
        os.mkdir(data)
        make_data(data)
        for test in (test_training, test_resume, test_interrupt, test_supcon_and_features, test_bad_input):
            test(data, work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
