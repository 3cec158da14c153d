#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chiaro tune: what it finds and records, tiles that misbehave, interrupts and kills, two at once, folders that cannot be
written, records that are sent and taken, and what other commands make of them.

Problems are tiny (--rows) and few tiles are tried (--budget). Needs CHIARO_PROGRAM. Ends with "N passed, N failed, N skipped".
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness"))
from cli import PROGRAM, check, mount, refused, run, skip, summary, umount

SMALL = ["tune", "--core", "panel", "--rows", "64", "--kernel", "core"]


def env(folder, **more):
    return {**os.environ, "CHIARO_TUNE_DIR": folder, **more}


def tune(folder, *more, fault="", **options):
    """Status, report, stderr, seconds."""
    start = time.time()
    code, out, errors = run(*SMALL, "--json", *more, env=env(folder, CHIARO_TUNE_FAULT=fault), **options)
    return code, json.loads(out) if out else {}, errors, time.time() - start


def facts(folder, end):
    """Lines of facts of all files of a kind."""
    lines = []
    for path in glob.glob(f"{folder}/*{end}"):
        with open(path, encoding="ascii") as file:
            lines += [line for line in file.read().split("\n") if " source=" in line]
    return lines


def usage(work):
    for what, code, text, *more in [("a kernel that is none", 1, "core, logsumexp", "--kernel", "softmax"), ("an effort", 2, "neither quick nor", "--effort", "much"),
                                    ("no budget", 2, "--budget", "--budget", "0"), ("no deadline", 2, "--deadline", "--deadline", "-1"), ("too few rows", 2, "--rows", "--rows", "3"),
                                    ("two verbs", 2, "only one", "--list", "--forget"), ("a tile that is none", 1, "no tile", "--tile", "p7x7v7"), ("nothing to export", 1, "no records", "--export", f"{work}/x")]:
        code_got, out, errors = run("tune", *more, env=env(f"{work}/none"))
        check(code_got == code and text in errors and not out, f"{what}: status {code_got}", errors)
    code, out, errors = run("tune", "--dry-run", "--core", "panel", "--kernel", "core,loss", env=env(f"{work}/dry"))
    check(code == 0 and "the default" in out and out.count("core") > 3 and not os.path.exists(f"{work}/dry"), "a dry run says what it would try and writes nothing", out + errors)
    code, out, errors = run("tune", "--help")
    check(code == 0 and "example: chiaro tune" in out, "help", out)


def misbehaving(work):
    """Of the tiles a search begins with, one hangs, one crashes, one is wrong."""
    code, out, _ = run("tune", "--dry-run", "--core", "panel", "--kernel", "core", env=env(f"{work}/none"))
    names = [line.split()[1] for line in out.split("\n")[1:] if line.strip()]
    bad = {names[0]: "hang", names[1]: "crash", names[2]: "wrong"}
    want = {names[0]: "did not answer within", names[1]: "signal 11", names[2]: "other bits"}
    folder = f"{work}/records"
    _, _, _, usual = tune(f"{work}/first", "--budget", "1", "--tile", "p4x16v4k128")  # peak, and one tile compiled
    deadline = str(int(max(4, 2 * usual)))
    budget = str(int(40 + 2 * float(deadline)))
    code, report, errors, _ = tune(folder, "--budget", budget, "--deadline", deadline, fault=",".join(f"{tile}={what}" for tile, what in bad.items()))
    got = {r["tile"]: r["why"] for r in report.get("rejected", [])}
    check(code == 0 and all(want[tile] in got.get(tile, "") for tile in bad), f"misbehaving tiles are rejected, with the reason: {got}", errors)
    rows = report.get("rows", [])
    check(len(rows) == 2 and all(r["best"] and r["best"] not in bad and r["gain"] >= 1.0 and r["tried"] >= 4 for r in rows), "both shapes have a best", json.dumps(rows))
    check(len([line for line in facts(folder, ".trials") if "rejected=" in line]) >= 3 and len(facts(folder, ".tune")) == 2, "what was tried and what is best is in the files")
    # Remembered: with the faults gone they are still not tried, and nothing is timed twice.
    code, again, errors, seconds = tune(folder, "--budget", "30", "--deadline", deadline)
    rejected = {r["tile"] for r in again.get("rejected", [])}
    check(code == 0 and set(bad) <= rejected and all(r["known"] >= 4 for r in again["rows"]), f"a second search begins where the first ended ({seconds:.0f} s)", json.dumps(again) + errors)
    return folder


def unbuildable(work):
    """A kernel that the driver does not build ends no search of the others; one where nothing builds is a failure."""
    kernels = shutil.copytree(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kernels"), f"{work}/kernels")
    for path in glob.glob(f"{kernels}/tiles/*gradient*"):
        with open(path, "a", encoding="ascii") as file:
            file.write("#error no driver builds this\n")
    broken = env(f"{work}/unbuildable", CHIARO_KERNEL_DIR=kernels)
    few = ["tune", "--core", "panel", "--rows", "64", "--budget", "25", "--json"]
    code, out, errors = run(*few, "--kernel", "loss,core", env=broken)
    rows = {r["kernel"]: r["best"] for r in json.loads(out)["rows"]} if out else {}
    check(code == 0 and rows.get("core") and rows.get("loss", 0) is None, "products are tuned where the loss does not build", out + errors)
    check(out and json.loads(out)["rejected"][0]["kernel"] == "loss" and "loss was left out" in json.loads(out)["note"], "and that is said", out)
    code, out, errors = run(*few, "--kernel", "loss", env=broken)
    check(code == 1 and not out and "for loss cannot be measured" in errors, "nothing to tune is a failure", out + errors)


def used(folder, work):
    """Records change tiles and times, never a bit."""
    tile, path = "p4x16v4b32", glob.glob(f"{folder}/*.tune")[0]
    source = facts(folder, ".tune")[0].split("source=")[1].strip()
    with open(path, "a", encoding="ascii") as file:
        file.write(f"core n=64 m=64 dim=100  TILE_M=4 TILE_N=16 VEC=4 TILE_K=0 BLOCK=32 WG_M=1 WG_N=1  us=1 default_us=2 source={source}\n")
    results = []
    for dim in ("100", "200"):
        for more in ({}, {"CHIARO_TUNE_DIR": f"{work}/none"}):
            code, out, errors = run("bench", f"gemm:65x33x{dim}", "--core", "panel", "--json", "--hash", "--reps", "1", env={**env(folder), **more})
            results.append(json.loads(out) if code == 0 else {})
            check(code == 0 and "ignored" not in errors, "bench with records", errors)
    check(results[0].get("tile") == tile and results[1].get("tile") != tile and results[2].get("tile") != tile, "the record is for its class of shapes", json.dumps(results))
    check(results[0].get("hash") == results[1].get("hash") and results[2].get("hash") == results[3].get("hash"), "bits with and without records", json.dumps(results))
    code, out, _ = run("tune", "--list", "--core", "panel", env=env(folder))
    check(code == 0 and f"core {tile} and" in out, "list says what the device uses", out)
    # CLBlast by record: under fast numerics alone.
    with open(path, "a", encoding="ascii") as file:
        file.write(f"core n=64 m=64 dim=100  provider=clblast  us=1 default_us=2 source={source}\n")
    schemes = []
    for more in ([], ["--numerics", "fast"], ["--numerics", "fast", "--provider", "chiaro"], ["--numerics", "fast", "--provider", "auto"]):
        code, out, errors = run("bench", "gemm:64x64x100", "--core", "panel", "--json", "--reps", "1", *more, env=env(folder))
        schemes.append(json.loads(out).get("scheme") if code == 0 else errors)
    if run("bench", "gemm:64x64x100", "--provider", "clblast", "--reps", "1")[0]:
        skip("CLBlast by record: this build has none")
    else:
        check(schemes == ["tiles", "clblast", "tiles", "clblast"], "CLBlast by record", str(schemes))


def shared(folder, work):
    with open(f"{work}/stale.txt", "w", encoding="ascii") as file:
        file.write("chiaro-tuning 1\nnonsense\n")
    there = len(facts(folder, ".tune"))
    code, out, errors = run("tune", "--export", f"{work}/sent.txt", env=env(folder))
    with open(f"{work}/sent.txt", encoding="ascii") as file:
        sent = file.read()
    address = "chiaro.invalid" # one line of src/tune/share.c
    check(code == 0 and f"{there} records" in out and address in out and f"# Send this file to https://{address}/" in sent, "export, and where to send it", out + errors)
    other = f"{work}/other"
    code, out, errors = run("tune", "--import", f"{work}/sent.txt", "--json", env=env(other))
    got = json.loads(out) if out else {}
    check(code == 0 and got.get("taken", 0) + got.get("known", 0) == there and got.get("ignored") == 0 and facts(other, ".tune"), "import", out + errors)
    code, out, errors = run("tune", "--import", f"{work}/sent.txt", "--json", env=env(other))
    check(code == 0 and json.loads(out)["taken"] == 0, "a second import takes nothing", out + errors)
    text = open(f"{work}/sent.txt", "rb").read()
    hostile = {"cut": text[:-30], "garbage": bytes(range(256)) * 50, "empty": b"", "a line of a megabyte": text + b"core " + b"n=1 " * 250000 + b"\n",
               "impossible tiles": text.replace(b"TILE_M=", b"TILE_M=1000"), "no device": b"\n".join(line for line in text.split(b"\n") if not line.startswith(b"device")), "another version": b"chiaro-tuning 9\n" + text}
    for what, content in hostile.items():
        with open(f"{work}/hostile.txt", "wb") as file:
            file.write(content)
        code, out, errors = run("tune", "--import", f"{work}/hostile.txt", env=env(f"{work}/third"))
        if content.count(b" source=") > content.count(b"TILE_M=1000") and what not in ("no device", "another version"):
            check(code == 0 and ("ignored" in out) and " 0 ignored" not in out, f"import of records, {what}: {out.strip()}", errors)
        else: # nothing that could be taken
            check(code == 1 and not out and "holds no record" in errors and errors.count("\n") == 1, f"import of no records, {what}: {out.strip()}", errors)
        code, out, errors = run("bench", "gemm:8x8x8", "--core", "panel", "--reps", "1", env=env(f"{work}/third"))
        check(code == 0, f"bench after records, {what}", errors)
        with open(f"{work}/third/hostile.tune", "wb") as file:
            file.write(content)
        code, out, errors = run("bench", "gemm:8x8x8", "--core", "panel", "--reps", "1", env=env(f"{work}/third"))
        check(code == 0 and errors.count("ignored") <= 1, f"bench with records, {what}: one warning at most", errors)
        os.remove(f"{work}/third/hostile.tune")
    refused("import of a file that is not there", 1, "missing.txt", "tune", "--import", f"{work}/missing.txt", env=env(other))
    code, out, errors = run("tune", "--forget", env=env(other))
    check(code == 0 and not facts(other, ".tune") and not glob.glob(f"{other}/*.trials"), "forget", out + errors)


def stopped(work):
    for number, what in ((signal.SIGINT, "Ctrl-C"), (signal.SIGKILL, "SIGKILL")):
        folder = f"{work}/{what}"
        child = subprocess.Popen([PROGRAM, *SMALL, "--budget", "60"], env=env(folder), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True)
        for _ in range(300): # until two candidates are through
            if len(facts(folder, ".trials")) >= 4:
                break
            time.sleep(0.1)
        if number == signal.SIGINT:
            os.killpg(child.pid, number) # as a terminal does: its trial too
        else:
            child.kill()
        start = time.time()
        errors = child.stderr.read()
        code = child.wait(timeout=30)
        check(code == (130 if number == signal.SIGINT else -number) and time.time() - start < 10, f"{what}: status {code}", errors)
        kept = facts(folder, ".trials")
        check(len(kept) >= 4 and not any("rejected" in line for line in kept), f"{what}: two candidates are kept, none is rejected for it", "\n".join(kept))
        code, report, errors, _ = tune(folder, "--budget", "8")
        check(code == 0 and all(r["known"] >= 1 and r["best"] for r in report["rows"]), f"{what}: the search goes on", json.dumps(report) + errors)
        check(not glob.glob(f"{folder}/*.tune.*") or number == signal.SIGKILL, f"{what}: nothing half written is left")


def at_once(work):
    folder = f"{work}/crowd"
    both = [subprocess.Popen([PROGRAM, *SMALL[:-1], kernel, "--budget", "9", "--json"], env=env(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for kernel in ("core", "logsumexp")]
    reports = [child.communicate(timeout=100) for child in both]
    check(all(child.returncode == 0 for child in both), "two tuners at once", "".join(errors for _, errors in reports))
    names = sorted(line.split()[0] for line in facts(folder, ".tune"))
    check(names == ["core", "core", "logsumexp", "logsumexp"], f"both have their records: {names}")
    tried = sum(json.loads(out)["rows"][0]["tried"] for out, _ in reports)
    check(len([line for line in facts(folder, ".trials") if "rejected=" not in line]) == 2 * tried, "and all trials")


def folders(work):
    with open(f"{work}/file", "w", encoding="ascii") as file:
        file.write("x")
    small, readonly = f"{work}/small", f"{work}/readonly"
    places = [(f"{work}/file", "a file in the folder's place")]
    mounted = []
    for folder, options, what in ((small, "size=16k", "a full folder"), (readonly, "ro", "a read-only folder")):
        os.mkdir(folder)
        if mount(folder, options):
            mounted.append(folder)
        elif options == "ro" and os.geteuid():
            os.chmod(folder, 0o500)
        else:
            skip(f"{what}: no mount")
            continue
        places.append((folder, what))
    for folder, what in places:
        code, report, errors, seconds = tune(folder)
        check(code == 1 and os.path.basename(folder) in errors and errors.count("\n") == 1 and not report, f"{what}: a sentence before anything is tried ({seconds:.1f} s)", errors)
    for folder in mounted:
        umount(folder)


def busy(work):
    """The mark that the machine was busy goes with a record, through export and import."""
    folder = f"{work}/busy"
    tune(folder, "--budget", "1")
    path = glob.glob(f"{folder}/*.tune")[0]
    with open(path, encoding="ascii") as file:
        lines = [line.replace(" busy=1", "") for line in file.read().split("\n")]
    marked = next(i for i, line in enumerate(lines) if " source=" in line)
    lines[marked] = lines[marked].replace(" source=", " busy=1 source=")
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines))
    run("tune", "--export", f"{work}/busy.txt", env=env(folder))
    code, _, errors = run("tune", "--import", f"{work}/busy.txt", env=env(f"{work}/busy2"))
    code, out, errors = run("tune", "--list", "--json", env=env(f"{work}/busy2"))
    got = json.loads(out)
    check(code == 0 and sorted(r["busy"] for r in got) == [False, True], "a record keeps the mark", out + errors)
    code, out, errors = run("tune", "--list", env=env(f"{work}/busy2"))
    check(code == 0 and out.count(" *\n") == 1 and "less sure" in out, "and a list says so", out + errors)


def hurried(work):
    """Kernels that there is no time for are left out, and named."""
    code, out, errors = run("tune", "--core", "panel", "--rows", "64", "--budget", "2", "--json", env=env(f"{work}/hurried"))
    report = json.loads(out) if out else {}
    rows = report.get("rows", [])
    check(code == 0 and 2 <= len(rows) < 8 and "left out for want of time" in report["note"] and "loss" in report["note"], "a short budget leaves kernels out", out + errors)
    check(all((r["shape"].startswith("64x64x") for r in rows)), "and keeps to the rows asked for", out)


def planted(work):
    """From a bad default a search finds better ones."""
    folder = f"{work}/planted"
    code, report, errors, _ = tune(folder, "--tile", "p4x16v4b32", "--rows", "512", "--budget", "18")
    rows = report.get("rows", [])
    hasty, quick, errors_quick, _ = tune(f"{work}/hasty", "--tile", "p4x16v4b32", "--rows", "512", "--budget", "1")
    check(hasty == 0 and all(r["tried"] == 1 and r["best"] != "p4x16v4b32" for r in quick.get("rows", [])), "a hasty search does not record a bad default", json.dumps(quick) + errors_quick)
    check(code == 0 and all(r["default"] == "p4x16v4b32" and r["best"] != r["default"] and r["gain"] > 1.05 for r in rows) and rows, "a bad default is beaten", json.dumps(rows) + errors)


def main():
    with tempfile.TemporaryDirectory() as work:
        usage(work)
        folders(work)
        folder = misbehaving(work)
        unbuildable(work)
        used(folder, work)
        shared(folder, work)
        stopped(work)
        at_once(work)
        busy(work)
        hurried(work)
        planted(work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
