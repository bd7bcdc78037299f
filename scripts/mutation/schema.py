# SPDX-License-Identifier: Apache-2.0
"""Many mutants in one build: each stands beside the original, and an environment variable says which one runs.

A mutant lies in a region: a condition, an initial value, what is returned, a statement. The region is written once for
each of its mutants and once as it was. What lies in no region (constants of declarations, template arguments, labels)
cannot be switched, and is built alone.
"""

import re

from .operators import code_only

WORD = re.compile(r"[A-Za-z_]\w*")
DECLARED = re.compile(r"^(?:\[\[[^\]]*\]\]\s*)?(?:const\s+|static\s+|thread_local\s+|mutable\s+|volatile\s+)*[A-Za-z_][\w:]*"
                      r"(?:<.*>)?(?:::\w+)?(?:\s+const)?(?:\s*[*&]+\s*(?:const\s+)?|\s+)(?:\w+|\[[\w, ]+\])\s*$", re.S)
BODY = re.compile(r"(?:\)|\]|\bconst|\bnoexcept|\boverride|\bfinal|\bmutable|\belse|\bdo|\btry|->\s*[\w:<>*&, ]+)\s*$")
TYPE = re.compile(r"^\s*(?:template\s*<[^;]*>\s*)?(?:typedef\s+)?(?:class|struct|union)\b(?![^{]*\))")


class Region:
    def __init__(self, kind, start, end):
        self.kind, self.start, self.end = kind, start, end
        self.inner, self.mutants, self.skipped_by, self.followed_by = [], [], [], []


class Parser:
    """Finds the regions of blanked code; what it does not understand it passes over."""

    def __init__(self, code, text):
        self.code, self.text, self.regions = code, text, []

    def closing(self, at):
        pairs = {"(": ")", "{": "}", "[": "]"}
        stack = []
        for i in range(at, len(self.code)):
            c = self.code[i]
            if c in pairs:
                stack.append(pairs[c])
            elif c in ")}]":
                if not stack or stack.pop() != c:
                    raise ValueError(f"unbalanced at {i}")
                if not stack:
                    return i
        raise ValueError(f"not closed: {at}")

    def add(self, kind, start, end):
        # In the text, where literals are not blank.
        while start < end and self.text[start].isspace():
            start += 1
        while end > start and self.text[end - 1].isspace():
            end -= 1
        if start < end:
            self.regions.append(Region(kind, start, end))

    def space(self, at):
        while at < len(self.code) and self.code[at].isspace():
            at += 1
        return at

    def find(self, chars, at, end):
        """First of `chars` outside of brackets."""
        while at < end:
            c = self.code[at]
            if c in chars:
                return at
            at = self.closing(at) + 1 if c in "({[" else at + 1
        return end

    # Namespaces and classes.
    def scope(self, at, end):
        begin = at
        while at < end:
            c = self.code[at]
            if c == ";":
                self.member(begin, at)
                at = begin = at + 1
            elif c in "([":
                at = self.closing(at) + 1
            elif c == ":" and re.search(r"\b(?:public|private|protected)\s*$", self.code[begin:at]):
                at = begin = at + 1
            elif c == "{":
                head, stop = self.code[begin:at], self.closing(at)
                if re.search(r"\benum\b", head):
                    at = stop + 1
                elif re.search(r"\bnamespace\b[^()]*$", head) or TYPE.search(head):
                    self.scope(at + 1, stop)
                    at = begin = stop + 1
                elif BODY.search(head) or (")" in head and head.rstrip().endswith("}")):
                    self.initialisers(begin, at)
                    self.block(at + 1, stop)
                    at = begin = stop + 1
                else:
                    at = stop + 1
            else:
                at += 1

    def initialisers(self, begin, end):
        """The list behind the colon of a constructor: each argument is a region."""
        at = begin
        while at < end:
            at = self.find("(", at, end)
            if at >= end:
                return
            stop = self.closing(at)
            rest = self.space(stop + 1)
            if self.code[rest:rest + 1] == ":" and self.code[rest:rest + 2] != "::":
                at = rest + 1
                while at < end:
                    at = self.find("({", at, end)
                    if at >= end:
                        return
                    stop = self.closing(at)
                    if self.code[at] == "(":
                        self.arguments(at + 1, stop)
                    at = stop + 1
                return
            at = stop + 1

    def arguments(self, at, end):
        depth, begin = 0, at
        for i in range(at, end + 1):
            c = self.code[i] if i < end else ","
            depth += {"(": 1, "{": 1, "[": 1, "<": 0, ")": -1, "}": -1, "]": -1}.get(c, 0)
            if c == "," and depth == 0 and self.code[begin:i].count("<") == self.code[begin:i].count(">"):
                if not self.code[begin:i].lstrip().startswith("{"):
                    self.add("value", begin, i)
                begin = i + 1

    def member(self, begin, end):
        if not re.search(r"\b(?:constexpr|static|using|typedef|friend)\b", self.code[begin:end]):
            self.declaration(begin, end)

    def declaration(self, begin, end):
        """Is it one? Its initial value is a region."""
        equal = self.equal_sign(begin, end)
        if equal is None:
            text = self.code[begin:end].strip()
            m = re.match(r"(.*?)\s*(?:\(.*\)|\{.*\})?$", text, re.S)
            return bool(m and DECLARED.match(re.split(r"[({]", text, maxsplit=1)[0].strip()))
        if not DECLARED.match(self.code[begin:equal].strip()):
            return False
        if not self.code[equal + 1:end].lstrip().startswith("{"):
            self.add("value", equal + 1, end)
            self.lambdas(equal + 1, end)
        return True

    def equal_sign(self, begin, end):
        at = begin
        while at < end:
            c = self.code[at]
            if c in "({[":
                at = self.closing(at) + 1
                continue
            if c == "=" and self.code[at + 1] != "=" and self.code[at - 1] in " " and self.code[at + 1] in " \n":
                return at
            at += 1
        return None

    def lambdas(self, at, end):
        """Blocks inside of an expression."""
        begin = at
        while at < end:
            if self.code[at] == "{":
                stop = self.closing(at)
                if re.search(r"\](?:\s*\([^{}]*\))?(?:\s*mutable)?(?:\s*->\s*[\w:<>*& ]+)?\s*$", self.code[begin:at]):
                    self.block(at + 1, stop)
                    at = stop + 1
                    continue
            at += 1

    # Functions.
    def block(self, at, end):
        while True:
            at = self.space(at)
            if at >= end:
                return
            at = self.statement(at, end)

    def statement(self, at, end):
        code = self.code
        at = self.space(at)
        if at >= end:
            return end
        if code[at] == "{":
            stop = self.closing(at)
            self.block(at + 1, stop)
            return stop + 1
        if code[at] == ";":
            return at + 1
        m = WORD.match(code, at)
        word = m.group() if m else ""
        begin = at
        if word in ("if", "while", "switch", "for"):
            at = self.space(m.end())
            fixed = code.startswith("constexpr", at)
            if fixed:
                at = self.space(at + len("constexpr"))
            stop = self.closing(at)
            if not fixed:
                self.heading(word, at + 1, stop)
            at = self.statement(stop + 1, end)
            if word == "if":
                follow = self.space(at)
                if re.match(r"else\b", code[follow:follow + 5]):
                    at = self.statement(follow + 4, end)
                elif not fixed:
                    self.add("statement", begin, at)
            return at
        if word == "do":
            at = self.space(self.statement(m.end(), end))
            paren = self.space(at + len("while"))
            stop = self.closing(paren)
            self.add("condition", paren + 1, stop)
            return self.find(";", stop, end) + 1
        if word == "else":
            return self.statement(m.end(), end)
        if word == "try":
            return self.statement(m.end(), end)
        if word == "catch":
            return self.statement(self.closing(self.space(m.end())) + 1, end)
        if word in ("case", "default"):
            while code[at] != ":" or code[at + 1] == ":" or code[at - 1] == ":":
                at += 1
            return at + 1
        stop = self.find(";", at, end)
        if word in ("using", "typedef", "static_assert", "struct", "class", "enum", "constexpr", "static"):
            return stop + 1
        if word == "return":
            self.add("return", begin, stop + 1)
            self.lambdas(begin, stop)
            return stop + 1
        if word in ("throw", "break", "continue") or not self.declaration(begin, stop):
            self.add("statement", begin, stop + 1)
            self.lambdas(begin, stop)
        return stop + 1

    def heading(self, word, at, end):
        parts, begin = [], at
        while True:
            stop = self.find(";", begin, end)
            parts.append((begin, stop))
            if stop >= end:
                break
            begin = stop + 1
        if word == "for" and len(parts) == 1:
            colon = re.search(r"\s:\s", self.code[at:end])
            if colon and not self.code[at + colon.end():end].lstrip().startswith("{"):
                self.add("value", at + colon.end(), end)
            return
        if word == "for" and len(parts) == 3:
            self.declaration(*parts[0])
            self.add("condition", *parts[1])
            self.add("step", *parts[2])
            return
        if len(parts) == 2:
            self.declaration(*parts[0])
        begin, stop = parts[-1]
        if self.equal_sign(begin, stop) is not None:
            self.declaration(begin, stop)
        else:
            self.add("value" if word == "switch" else "condition", begin, stop)
            self.lambdas(begin, stop)


def without_comments(text):
    """Comments blanked, all else as it is, every character in its place."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group()) if m.group().startswith("/") else m.group()
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', blank, text, flags=re.S)


class Schema:
    """A file with its mutants in it; `numbers` maps the id of a mutant to its switch."""

    def __init__(self, text, mutants, numbers):
        self.text, self.numbers = text, numbers
        self.bare = without_comments(text)
        parser = Parser(code_only(text), self.bare)
        parser.scope(0, len(text))
        # Outer ones before inner ones.
        self.regions = sorted(parser.regions, key=lambda r: (r.start, -r.end))
        self.alone, self.placed = [], {}
        for m in mutants:
            (self.place_swap if m["operator"] == "swap with the next" else self.place)(m)
        self.top = self.nest()

    def place(self, m):
        best = None
        for r in self.regions:
            if r.start > m["start"]:
                break
            if r.end >= m["end"]:
                best = r
        if best is None:
            return self.alone.append(m)
        best.mutants.append(m)
        self.placed[m["id"]] = best

    def place_swap(self, m):
        first = [r for r in self.regions if r.start == m["start"] and r.kind in ("statement", "return")]
        last = [r for r in self.regions if r.end == m["end"] and r.kind in ("statement", "return")]
        if not first or not last:
            return self.alone.append(m)
        one, two = first[0], min(last, key=lambda r: r.start)
        one.skipped_by.append(m)
        two.followed_by.append((m, one))
        self.placed[m["id"]] = two

    def nest(self):
        top, stack = [], []
        for r in self.regions:
            r.inner = []
            while stack and stack[-1].end <= r.start:
                stack.pop()
            (stack[-1].inner if stack else top).append(r)
            stack.append(r)
        return top

    def number(self, m):
        return self.numbers[m["id"]]

    def flat(self, start, end):
        return re.sub(r"\s+", " ", self.bare[start:end])

    def mutated(self, r, m):
        return (self.flat(r.start, m["start"]) + re.sub(r"\s+", " ", m["text"]) + self.flat(m["end"], r.end)).strip()

    def on(self, m):
        return f"::vtd::mutation::on({self.number(m)})"

    def write(self):
        return self.emit(0, len(self.text), self.top)

    def emit(self, start, end, regions):
        out, at = [], start
        for r in regions:
            out += [self.bare[at:r.start], self.region(r)]
            at = r.end
        return "".join(out) + self.bare[at:end]

    def region(self, r):
        original = self.emit(r.start, r.end, r.inner)
        mutants = [m for m in r.mutants if m["id"] in self.numbers]
        skipped = [m for m in r.skipped_by if m["id"] in self.numbers]
        followed = [(m, one) for m, one in r.followed_by if m["id"] in self.numbers]
        if not (mutants or skipped or followed):
            return original
        marks = ",".join(str(self.number(m)) for m in mutants + skipped + [m for m, _ in followed])
        line = lambda m: f"\n/*M{self.number(m)}*/ "
        keep = f"\n/*O{marks}*/ "
        if r.kind in ("value", "condition", "step"):
            wrap = {"value": "({})", "condition": "static_cast<bool>({})", "step": "static_cast<void>({})"}[r.kind]
            out = "(" + "".join(f"{line(m)}{self.on(m)} ? {wrap.format(self.mutated(r, m))} : " for m in mutants)
            return out + keep + wrap.format(original) + ")"
        if r.kind == "return":
            out = "".join(f"{line(m)}if ({self.on(m)}) {{ {self.mutated(r, m)} }}" for m in mutants) + keep + original
            out = "{ " + out + " }"
        else:
            out = "".join(f"{line(m)}if ({self.on(m)}) {{ {self.mutated(r, m)} }} else " for m in mutants)
            out = "{ " + out + keep + "{ " + original + " } }" if mutants else original
        for m in skipped:
            out = f"{{{line(m)}if (!{self.on(m)}) {keep}{out} }}"
        for m, one in followed:
            out = f"{{ {out}{line(m)}if ({self.on(m)}) {{ {self.flat(one.start, one.end)} }} }}"
        return out


def blamed(generated, line):
    """The switches that an error in this line (from 1) of a generated file speaks of."""
    lines = generated.split("\n")
    for at in range(min(line, len(lines)) - 1, -1, -1):
        m = re.search(r"/\*([MO])([\d,]+)\*/", lines[at])
        if m:
            return [int(n) for n in m.group(2).split(",")]
    return []
