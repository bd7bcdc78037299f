# SPDX-License-Identifier: Apache-2.0
"""Copies of the tree in which mutants are built and run. The tree itself is never touched."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .operators import ROOT, TEXTS
from .schema import Schema, blamed

WORK = ROOT / "build" / "mutation"
# The tests that watch a room, nearest first.
TESTS = {
    "spec": ["spec", "remap", "dmar", "conformance"],
    "remap": ["remap", "dmar", "conformance"],
    "dmar": ["dmar", "conformance"],
}
ALL_TESTS = ["spec", "remap", "dmar", "conformance"]
# Of processor time, so that a busy machine kills nobody.
TEST_SECONDS = 60
WHOLE_SECONDS = 240  # of all tests of a room, built without optimisation
QUICK_SECONDS = 0.5
MOST_NUMBERS = 16384
MEMORY_BYTES = 6 << 30

HOOK = """function(mutation_targets)
  foreach(room {tests})
    if(TARGET test_${{room}})
      {line}
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL mutation_targets)
"""
PRECOMPILED = """target_precompile_headers(test_${room} PRIVATE <gmock/gmock.h> <algorithm> <array> <bit> <cstdint>
        <deque> <functional> <map> <memory> <optional> <random> <set> <span> <string> <string_view> <vector>)"""

SWITCH = """#pragma once
namespace vtd::mutation {
inline unsigned active = 0;
inline unsigned char reached[MOST_NUMBERS] = {};
constexpr bool on(unsigned which) {
  if (__builtin_is_constant_evaluated()) return false;
  reached[which] = 1;
  return active == which;
}
} // namespace vtd::mutation
""".replace("MOST_NUMBERS", str(MOST_NUMBERS))
# Before all else it takes over which mutant runs; with VTD_MUTATION_MAP it writes which test reaches which mutants.
LISTENER = """#include <gtest/gtest.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
namespace {
using namespace vtd::mutation;
[[gnu::constructor(101)]] void take_over() {
  const char* text = std::getenv("VTD_MUTANT");
  active = text == nullptr ? 0 : unsigned(std::atoi(text));
}
class mapper : public testing::EmptyTestEventListener {
public:
  explicit mapper(const char* name) : out_(std::fopen(name, "w")) {}
  void OnTestStart(const testing::TestInfo&) override {
    if (!begun_) write("static", 0);
    begun_ = true;
    std::memset(reached, 0, sizeof reached);
    start_ = std::chrono::steady_clock::now();
  }
  void OnTestEnd(const testing::TestInfo& test) override {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
    write((std::string(test.test_suite_name()) + "." + test.name()).c_str(), took.count());
  }
private:
  void write(const char* name, double seconds) {
    std::fprintf(out_, "%s %.6f", name, seconds);
    for (unsigned i = 0; i < sizeof reached; ++i)
      if (reached[i]) std::fprintf(out_, " %u", i);
    std::fputc('\\n', out_);
    std::fflush(out_);
  }
  std::FILE* out_;
  bool begun_ = false;
  std::chrono::steady_clock::time_point start_;
};
const bool listening = [] {
  const char* name = std::getenv("VTD_MUTATION_MAP");
  if (name != nullptr) testing::UnitTest::GetInstance()->listeners().Append(new mapper(name));
  return true;
}();
} // namespace
"""


def run(command, cwd, seconds=None, **variables):
    """Status (negative: the signal) and output; `seconds` of processor time at most, a hundred times that of any."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if seconds:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))

    env = dict(os.environ, CCACHE_BASEDIR=str(cwd), CCACHE_NOHASHDIR="1",
               CCACHE_SLOPPINESS="pch_defines,time_macros", **variables)
    try:
        done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", preexec_fn=limit, timeout=100 * seconds if seconds else None)
    except subprocess.TimeoutExpired:
        return -signal.SIGXCPU, ""
    return done.returncode, done.stdout


def verdict(code, out, test):
    if code == 0:
        return "survived", ""
    failed = re.findall(r"\[  FAILED  \] (\S+)", out)
    if failed:
        return "killed", failed[0].rstrip(",")
    return "killed", f"test_{test} " + ("hangs" if code == -signal.SIGXCPU else "crashes")


class Tree:
    def __init__(self, name):
        self.tree = WORK / name
        self.build = self.tree / "build" / "m"

    def put(self, name, data, mode=None):
        to = self.tree / name
        if to.is_file() and to.read_bytes() == data:
            return
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(data)
        if mode is not None:
            os.chmod(to, mode)

    def copy(self, but=()):
        names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                               capture_output=True, text=True).stdout.split("\n")
        wanted = {n for n in names if n and (ROOT / n).is_file()}
        for name in wanted - set(but):
            data = TEXTS[name].encode() if name in TEXTS else (ROOT / name).read_bytes()
            self.put(name, data, os.stat(ROOT / name).st_mode)
        for old in self.tree.rglob("*"):
            name = old.relative_to(self.tree)
            if old.is_file() and name.parts[0] not in ("build", ".git") and str(name) not in wanted:
                old.unlink()

    def configure(self, flags, line):
        hook = self.tree / "build" / "hook.cmake"
        self.put("build/hook.cmake", HOOK.format(tests=" ".join(ALL_TESTS), line=line).encode())
        linker = ["-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld"] if shutil.which("ld.lld") else []
        code, out = run(["cmake", "-S", ".", "-B", str(self.build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=None",
                         f"-DCMAKE_CXX_FLAGS={flags} -w", "-DVTD_WARNINGS_AS_ERRORS=OFF", "-DVTD_BUILD_BENCH=OFF",
                         "-DVTD_BUILD_EXAMPLES=OFF", "-DVTD_INSTALL=OFF", f"-DCMAKE_PROJECT_vtd_INCLUDE={hook}",
                         *linker], self.tree)
        if code:
            raise SystemExit("mutate: cannot configure:\n" + out)

    def program(self, test):
        return next(self.build.rglob(f"bin/test_{test}"))


def kept_numbers(mutants):
    """A number for each mutant. It keeps it, so that a change in one file does not build all others again."""
    file = WORK / "numbers.json"
    known = json.loads(file.read_text()) if file.is_file() else {}
    wanted = {m["id"] for m in mutants}
    if len(known | dict.fromkeys(wanted)) >= MOST_NUMBERS:
        known = {}
    free = max(known.values(), default=0)
    for i in sorted(wanted - known.keys()):
        free += 1
        known[i] = free
    file.write_text(json.dumps(known))
    return {i: known[i] for i in wanted}


class SwitchedTree(Tree):
    """One build that holds all mutants which can be switched."""

    def __init__(self):
        super().__init__("switched")
        self.schemas, self.numbers, self.tests_of, self.refused = {}, {}, {}, {}

    def prepare(self, mutants, jobs):
        by_file = {}
        self.numbers = kept_numbers(mutants)
        for m in mutants:
            by_file.setdefault(m["file"], []).append(m)
        for file, inside in by_file.items():
            self.schemas[file] = Schema(TEXTS[file], inside, self.numbers)
            for m in self.schemas[file].alone:
                self.numbers.pop(m["id"])
        self.copy(but=self.schemas)
        self.put("build/switch.h", SWITCH.encode())
        self.put("build/listener.cpp", LISTENER.encode())
        self.configure(f"-O1 -D_GLIBCXX_ASSERTIONS -include {self.tree / 'build' / 'switch.h'}",
                       f"target_sources(test_${{room}} PRIVATE {self.tree / 'build' / 'listener.cpp'})")
        started = time.time()
        # The libraries first: most of what does not compile shows there.
        stages = [["vtd_remap", "vtd_dmar"], [f"test_{t}" for t in ALL_TESTS]]
        while stages:
            for file, schema in self.schemas.items():
                self.put(file, schema.write().encode())
            code, out = run(["ninja", "-C", str(self.build), "-k", "0", "-j", str(jobs), *stages[0]], self.tree)
            if code == 0:
                stages.pop(0)
                continue
            if not self.refuse(out):
                raise SystemExit("mutate: the mutants do not build, and none is to blame:\n" + out[-4000:])
            print(f"built in part: {len(self.refused)} mutants do not compile", flush=True)
        print(f"{len(self.numbers)} mutants in one build, {time.time() - started:.0f} s", flush=True)
        self.map_tests()

    def refuse(self, out):
        """Takes out the mutants that the errors speak of."""
        wrong = set()
        for chunk in re.split(r"(?m)^(?=\S[^\n]*: error: )|^(?=FAILED: )", out):
            found = set()
            for place, line in re.findall(r"(?m)^(?:\s*(?:In file included )?from |\.\./)?(\S+?):(\d+)(?::\d+)?[:,]", chunk):
                for file, schema in self.schemas.items():
                    if place.endswith(file.removeprefix("include/")) and not found:
                        found.update(blamed((self.tree / file).read_text(), int(line)))
            wrong |= found
        ids = [i for i, n in self.numbers.items() if n in wrong]
        for i in ids:
            self.refused[i] = self.numbers.pop(i)
        return bool(ids)

    def map_tests(self):
        self.seconds = {}
        by_number = {}
        for test in ALL_TESTS:
            file = self.tree / "build" / f"map_{test}"
            code, out = run([str(self.program(test)), "--gtest_brief=1", "--gtest_filter=-*_long"], self.tree,
                            10 * TEST_SECONDS, VTD_MUTATION_MAP=str(file))
            if code:
                raise SystemExit("mutate: the tests do not pass without a mutation:\n" + out[-3000:])
            for line in file.read_text().splitlines():
                name, seconds, *numbers = line.split()
                self.seconds[(test, name)] = float(seconds)
                for n in numbers:
                    by_number.setdefault(int(n), []).append((test, name))
        self.tests_of = by_number

    def only_compiled(self, mutant):
        """In a header, and no test runs it: the compiler does, in a constant. It must be built alone."""
        return mutant["file"].startswith("include/") and self.numbers[mutant["id"]] not in self.tests_of

    def batches(self, test, names):
        """Filters and how long each should take: the quick tests first, so that a mutant that hangs costs little."""
        if "static" in names:
            names = [n for t, n in self.seconds if t == test and n != "static"]
        quick, slow, seconds = [], [], 0.0
        for name in sorted(names, key=lambda n: self.seconds[(test, n)]):
            seconds += self.seconds[(test, name)]
            (quick if seconds < QUICK_SECONDS else slow).append(name)
        for batch in (quick, slow):
            if batch:
                yield ":".join(batch), sum(self.seconds[(test, n)] for n in batch)

    def judge(self, mutant):
        number = self.numbers[mutant["id"]]
        reaching = self.tests_of.get(number, [])
        for test in ALL_TESTS:
            names = [n for t, n in reaching if t == test]
            if not names:
                continue
            for chosen, seconds in self.batches(test, names):
                code, out = run([str(self.program(test)), "--gtest_fail_fast", "--gtest_brief=1",
                                 f"--gtest_filter={chosen}"], self.tree, 5 + int(10 * seconds), VTD_MUTANT=str(number))
                status, by = verdict(code, out, test)
                if status != "survived":
                    return status, by
        return "survived", "" if reaching else "no test reaches it"


class LoneTree(Tree):
    """A build that holds one mutant at a time."""

    def prepare(self):
        self.copy()
        # The headers of GoogleTest and of the library, compiled once: they are most of what a test's build costs.
        self.configure("-O0", PRECOMPILED)
        for test in ALL_TESTS:
            status, why = self.passes(test)
            if status != "survived":
                raise SystemExit(f"mutate: the tests do not pass without a mutation ({test}):\n{why[-3000:]}")

    def built(self, targets):
        code, out = run(["ninja", "-C", str(self.build), "-j", "1", *targets], self.tree)
        if code == 0:
            return None
        if "error: " not in out:
            raise RuntimeError("mutate: the build was stopped:\n" + out[-2000:])
        return ("killed", "static_assert") if "static assertion failed" in out else ("stillborn", out)

    def passes(self, test):
        failed = self.built([f"test_{test}"])
        if failed:
            return failed
        code, out = run([str(self.program(test)), "--gtest_fail_fast", "--gtest_brief=1", "--gtest_filter=-*_long"],
                        self.tree, WHOLE_SECONDS)
        return verdict(code, out, test)

    def near(self, file):
        """First what is cheapest: the header's own test alone, linked with GoogleTest."""
        own = f"tests/spec/{Path(file).stem}_test.cpp"
        if not file.startswith("include/vtd/spec/") or not (self.tree / own).is_file():
            return "survived", ""
        obj = f"tests/CMakeFiles/test_spec.dir/spec/{Path(file).stem}_test.cpp.o"
        failed = self.built([obj])
        if failed:
            return failed
        program = self.build / "near"
        code, out = run(["c++", "-fuse-ld=lld" if shutil.which("ld.lld") else "-O0", "-o", str(program),
                         str(self.build / obj), "-lgmock", "-lgtest", "-lgtest_main", "-lpthread"], self.tree)
        if code:
            return "survived", ""
        code, out = run([str(program), "--gtest_fail_fast", "--gtest_brief=1"], self.tree, TEST_SECONDS)
        return verdict(code, out, "spec")

    def judge(self, mutant):
        file = mutant["file"]
        original = TEXTS[file]
        self.put(file, (original[:mutant["start"]] + mutant["text"] + original[mutant["end"]:]).encode())
        try:
            status, by = self.near(file)
            for test in TESTS[Path(file).parts[-2]] if status == "survived" else []:
                status, by = self.passes(test)
                if status != "survived":
                    break
        finally:
            self.put(file, original.encode())
        return status, by if status == "killed" else ""
