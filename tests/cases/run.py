#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the rows of table.py: what people brought, and what has to come of it. Needs CHIARO_PROGRAM.

Usage: run.py [WORD…]: only rows whose kind or text holds one of the words. Ends with "N passed, N failed, N skipped".
"""
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "harness"), HERE]
import files
import table
from cli import check, run, summary


def fill(words, places):
    return [str(word).format(**places) for word in words]


def faults(row, status, out, errors, places):
    """What is wrong with an answer, as sentences."""
    text = out + errors
    found = [] if status == row.status else [f"status {status}, wanted {row.status}"]
    found += [f"not said: {words}" for words in row.says if words.format(**places) not in text]
    found += [f"said: {words}" for words in row.unsaid if words.format(**places) in text]
    if row.status == 0 or not found:
        for what in row.holds:
            wrong = what(places, out) if not found else None
            found += [wrong] if wrong else []
    found += [f"{path} was written" for path in fill(row.absent, places) if os.path.lexists(path)]
    return found


def run_row(row, places):
    places = {**places, "out": os.path.join(places["work"], f"out-{row.number}")}
    environment = {**os.environ, **{k: v.format(**places) for k, v in row.environment.items()}}
    for command in row.before:
        status, out, errors = run(*fill(command, places), env=environment)
        if status:
            check(False, f"{row.kind}: {row.text}: a command before it failed", out + errors)
            return
    if row.prepare:
        row.prepare(places)
    status, out, errors = run(*fill(row.command, places), env=environment)
    found = faults(row, status, out, errors, places)
    check(not found, f"{row.kind}: {row.text}: {'; '.join(found)}\n    chiaro {' '.join(fill(row.command, places))}", out + errors)


def main():
    wanted = sys.argv[1:]
    work = tempfile.mkdtemp(prefix="chiaro-cases-")
    try:
        files.make_all(work)
        places = {"work": work, "old": os.path.join(HERE, "849e892")}
        for name, command in table.MODELS.items():
            places[name] = f"{work}/{name}/model.safetensors"
            status, out, errors = run(*fill(command, {**places, "out": f"{work}/{name}"}))
            check(status == 0, f"the model {name}", out + errors)
        for number, row in enumerate(table.ROWS):
            row.number = number
            if not wanted or any(word in row.kind or word in row.text for word in wanted):
                run_row(row, places)
    finally:
        shutil.rmtree(work)
    return summary()


if __name__ == "__main__":
    sys.exit(main())
