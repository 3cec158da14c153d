#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the test programs of build folders and adds up what they say. Usage: tally.py BUILD [SANITIZED_BUILD], or
tally.py --estimate: about how many seconds that will take, from the times of the last run where there was one.

A leg is one set of programs in one environment: all of them on the default device, or on each that CHIARO_TEST_DEVICES
names (selectors, separated by semicolons); a list on Intel's runtime and one on Mesa's rusticl; a short list under Oclgrind
with its race, bounds and API checks, and once more with its check for uninitialised values; small shapes with one thread,
and as AVX2 code; all but the slow ones with sanitizers. A program's passes and failures are read from cmocka's lines, or
from a closing "N passed, N failed, N skipped"; one that dies, or says nothing, counts as a failure. Lines
"hash …" of one program must be the same in every leg that runs it at the same size: one more check a leg.
Each line ends with about how long the rest will take.
"""
import concurrent.futures
import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

PLAIN = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
OCLGRIND = "/usr/lib/oclgrind/liboclgrind-rt-icd.so"
POCL = "/etc/OpenCL/vendors/pocl.icd"
OCLGRIND_TESTS = ["check_bits", "check_encoder", "check_math", "check_pairs", "check_similarity"]
# Oclgrind's check for uninitialised values knows no freeze instruction, which optimised code has: without optimisation.
OCLGRIND_LEGS = {
    "oclgrind": {"OCLGRIND_DATA_RACES": "1"},
    "uninit": {"OCLGRIND_UNINITIALIZED": "1", "OCLGRIND_BUILD_OPTIONS": "-cl-opt-disable"},
}
ONE_THREAD = {"POCL_MAX_PTHREAD_COUNT": "1"}
AVX2 = {"CL_CONFIG_CPU_TARGET_ARCH": "core-avx2"}  # Intel's runtime: code for half the vector width
INTEL_TESTS = ["check_bits", "check_encoder", "check_math", "check_pairs", "check_similarity", "check_augment", "golden", "unit_device"]
RUSTICL = "libRusticlOpenCL.so.1"
RUSTICL_TESTS = ["check_augment", "check_bits", "check_encoder", "check_optimizer", "check_pairs", "check_similarity", "golden", "unit_encoder"]
UNSANITIZED = ("train_", "cli_bench", "cli_faults", "cli_install", "cli_plan", "cli_readme", "cli_scripts", "cli_search", "cli_train", "cli_tune", "offline", "rooms")
# Programs that watch the clock have the machine to themselves; the others take a core each.
WATCH_CLOCK = ("cli_bench", "cli_scripts", "cli_train_ways", "cli_tune", "unit_device", "unit_tune")


def programs(build):
    out = subprocess.run(["meson", "introspect", "--tests", build], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def count(text, status):
    plain = PLAIN.findall(text)
    if plain:
        passed, failed, skipped = (int(n or 0) for n in plain[-1])
    else:
        passed = len(re.findall(r"^\[       OK \]", text, re.M))
        failed = len(set(re.findall(r"^\[  FAILED  \] (\S+)$", text, re.M)))
        skipped = len(set(re.findall(r"^\[  SKIPPED \] (\S+)$", text, re.M)))
    if status == 77 and not (passed or failed):
        return 0, 0, max(skipped, 1)
    if (status != 0 and failed == 0) or (status == 0 and not (passed or failed or skipped)):
        failed += 1
    return passed, failed, skipped


hashes = {}


class Clock:
    """What jobs took the last time (build/test-times.json), and so about how long the rest will take."""

    PATH = os.path.join("build", "test-times.json")
    FIRST_S = 2000  # processor seconds of all tests where nothing is known
    USUAL_S = 10    # of one

    def __init__(self):
        self.known, self.rest, self.seen, self.taken, self.lock = {}, [], 0.0, 0.0, threading.Lock()
        try:
            with open(self.PATH, encoding="utf-8") as file:
                self.known = {str(k): float(v) for k, v in json.load(file).items()}
        except (OSError, ValueError, AttributeError):
            pass
        self.times = {}

    def estimate(self):
        """Seconds of everything, before it is known which jobs there are."""
        return sum(self.known.values()) if self.known else self.FIRST_S / (os.cpu_count() or 1)

    def plan(self, key, share):
        """A job to come; share: of its time that it holds the others up."""
        self.rest.append((key, self.known.get(key, self.USUAL_S * share)))

    def over(self, key, share, seconds):
        """A job is done; words for what is left."""
        with self.lock:
            planned = [(k, s) for k, s in self.rest if k == key]
            self.rest = [(k, s) for k, s in self.rest if k != key]
            self.seen += sum(s for _, s in planned)
            self.taken += seconds * share
            self.times[key] = round(seconds * share, 2)
            factor = self.taken / self.seen if self.seen > 20 else 1
            left = factor * sum(s for _, s in self.rest)
            return f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left"

    def save(self):
        with open(self.PATH + ".part", "w", encoding="utf-8") as file:
            json.dump({**self.known, **self.times}, file)
        os.replace(self.PATH + ".part", self.PATH)


clock = Clock()


def same_hashes(name, extra, text):
    """Whether a program's hashes are those it had in the first leg of this size; None: it prints none."""
    found = re.findall(r"^hash (\w+)$", text, re.M)
    if not found:
        return None
    return hashes.setdefault((name, extra.get("CHIARO_SMALL")), found) == found


def run(test, leg, extra, limit=900, share=1.0):
    environment = {**os.environ, **test.get("env", {}), **extra}
    start = time.monotonic()
    try:
        done = subprocess.run(test["cmd"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=limit)
        text, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        text, status = (late.stdout or b"").decode(errors="replace") + f"\ntimed out after {limit} s\n", -1
    result = count(text, status)
    log = extra.get("OCLGRIND_LOG")
    if log and os.path.exists(log) and os.path.getsize(log):
        with open(log, encoding="utf-8", errors="replace") as file:
            text += file.read()
        result = (result[0], result[1] + 1, result[2])
    same = same_hashes(test["name"], extra, text)
    if same is not None:
        result = (result[0] + same, result[1] + (not same), result[2])
        text += "" if same else "\nother hashes than in the first leg\n"
    passed, failed, skipped = result
    print(f"{leg:9} {test['name']:20} {passed:5} passed {failed:3} failed {skipped:3} skipped  {time.monotonic() - start:6.1f} s  "
          f"{clock.over(leg + ' ' + test['name'], share, time.monotonic() - start)}", flush=True)
    if failed:
        print("\n".join(text.splitlines()[-60:]), flush=True)
    return result


def has_library(name):
    try:
        ctypes.CDLL(name)
        return True
    except OSError:
        return False


def devices():
    """Selectors of CHIARO_TEST_DEVICES, separated by semicolons; none: the default device."""
    return [s.strip() for s in os.environ.get("CHIARO_TEST_DEVICES", "").split(";") if s.strip()] or [""]


# ---- the legs ------------------------------------------------------------------------------------------
def first_legs(tests):
    """Every program on each device."""
    alone, together = [], []
    for test in tests:
        for selector in devices():
            job = (test, selector or "default", {"CHIARO_DEVICE": selector} if selector else {})
            (alone if test["name"] in WATCH_CLOCK else together).append(job)
    small = [(test, *leg) for test in tests if test["name"] in OCLGRIND_TESTS
             for leg in (("small", {"CHIARO_SMALL": "1"}), ("1 thread", {**ONE_THREAD, "CHIARO_SMALL": "1"}))]
    return [(False, alone), (True, together), (True, small + [(test, "1 thread", ONE_THREAD) for test in tests if test["name"] == "check_pairs"])]


def intel_legs(tests):
    intel = {"OCL_ICD_VENDORS": os.environ["INTEL_ICD"], "LD_LIBRARY_PATH": os.environ.get("INTEL_LIBRARIES", "")}
    return [(True, [(test, "intel", intel) for test in tests if test["name"] in INTEL_TESTS]),
            (True, [(test, "avx2", {**intel, **AVX2, "CHIARO_SMALL": "1"}) for test in tests if test["name"] in OCLGRIND_TESTS])]


def oclgrind_legs(tests, folder):
    return [(True, [(test, leg, {**extra, "OCL_ICD_VENDORS": OCLGRIND, "OCLGRIND_CHECK_API": "1", "OCLGRIND_MAX_ERRORS": "20",
                                 "OCLGRIND_LOG": os.path.join(folder, f"{leg}-{test['name']}"),
                                 "CHIARO_SMALL": "losses" if (leg, test["name"]) == ("uninit", "check_bits") else "1"})
                    for test in tests if test["name"] in OCLGRIND_TESTS for leg, extra in OCLGRIND_LEGS.items()
                    # Oclgrind lacks an intrinsic that its clang writes for it; other programs use the same functions
                    if (leg, test["name"]) != ("uninit", "check_math")])]


def rusticl_legs(tests):
    """What this driver is known to get wrong is a row of src/device/about.c: tests ask the device, and skip with its reason."""
    rusticl = {"OCL_ICD_VENDORS": RUSTICL, "RUSTICL_ENABLE": "llvmpipe", "CHIARO_SMALL": "1"}
    return [(True, [(test, "rusticl", rusticl, 300) for test in tests if test["name"] in RUSTICL_TESTS])]  # drivers hang


def sanitized_legs(tests):
    # Other drivers may load libraries in ways that the sanitizer's runtime ends the process for (Intel's GPU driver does).
    only_pocl = {"OCL_ICD_VENDORS": POCL} if os.path.exists(POCL) and not os.environ.get("CHIARO_TEST_DEVICES") else {}
    # The leak check of gcc 12 misreads thread-local blocks that libraries get late, and ends the process: it need not follow them.
    sanitizers = {"ASAN_OPTIONS": "detect_leaks=1:intercept_tls_get_addr=0", "UBSAN_OPTIONS": "halt_on_error=1",
                  "LSAN_OPTIONS": f"suppressions={os.path.abspath('tests/lsan.txt')}:print_suppressions=0", **only_pocl}
    jobs = [(test, "sanitized", sanitizers) for test in tests if not test["name"].startswith(UNSANITIZED)]
    return [(not alone, [job for job in jobs if (job[0]["name"] in WATCH_CLOCK) == alone]) for alone in (True, False)]


def all_legs(builds, folder):
    """Lists of jobs with whether they may run together, and a sentence and a number of skips for each leg that is left out."""
    tests, left_out = programs(builds[0]), []
    legs = first_legs(tests)
    for there, more, count, why in (
            (os.environ.get("INTEL_ICD"), lambda: intel_legs(tests), len(INTEL_TESTS), "intel     the runtime could not be had: skipped"),
            (os.path.exists(OCLGRIND), lambda: oclgrind_legs(tests, folder), len(OCLGRIND_TESTS), "oclgrind  is not installed: skipped"),
            (has_library(RUSTICL), lambda: rusticl_legs(tests), len(RUSTICL_TESTS), "rusticl   is not installed: skipped")):
        if there:
            legs += more()
        else:
            left_out.append((count, why))
    for build in builds[1:2]:
        legs += sanitized_legs(programs(build))
    return legs, left_out


def main():
    if sys.argv[1:] == ["--estimate"]:
        return print(round(clock.estimate())) or 0
    total = [0, 0, 0]
    workers = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as together, tempfile.TemporaryDirectory() as folder:
        legs, left_out = all_legs(sys.argv[1:], folder)
        for parallel, jobs in legs:
            for test, leg, *_ in jobs:
                clock.plan(leg + " " + test["name"], 1 / workers if parallel else 1)
        for parallel, jobs in legs:
            share = 1 / workers if parallel else 1
            done = [together.submit(run, *job, share=share) for job in jobs] if parallel else (run(*job) for job in jobs)
            for job in done:
                total = [a + b for a, b in zip(total, job.result() if parallel else job)]
    for count_skipped, why in left_out:
        total[2] += count_skipped
        print(why)
    clock.save()
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
