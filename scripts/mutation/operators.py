# SPDX-License-Identifier: Apache-2.0
"""The mutants of a file: what is broken where. They are found in the text, with comments and strings blanked."""

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ["src/spec", "src/remap", "src/dmar", "include/vtd/spec", "include/vtd/remap", "include/vtd/dmar"]

# Members that begin as zeros are left out: what is made is filled before it is read, and where it is not the compiler
# and the sanitizers say so.
ZEROED = re.compile(r"^\s*(?:mutable )?[\w:<>]+ \w+ = (?:0|false);")


def code_only(text):
    """The text with comments, strings and preprocessor lines blanked, every other character in its place."""
    out = list(text)

    def blank(a, b):
        for i in range(a, b):
            if out[i] != "\n":
                out[i] = " "

    for m in re.finditer(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', text, re.S):
        blank(m.start(), m.end())
    for m in re.finditer(r"^[ \t]*#[^\n]*", "".join(out), re.M):
        blank(m.start(), m.end())
    for m in re.finditer(r"static_assert\s*\(.*?\);", "".join(out), re.S):
        blank(m.start(), m.end())
    for m in re.finditer(r"\btemplate\s*<[^;{(]*?>\s*\n|\[\[.*?\]\]|\bassert\s*\([^;]*;", "".join(out), re.S):
        blank(m.start(), m.end())
    return "".join(out)


def closing(code, at):
    """Position of the parenthesis that closes the one at `at`."""
    depth = 0
    for i in range(at, len(code)):
        depth += {"(": 1, ")": -1}.get(code[i], 0)
        if depth == 0:
            return i
    return -1


def negations(code):
    for m in re.finditer(r"\b(if|while)\s*\(", code):
        a, b = m.end(), closing(code, m.end() - 1)
        if b < 0:
            continue
        inside = code[a:b]
        if ";" in inside:
            a += inside.rindex(";") + 1
        elif re.search(r"[^=!<>]=[^=]", inside):
            continue
        yield a, b, lambda s: "!(" + s.strip() + ")"


def replaced(code, pattern, into):
    for m in re.finditer(pattern, code):
        yield m.start(1), m.end(1), lambda s: into(s)


SIMPLE = re.compile(
    r"^(\s*)(?:(?:\+\+|--)[\w.\->\[\]:()]+|[\w.\->\[\]:()*]+(?:\+\+|--)"
    r"|[\w.\->\[\]:()*]+(?:<[\w:, ]*>)?(?:\s*[-+|&^]?=\s[^;]*|\(.*\))|break|continue"
    r"|if \(.*\) (?:return|continue|break)?[^;{]*);\s*$"
)


def statements(code):
    """Lines that hold one whole statement which can go: (start, end of line, indentation)."""
    at, before = 0, ";"
    for line in code.split("\n"):
        m = SIMPLE.match(line)
        if m and before in ";{}:" and line.count("(") == line.count(")") and "return" != line.strip():
            yield at + len(m.group(1)), at + len(line.rstrip()), len(m.group(1))
        if line.strip():
            before = line.strip()[-1]
        at += len(line) + 1


def number(s):
    m = re.match(r"(0x[0-9a-fA-F]+|\d+)(.*)", s)
    value = int(m.group(1), 0)
    value = value - 1 if value == 1 else value + 1
    return (hex(value) if m.group(1).startswith("0x") else str(value)) + m.group(2)


def swap(pairs):
    return lambda s: pairs[s]


ACCESS = {"ro": "rw", "ro_v": "rw", "ros_v": "ro_v", "rw": "ro_v", "rw_sc": "rw1c", "wo": "rw", "rw1c": "rw",
          "rw1cs": "rw1c"}


def mutations(code):
    """Yields (operator, start, end, function that changes the text between)."""
    for a, b, f in negations(code):
        yield "negate the condition", a, b, f
    relations = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
    for a, b, f in replaced(code, r" (==|!=|<=|>=|<|>) ", swap(relations)):
        yield "comparison", a, b, f
    for a, b, f in replaced(code, r" (&&|\|\|) ", swap({"&&": "||", "||": "&&"})):
        yield "and, or", a, b, f
    arithmetic = {"+": "-", "-": "+", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "|", "*": "+", "%": "/", "/": "*"}
    for a, b, f in replaced(code, r"[\w)\]}] (\+|-|<<|>>|&|\||\^|\*|%|/) (?=[\w(~!+-])", swap(arithmetic)):
        yield "operator", a, b, f
    for a, b, f in replaced(code, r"(?<![\w])(\+\+|--)(?=[\w(])", swap({"++": "--", "--": "++"})):
        yield "step", a, b, f
    for a, b, f in replaced(code, r"(?<![\w.'])((?:0x[0-9a-fA-F]+|\d+)[uUlL]*)(?![\w.'])", number):
        yield "constant", a, b, f
    for a, b, f in replaced(code, r"\b(true|false)\b", swap({"true": "false", "false": "true"})):
        yield "constant", a, b, f
    for a, b, f in replaced(code, r"(?<![\w)\]~])(~)(?=[\w(])", lambda s: ""):
        yield "mask", a, b, f
    for a, b, f in replaced(code, r"(?<![\w!=)\]])(!)(?=[\w(])", lambda s: ""):
        yield "drop the not", a, b, f
    for a, b, f in replaced(code, r"std::(min|max)\b(?=[<(])", swap({"min": "max", "max": "min"})):
        yield "min, max", a, b, f
    for a, b, f in replaced(code, r"\bfault_condition::((?!none)\w+)\b(?!,)", lambda s: "none"):
        yield "condition", a, b, f
    for a, b, f in replaced(code, r"\baccess::(%s)\b(?=,)" % "|".join(sorted(ACCESS, key=len, reverse=True)),
                            swap(ACCESS)):
        yield "access kind", a, b, f
    last = None
    for a, b, indent in statements(code):
        yield "drop the statement", a, b, lambda s: ";"
        if (last and last[2] == indent and code[last[1]:a].strip() == "" and code[last[1]:a].count("\n") == 1
                and not independent(code[last[0]:last[1]], code[a:b])):
            yield "swap with the next", last[0], b, lambda s: "\n".join(swapped(s.split("\n"), indent))
        last = (a, b, indent)


NAME = r"[A-Za-z_]\w*(?:\[\w*\])?(?:(?:\.|->)[A-Za-z_]\w*)*"


def written(statement):
    """What it assigns, steps, or calls a member function of."""
    names = set(re.findall(r"(?:\+\+|--)(" + NAME + ")", statement))
    m = re.match(r"\s*(" + NAME + r")\s*(?:[-+|&^]|<<|>>)?=(?!=)", statement)
    if m:
        return names | {m.group(1)}
    m = re.match(r"\s*(" + NAME + r")(?:\.|->)\w+(?:<[\w:, ]*>)?\(", statement)
    return names | {m.group(1)} if m else names


def independent(first, second):
    """Neither touches what the other writes, and the first does not leave: their order says nothing."""
    if re.search(r"\b(?:return|break|continue)\b", first):
        return False
    parts = lambda name: re.split(r"\.|->", name)
    meets = lambda one, two: all(x == y for x, y in zip(parts(one), parts(two)))
    return not any(meets(w, n) for here, there in ((first, second), (second, first))
                   for w in written(here) for n in re.findall(NAME, there))


def swapped(lines, indent):
    first, second = lines[0].strip(), lines[-1].strip()
    return [second, " " * indent + first]


TEXTS = {}  # of the files with mutants, as they were when the mutants were found


def mutants_of(file):
    text = TEXTS[str(file)] = (ROOT / file).read_text()
    code = code_only(text)
    seen = {}
    for operator, a, b, change in mutations(code):
        after = change(text[a:b])
        if after == text[a:b]:
            continue
        begin = text.rfind("\n", 0, a) + 1
        end = text.find("\n", b)
        before_line, after_line = text[begin:end], text[begin:a] + after + text[b:end]
        if ZEROED.match(before_line) and not str(file).endswith("config.h"):
            continue
        key = (operator, before_line, after_line)
        seen[key] = seen.get(key, 0) + 1
        name = hashlib.sha1(repr((str(file), key, seen[key])).encode()).hexdigest()[:12]
        yield {"id": name, "file": str(file), "line": text.count("\n", 0, a) + 1, "operator": operator,
               "before": before_line.strip(), "after": after_line.strip(), "start": a, "end": b, "text": after}


def all_mutants():
    out = []
    for folder in SOURCES:
        for path in sorted((ROOT / folder).glob("*")):
            file = path.relative_to(ROOT)
            if path.suffix in (".h", ".cpp"):
                out += list(mutants_of(file))
    return out


