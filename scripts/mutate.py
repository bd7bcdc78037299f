#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mutate.py: breaks the model a line at a time and sees whether the tests notice.

  scripts/mutate.py                   runs all mutants not yet run that can be switched inside one build, and of those
                                      that must be built alone a sample (--sample 300, --seed 1)
  scripts/mutate.py --retest          runs only the survivors again, after tests were added; who survives again, alone
  scripts/mutate.py --only PART       runs only those in files whose path has PART in it; may be given more than once
  scripts/mutate.py --report          only writes docs/mutation.md from the results so far
  scripts/mutate.py --list            prints the mutants

Works in copies under build/mutation; of the tree itself only the report and scripts/mutation/results.txt are written.
Results are kept there, and while it runs in build/mutation/results.jsonl with more detail, so a run that was stopped goes
on where it was, and after a change only the mutants of changed lines are run. A mutant is known by its file, its line's
text and what became of it, so results outlive changes elsewhere in the file.

A mutant that does not compile counts for nothing, unless a static_assert refused it: then it is killed. A test that
fails, crashes or does not end kills it. What no test can tell from the original is listed with a reason in
scripts/mutation/equivalents.txt.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import queue
import sys
import threading
import time

from mutation.operators import all_mutants
from mutation.report import Equivalents, load_kept, one_line, write_kept, write_report
from mutation.trees import WORK, LoneTree, SwitchedTree

RESULTS = WORK / "results.jsonl"


def load_results(mutants):
    results = load_kept(mutants)
    if RESULTS.is_file():
        for line in RESULTS.read_text().splitlines():
            result = json.loads(line)
            results[result["id"]] = result
    return results


class Recorder:
    """Appends each result at once."""

    def __init__(self, total):
        self.lock, self.done, self.total = threading.Lock(), 0, total
        self.out = RESULTS.open("a")

    def __call__(self, mutant, how, status, by, seconds):
        kept = {k: mutant[k] for k in ("id", "file", "line", "operator", "before", "after")}
        result = dict(kept, how=how, status=status, by=by[:200], seconds=round(seconds, 2))
        with self.lock:
            self.done += 1
            self.out.write(json.dumps(result) + "\n")
            self.out.flush()
            if status != "killed" or self.done % 100 == 0:
                print(f"{self.done}/{self.total} {status} {by[:60]} ({seconds:.1f} s) {mutant['file']}:{mutant['line']}: "
                      f"{one_line(mutant['after'])[:90]}", flush=True)


def run_all(todo, trees, how):
    if not todo:
        return
    record, free = Recorder(len(todo)), queue.Queue()
    for tree in trees:
        free.put(tree)

    def one(mutant):
        tree, started = free.get(), time.time()
        try:
            status, by = tree.judge(mutant)
        finally:
            free.put(tree)
        record(mutant, how, status, by, time.time() - started)

    with concurrent.futures.ThreadPoolExecutor(len(trees)) as pool:
        for future in [pool.submit(one, m) for m in todo]:
            future.result()


def report(mutants, options):
    results = load_results(mutants)
    write_kept(mutants, results)
    for file, before, after in Equivalents().of_no(mutants):
        print(f"mutate: equivalents.txt: no mutant in {file} is: {before}  ->  {after}", file=sys.stderr)
    write_report(mutants, results, options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=300, help="how many of those chosen to build alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", action="append", default=[], metavar="PART", help="run only those in files whose path has this in it")
    parser.add_argument("--retest", action="store_true", help="run only survivors, again")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    options = parser.parse_args()

    mutants = all_mutants()
    chosen = lambda m: not options.only or any(part in m["file"] for part in options.only)
    # One number per mutant and seed, so that a change elsewhere draws nearly the same ones again.
    mutants.sort(key=lambda m: hashlib.sha1(f"{options.seed} {m['id']}".encode()).digest())
    if options.list:
        for m in sorted(filter(chosen, mutants), key=lambda m: (m["file"], m["line"])):
            print(f"{m['id']} {m['file']}:{m['line']}: {m['operator']}: {one_line(m['before'])}  ->  {one_line(m['after'])}")
        return print(f"{sum(map(chosen, mutants))} mutants")
    if options.report:
        return report(mutants, options)

    WORK.mkdir(parents=True, exist_ok=True)
    results, equivalents = load_results(mutants), Equivalents()
    survived = lambda m: m["id"] in results and results[m["id"]]["status"] == "survived" and not equivalents.reason(m)
    wanted = lambda m: chosen(m) and (survived(m) if options.retest else m["id"] not in results)

    if any(wanted(m) for m in mutants):
        switched = SwitchedTree()
        switched.prepare(sorted(mutants, key=lambda m: m["id"]), options.jobs)
        can = {m["id"] for m in mutants if m["id"] in switched.numbers and not switched.only_compiled(m)}
        run_all([m for m in mutants if m["id"] in can and wanted(m)], [switched] * options.jobs, "switched")
        alone = [m for m in mutants if m["id"] not in can and chosen(m)][:options.sample]
        if options.retest:
            # What the compiler works out never asks which mutant is on, so who survives again is built alone.
            results = load_results(mutants)
            alone += [m for m in mutants if m["id"] in can and survived(m)]
        # Those of one file one after the other, so that less is built again.
        alone = sorted(filter(wanted, alone), key=lambda m: (m["file"], m["line"]))
        if alone:
            trees = [LoneTree(f"alone-{i}") for i in range(options.jobs)]
            for tree in trees:
                tree.prepare()
            run_all(alone, trees, "alone")
    report(mutants, options)


if __name__ == "__main__":
    sys.exit(main())
