#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Help, tables and progress: no line is wider than 80 characters, or than the terminal; defaults are said; an option that a
command does not use is refused; sizes are read as people write them.

Needs CHIARO_PROGRAM. Ends with "N passed, N failed, N skipped".
"""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import PROGRAM, check, npy, refused, run, summary

ENV = {key: value for key, value in os.environ.items() if key != "COLUMNS"}


def widest(text):
    return max(len(line) for line in text.split("\n"))


def terminal(width, *arguments, kind="xterm"):
    """Status and text of a run whose standard streams are a terminal of that width."""
    control, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    child = subprocess.Popen([PROGRAM, *arguments], stdin=side, stdout=side, stderr=side, env={**ENV, "TERM": kind})
    os.close(side)
    text = b""
    while True:
        try:
            more = os.read(control, 65536)
        except OSError:
            break
        if not more:
            break
        text += more
    os.close(control)
    return child.wait(), text.decode()


def commands():
    code, out, errors = run("--help", env=ENV)
    check(code == 0 and not errors and widest(out) <= 80 and "example: chiaro" in out, "chiaro --help", out)
    names = re.findall(r"^  ([a-z]+) +\S", out, re.M)
    check(len(names) >= 10 and {"train", "bench", "info"} <= set(names), f"commands: {names}")
    return names


def helps(names):
    for name in names:
        code, out, errors = run(name, "--help", env=ENV)
        check(code == 0 and not errors and widest(out) <= 80, f"chiaro {name} --help is at most 80 wide: {widest(out)}", out)
        check(out.startswith(f"usage: chiaro {name}") and "\nexample: chiaro" in out, f"chiaro {name} --help: usage and example", out)
        flat = " ".join(out.split())
        check("default: default" not in flat and "(default)" not in flat, f"chiaro {name} --help says defaults in one way", out)
        wide = run(name, "--help", env={**ENV, "COLUMNS": "100"})[1]
        check(widest(wide) <= 100 and " ".join(wide.replace("\\\n", "").split()) == " ".join(out.replace("\\\n", "").split()), f"chiaro {name} --help, 100 wide, says the same", wide)
    for width in (80, 132):
        code, out = terminal(width, "bench", "--help")
        check(code == 0 and widest(out.replace("\r", "")) <= width, f"help on a terminal of {width} columns", out)
    out = run("plan", "--help", env=ENV)[1]
    check(re.search(r"--numerics .*default: exact", out) and re.search(r"--temperature [^-]*default:\s+0.1", out), "defaults stand in the help", out)
    example = run("search", "--help", env=ENV)[1].split("\nexample: ")[1]
    check("\\\n" in example and re.sub(r"\s*\\\n\s*", " ", example).strip().startswith("chiaro search --base"), "a long example is broken where a shell goes on", example)


def tables(work):
    columns = os.path.join(work, "wide.npy")
    npy(columns, (2, 3), "<f4", struct.pack("<6f", 1, 2, 3, 4, 5, float("nan")))
    for what in (["devices"], ["plan", "clip:65536x65536x512"], ["plan", "siglip:512x512x16"], ["bench", "clip:20x20x9", "gemm:65x33x17", "conv:3x4x9x7x5,k=3,s=2,p=1,b=0", "--peak", "--hash", "--predict", "--reps", "5"],
                 ["bench", "clip:20x20x9", "--reps", "5", "--profile"], ["bench", "peak"], ["bench", "--list"], ["tune", "--dry-run"], ["tune", "--list"], ["info", columns]):
        code, out, errors = run(*what, env=ENV)
        check(code == 0 and out and widest(out) <= 80, f"chiaro {' '.join(what)[:60]} is at most 80 wide: {widest(out)}", out + errors)


def bars(work):
    """Progress on terminals of several widths, on one that cannot move its cursor, in a pipe, and none."""
    rows = os.path.join(work, "rows.npy")
    npy(rows, (3000, 8), "<f4", os.urandom(0) + struct.pack("<24000f", *(i % 97 for i in range(24000))))
    search = ["search", "--base", rows, "--query", rows, "--memory", "400k", "--output", os.path.join(work, "found")]
    for width in (40, 80, 200):
        code, out = terminal(width, *search)
        lines = [re.sub(r"\x1b\[K", "", part) for part in re.split(r"[\r\n]+", out)]
        shown = [part for part in lines if part.startswith("[")]
        check(code == 0 and len(shown) >= 2 and max(map(len, shown)) < width and "blocks" in shown[-1], f"a bar on {width} columns", out)
    code, out = terminal(80, *search, kind="dumb")
    check(code == 0 and "[" not in out and "blocks" in out, "plain lines on a terminal that cannot move its cursor", out)
    code, out, errors = run(*search, env=ENV)
    check(code == 0 and "\r" not in errors and re.match(r"0 of \d+ blocks\n", errors), "plain lines in a pipe, the first at once", errors)
    code, out, errors = run(*search, "--quiet", env=ENV)
    check(code == 0 and not errors and not out, "nothing where it is quiet", out + errors)


def unused():
    for words, part in ((["devices", "--device", "cpu"], "--device"), (["devices", "--quiet"], "--quiet"), (["cache", "path", "--json"], "--json"), (["info", "x", "--seed", "1"], "--seed"),
                        (["plan", "clip:8x8x8", "--quiet"], "--quiet"), (["bench", "gemm:8x8x8", "--seed", "1"], "--seed"), (["bench", "gemm:8x8x8", "--predict"], "--predict"),
                        (["bench", "peak", "--hash"], "--hash"), (["bench", "--list", "gemm:8x8x8"], "a problem"), (["bench", "--list", "--threads", "1"], "--threads"),
                        (["bench", "--with", "a", "--compare", "b", "--reps", "3"], "--reps"), (["tune", "--list", "--budget", "3"], "--budget"), (["tune", "--forget", "--core", "panel"], "--core"),
                        (["tune", "--dry-run", "--rows", "64"], "--rows"), (["tune", "--import", "x", "--effort", "quick"], "--effort"), (["tune", "--list", "--json", "--device", "cpu"], "--device"),
                        (["train", "simclr", "--json"], "--json"), (["embed", "--json"], "--json"), (["search", "--seed", "3"], "--seed")):
        refused(f"chiaro {' '.join(words)}", 2, part, *words)


def sizes():
    def scratch(text):
        code, out, errors = run("plan", "clip:4096x4096x16", "--memory", text, "--json", env=ENV)
        return json.loads(out)["scratch_bytes"] if out else errors
    known = scratch(str(24 << 20))
    for text in ("24M", "24m", "24MB", "24mb", "24MiB", "24mib", "24 M", "24 MiB", "24576k", "24576K", "0.0234375G", "25165824B"):
        check(scratch(text) == known, f"--memory {text}: {scratch(text)}, 24 MiB: {known}")
    check(scratch("1e7") == scratch("10000000") != known, "--memory 1e7")
    for text in ("24Q", "24MM", "M", "-24M", "24,5M", "0x18M", "1e400", "99999999999G", "24M5", "", ".", "nan", "inf", "0", "0.5", "1e", "1.5.5M", "24 M B"):
        refused(f"--memory \"{text}\"", 2, "--memory", "plan", "clip:8x8x8", "--memory", text)


def main():
    with tempfile.TemporaryDirectory() as work:
        names = commands()
        helps(names)
        tables(work)
        bars(work)
        unused()
        sizes()
    return summary()


if __name__ == "__main__":
    sys.exit(main())
