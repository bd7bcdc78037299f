# SPDX-License-Identifier: Apache-2.0
"""The results that are kept, and docs/mutation.md from them."""

import re

from .operators import ROOT, TEXTS

EQUIVALENTS = ROOT / "scripts" / "mutation" / "equivalents.txt"
REPORT = ROOT / "docs" / "mutation.md"
KEPT = ROOT / "scripts" / "mutation" / "results.txt"
# What is kept of who killed a mutant.
ENDS = {" crashes": "crash", " hangs": "hang", "static_assert": "static_assert"}


class Equivalents:
    """Why mutants are none, from the file: `file F`, then for each `- before`, `+ after`, `= reason`.

    A line that stands in its file more than once is told by the one above it, in `@ above` after `- before`; with
    several, any of them. Without, all such lines are meant."""

    def __init__(self):
        self.reasons = {}
        file, before, after, above, reason = "", "", "", [], []

        def flush():
            if before:
                if not reason:
                    raise SystemExit(f"mutate: {EQUIVALENTS.name}: no reason for '{before}'")
                self.reasons.setdefault((file, before, after), []).append((above, " ".join(reason)))

        for line in EQUIVALENTS.read_text().splitlines() if EQUIVALENTS.is_file() else []:
            if line.startswith("file "):
                flush()
                file, before, after, above, reason = line[5:].strip(), "", "", [], []
            elif line.startswith("- "):
                flush()
                before, after, above, reason = line[2:].strip(), "", [], []
            elif line.startswith("+ "):
                after = line[2:].strip()
            elif line.startswith("@ "):
                above.append(line[2:].strip())
            elif line.startswith("= "):
                reason.append(line[2:].strip())
        flush()

    def reason(self, mutant):
        """None: it is not listed."""
        key = (mutant["file"], one_line(mutant["before"]), one_line(mutant["after"]))
        for above, why in self.reasons.get(key, []):
            if not above or TEXTS[mutant["file"]].splitlines()[mutant["line"] - 2].strip() in above:
                return why
        return None

    def of_no(self, mutants):
        """Keys that stand for no mutant that there is: lines that have changed since."""
        there = {(m["file"], one_line(m["before"]), one_line(m["after"])) for m in mutants if self.reason(m)}
        return [key for key in self.reasons if key not in there]


def load_kept(mutants):
    """Results of earlier runs, of mutants that there are."""
    known, out = {m["id"]: m for m in mutants}, {}
    for line in KEPT.read_text().splitlines() if KEPT.is_file() else []:
        if line.startswith("#"):
            continue
        i, how, status, *end = line.split()
        if i in known:
            by = next((text for text, name in ENDS.items() if end == [name]), "")
            out[i] = dict({k: known[i][k] for k in ("id", "file", "line", "operator", "before", "after")}, how=how,
                          status=status, by=by, seconds=0)
    return out


def write_kept(mutants, results):
    lines = ["# SPDX-License-Identifier: Apache-2.0",
             "# Written by scripts/mutate.py: the mutant, how it was run, what became of it, how its test ended if not by failing."]
    for i in sorted(m["id"] for m in mutants if m["id"] in results):
        r = results[i]
        end = next((name for text, name in ENDS.items() if text in r["by"]), "")
        lines.append(f"{i} {r['how']} {r['status']} {end}".rstrip())
    KEPT.write_text("\n".join(lines) + "\n")


def one_line(text):
    return re.sub(r"\s*\n\s*", " ⏎ ", text)


def code_cell(text):
    text = one_line(text).replace("|", "\\|").replace("`", "'")
    return f"`{text}`" if text else "(nothing)"


def share(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def write_report(mutants, results, options):
    equivalents = Equivalents()
    known = [dict(results[m["id"]], line=m["line"]) for m in mutants if m["id"] in results]
    born = [r for r in known if r["status"] != "stillborn"]
    reason = equivalents.reason
    killed = [r for r in born if r["status"] == "killed"]
    equal = [r for r in born if r["status"] == "survived" and reason(r)]
    left = [r for r in born if r["status"] == "survived" and not reason(r)]
    alone = [r for r in known if r["how"] == "alone"]
    counted = len(killed) + len(left)
    by = lambda text: sum(text in r["by"] for r in killed)
    lines = [
        "# Mutations", "",
        "What `scripts/mutate.py` found: it breaks one thing in `src/remap`, `src/dmar` or in the headers of `spec`, `remap`",
        "and `dmar` (negates a condition, drops a statement, changes a constant, a mask, a comparison, an operator, an order),",
        "and the tests of these rooms must notice: `test_spec`, `test_remap`, `test_dmar`, `test_conformance`. This page is",
        "written by the script. What no test can tell from the original is listed with its reason in",
        "`scripts/mutation/equivalents.txt`.", "",
        "To repeat: `nice scripts/mutate.py`. It runs those that have no result in `scripts/mutation/results.txt`, so after a",
        "change only those of changed lines; without that file, all. `--retest` runs the survivors again, `--report` writes",
        "this page anew.", "",
        f"**Sample:** of {len(mutants)} mutants {len(known)} were run, in the order in which seed {options.seed} draws them,",
        f"those of files chosen with `--only` before others: {len(known) - len(alone)} switched inside one build, {len(alone)} built alone",
        "(what cannot be switched: constants of declarations, template arguments).",
        f"{len(known) - len(born)} did not compile and count for nothing; {len(mutants) - len(known)} were not run. Only mutants "
        "of lines as they are now count. A",
        "survivor stays listed until it was run again, although a newer test may kill it.", "",
        "| | |", "|---|---|", f"| killed | {len(killed)} |",
        f"| of these refused by a static_assert | {by('static_assert')} |",
        f"| of these crashed or hung | {by(' crashes') + by(' hangs')} |",
        f"| survived | {len(left)} |", f"| equivalent | {len(equal)} |",
        f"| **killed, of those that are not equivalent** | **{share(len(killed), counted)}** |", "",
        "## By place", "", "| file | mutants | run | killed | survived | equivalent | did not compile |",
        "|---|---|---|---|---|---|---|"]
    for file in sorted({m["file"] for m in mutants}):
        count = lambda rs: sum(r["file"] == file for r in rs)
        lines.append(f"| {file} | {count(mutants)} | {count(known)} | {count(killed)} | {count(left)} | {count(equal)} | "
                     f"{count(known) - count(born)} |")
    lines += ["", "## By kind", "", "| mutation | killed | survived | equivalent |", "|---|---|---|---|"]
    for operator in sorted({r["operator"] for r in born}):
        count = lambda rs: sum(r["operator"] == operator for r in rs)
        lines.append(f"| {operator} | {count(killed)} | {count(left)} | {count(equal)} |")
    lines += ["", "## Survivors", ""]
    if left:
        lines += ["| place | mutation | from | to |", "|---|---|---|---|"]
        for r in sorted(left, key=lambda r: (r["file"], r["line"])):
            lines.append(f"| {r['file']}:{r['line']} | {r['operator']} | {code_cell(r['before'])} | {code_cell(r['after'])} |")
    else:
        lines.append("None.")
    lines += ["", "## Equivalents", ""]
    if equal:
        lines += ["| place | from | to | why nobody can tell |", "|---|---|---|---|"]
        for r in sorted(equal, key=lambda r: (r["file"], r["line"])):
            lines.append(f"| {r['file']}:{r['line']} | {code_cell(r['before'])} | {code_cell(r['after'])} | {reason(r)} |")
    else:
        lines.append("None.")
    REPORT.write_text("\n".join(lines) + "\n")
    print(f"{len(killed)} killed, {len(left)} survived, {len(equal)} equivalent, {len(known) - len(born)} did not compile: "
          f"{share(len(killed), counted)} killed; {REPORT.relative_to(ROOT)}")
