#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/demo.sh, test.sh and fresh.sh with stand-ins for Debian's programs, meson, ninja and chiaro: wrong usage, missing
packages with and without rights, what is said and how soon, failures' words, and commands that can be pasted.

Works in a copy of tools/ whose path has a space and a quote. Ends with "N passed, N failed, N skipped".
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "harness"))
from cli import check, summary

TOOLS = os.path.join(os.path.dirname(HERE), "tools")
STAND_INS = {
    "id": 'echo "$FAKE_ID"',
    "sudo": "exit 1",
    "dpkg-query": 'for p in $FAKE_INSTALLED; do echo "$p install ok installed"; done',
    # Knows everything but two names that Debian 13 lacks, as its apt does.
    "apt-cache": 'shift; for p in "$@"; do case $p in oclgrind|*-15|unknown) ;; *) printf "%s:\\n  Candidate: 1.0\\n" "$p" ;; esac; done',
    "apt-get": 'echo "apt-get $*" >>"$FAKE_LOG"\ncase "$*" in\n'
               "*print-uris*) echo \"'http://example.org/a.deb' a.deb 1500000 SHA256:0\"; echo \"'http://example.org/b.deb' b.deb 512000 SHA256:0\" ;;\nesac",
    "meson": 'echo "meson $*" >>"$FAKE_LOG"\n[ -z "${FAKE_MESON-}" ] || { echo "$FAKE_MESON"; exit 1; }\nmkdir -p build; : >build/build.ninja',
    "ninja": 'echo "[1/4] Compiling"\nsleep "${FAKE_BUILD-0}"\n[ -z "${FAKE_NINJA-}" ] || { echo "$FAKE_NINJA"; exit 1; }\n'
             'mkdir -p build/tools; cp "$FAKE_CHIARO" build/tools/chiaro; echo "[4/4] Linking"',
}
# Says what it was called with, an argument a line, and answers as eval.
CHIARO = """#!/bin/sh
{ echo "== $1"; printf '%s\\n' "$@"; } >>"$FAKE_CALLS"
case "$1" in
train) while [ $# -gt 0 ]; do [ "$1" != --output ] || mkdir -p "$2"; shift; done ;;
eval) echo "the table of eval"; while [ "$1" != --json-file ]; do shift; done
    echo >"$2" '{"knn": 0.8612, "knn_weighted": 0.87, "linear": 0.8833, "untrained_knn": 0.79, "untrained_linear": 0.81, "raw_knn": 0.84, "n_train": 60000, "n_test": 10000, "seconds": 1.0}' ;;
esac
"""
BUILD = "gcc g++ libc6-dev meson ninja-build pkg-config python3 ocl-icd-opencl-dev opencl-c-headers pocl-opencl-icd " \
        "ocl-icd-libopencl1 libjansson-dev zlib1g-dev libspng-dev libjpeg62-turbo-dev libclblast-dev dataset-fashion-mnist"


class Place:
    """A copy of the scripts, the stand-ins, and a record of what they were asked."""

    def __init__(self, folder):
        self.root = os.path.join(folder, "it's a place")
        self.fakes, self.log, self.calls = (os.path.join(folder, name) for name in ("bin", "log", "calls"))
        os.makedirs(self.root)
        os.mkdir(self.fakes)
        shutil.copytree(TOOLS, os.path.join(self.root, "tools"), ignore=shutil.ignore_patterns("__pycache__"))
        for name, text in {**STAND_INS, "chiaro": CHIARO}.items():
            path = os.path.join(folder if name == "chiaro" else self.fakes, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text if name == "chiaro" else "#!/bin/sh\n" + text + "\n")
            os.chmod(path, 0o755)
        self.environment = {**os.environ, "PATH": f"{self.fakes}:{os.environ['PATH']}", "FAKE_LOG": self.log, "FAKE_CALLS": self.calls,
                            "FAKE_CHIARO": os.path.join(folder, "chiaro"), "FAKE_ID": "1000", "FAKE_INSTALLED": ""}

    def run(self, script, *arguments, cwd=None, **more):
        """Status, both outputs, and seconds to the first line, of everything and at most between two lines."""
        for path in (self.log, self.calls):
            with open(path, "w", encoding="utf-8"):
                pass
        start = last = time.monotonic()
        first, gap, lines = None, 0.0, []
        with tempfile.TemporaryFile("w+") as errors:
            with subprocess.Popen([os.path.join(self.root, "tools", script), *arguments], cwd=cwd or self.root, env={**self.environment, **more},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True) as running:
                for line in running.stdout:
                    now = time.monotonic()
                    first = first if first is not None else now - start
                    gap, last = max(gap, now - last), now
                    lines.append(line)
            errors.seek(0)
            return running.returncode, "".join(lines), errors.read(), first, gap

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()


def wrong_usage(place):
    for script, arguments, text in [("demo.sh", ["--bogus"], 'there is no "--bogus"'), ("demo.sh", ["--data"], "--data needs a folder"), ("demo.sh", ["--data", ""], "--data needs"),
                                    ("demo.sh", ["--data", "no/such folder"], "no/such folder is no folder"), ("demo.sh", ["--data", place.log], "is no folder"),
                                    ("demo.sh", ["more"], 'there is no "more"'), ("test.sh", ["--fast"], 'there is no "--fast"'), ("test.sh", ["a", "b"], 'there is no "a"'),
                                    ("fresh.sh", [], "which release?"), ("fresh.sh", ["buster", "true"], '"buster" is neither'), ("fresh.sh", ["trixie"], "which command?"),
                                    ("fresh.sh", ["--users", "trixie"], 'no option "--users"')]:
        code, out, errors, *_ = place.run(script, *arguments)
        own = script + ": " in errors and text in errors and "usage: tools/" + script in errors and not re.search(r"line \d+:", errors)
        check(code == 2 and not out and own, f"{script} {arguments}: status {code}", out + errors)
    for script in ("demo.sh", "test.sh"):
        code, out, errors, *_ = place.run(script, "--help")
        check(code == 0 and out.startswith("usage: ") and max(map(len, out.splitlines())) <= 80, f"{script} --help", out + errors)


def without_rights(place):
    """The list, status 1, and apt is not asked to do anything."""
    code, out, errors, first, _ = place.run("demo.sh")
    check(code == 1 and f"    apt-get install --no-install-recommends {BUILD}\n" in errors, "the demo's missing packages", out + errors)
    check(first is not None and first < 1.0, f"the first sign of life after {first} s", out)
    check(not place.read(place.log), "nothing is installed without rights", place.read(place.log))
    code, out, errors, *_ = place.run("demo.sh", FAKE_INSTALLED=BUILD.replace("gcc ", "").replace(" libspng-dev", ""))
    check(code == 1 and "    apt-get install --no-install-recommends gcc libspng-dev\n" in errors, "only those that are missing", errors)
    code, out, errors, *_ = place.run("test.sh")
    check(code == 1 and " clang-19 " in errors and "-15" not in errors and "oclgrind" not in errors, "names that this apt has", out + errors)
    code, out, errors, *_ = place.run("demo.sh", "--data", place.root)
    check(code == 1 and "dataset-fashion-mnist" not in errors, "data of one's own needs no package", errors)


def lists(place):
    code, out, errors, *_ = place.run("demo.sh", "--packages")
    check(code == 0 and out == BUILD + "\n", "demo.sh --packages", out + errors)
    code, out, errors, *_ = place.run("test.sh", "--packages", FAKE_INSTALLED="clang-15 oclgrind")
    check(code == 0 and {"clang-15", "libclc-19", "oclgrind", "libcmocka-dev", "cmake"} <= set(out.split()), "test.sh --packages: the first name that is installed, else known", out + errors)
    check("libcmocka-dev" not in BUILD.split() and not any(c in out for c in "|?"), "the demo needs no cmocka", out)


def with_rights(place):
    """Root: bytes from apt's answer, then everything to the end; relative data; a table, and lines that can be pasted."""
    data = os.path.join(place.root, "some data")
    os.mkdir(data)
    code, out, errors, first, gap = place.run("demo.sh", "--data", "../some data", cwd=os.path.join(place.root, "tools"), FAKE_ID="0", FAKE_BUILD="10.5")
    check(code == 0, f"the demo: status {code}", out + errors)
    check(first is not None and first < 1.0 and gap < 10.0, f"the first line after {first} s, at most {gap:.1f} s between two", out)
    check("2.0 MB to fetch: gcc g++" in out and "left" in out, "what is fetched, and how long it takes", out)
    asked = place.read(place.log)
    check("apt-get update" in asked and "install -y" in asked and "dataset-fashion-mnist" not in asked, "apt is asked to", asked)
    calls = place.read(place.calls)
    check(calls.count(data + "\n") == 2 and "../" not in calls, "--data is resolved before the folder changes", calls)
    check(max(map(len, out.split("as they stand")[0].splitlines())) <= 80, "lines fit 80 columns", out)
    check("{" not in out and "the table of eval\n" in out and "never saw, 86 have" in out, "the demo ends in eval's table and a sentence", out)
    check('"knn": 0.8612' in place.read(os.path.join(place.root, "build", "demo", "eval.json")), "JSON stays in the file")
    pasted = [line.strip() for line in out.split("as they stand:")[-1].splitlines() if line.startswith("  ")]
    check(len(pasted) >= 3, "commands to paste", out)
    for line in pasted:
        with open(place.calls, "w", encoding="utf-8"):
            pass
        done = subprocess.run(["bash", "-c", line], cwd="/", env=place.environment, capture_output=True, text=True, check=False)
        named = place.read(place.calls).splitlines()[1:]
        check(done.returncode == 0 and all(os.path.exists(a) or os.path.exists(os.path.dirname(a)) for a in named if a.startswith("/")), f"pasted: {line}", done.stderr + str(named))


def failures(place):
    everything = {"FAKE_INSTALLED": BUILD}
    shutil.rmtree(os.path.join(place.root, "build"), ignore_errors=True)
    code, out, errors, *_ = place.run("demo.sh", FAKE_MESON="meson.build:7: ERROR: no compiler", **everything)
    check(code == 1 and "ERROR: no compiler" in errors and "build/setup.log" in out, "meson's own words", out + errors)
    code, out, errors, *_ = place.run("demo.sh", FAKE_NINJA="x.c:3: error: no semicolon", **everything)
    check(code == 1 and "no semicolon" in errors and "building failed" in out, "the compiler's own words", out + errors)
    code, out, errors, *_ = place.run("test.sh", FAKE_MESON="meson.build:7: ERROR: no cmocka", FAKE_ID="0")
    check(code == 1 and "ERROR: no cmocka" in errors, "in test.sh too", out + errors)


def lacking(place):
    """fresh.sh where it cannot do its work."""
    code, out, errors, *_ = place.run("fresh.sh", "trixie", "true")
    check(code == 77 and "rights of root" in errors, f"no rights: status {code}", out + errors)
    for fake, body in (("debootstrap", "exit 0"), ("unshare", "exit 1")):
        with open(os.path.join(place.fakes, fake), "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{body}\n")
        os.chmod(os.path.join(place.fakes, fake), 0o755)
    code, out, errors, *_ = place.run("fresh.sh", "trixie", "true", FAKE_ID="0")
    check(code == 77 and "no mounts" in errors, f"no mounts: status {code}", out + errors)


def main():
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        wrong_usage(place)
        lists(place)
        without_rights(place)
        with_rights(place)
        failures(place)
        lacking(place)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
