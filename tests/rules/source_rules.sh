#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# source_rules.sh SOURCE: every source names its licence in its first lines, no source grows beyond 700 lines (above
# 600 is said), headers are guarded by #pragma once, the libraries do not print, and no leftover of a merge or a patch
# is tracked.
set -u
cd "$1" || exit 2
failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

list() { find apps bench cmake examples include models scripts src tests "$@" -type f -print 2>/dev/null | sort; }

count=0
while IFS= read -r file; do
  count=$((count + 1))
  head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || fail "$file: no SPDX line at its top"
done < <(
  list '(' -name '*.h' -o -name '*.cpp' -o -name '*.c' -o -name '*.cmake' -o -name '*.in' -o -name '*.sh' -o \
    -name '*.py' -o -name 'CMakeLists.txt' ')'
  ls CMakeLists.txt demo check 2>/dev/null
)
[ "$count" -gt 0 ] || fail "no sources found in $1"

long=0
while IFS= read -r file; do
  lines=$(wc -l <"$file")
  if [ "$lines" -gt 700 ]; then
    fail "$file: $lines lines, the limit is 700"
  elif [ "$lines" -gt 600 ]; then
    echo "WARNING: $file: $lines lines, better below 600"
    long=$((long + 1))
  fi
  case $file in
  *.h) grep -q '^#pragma once' "$file" || grep -q '^#ifndef' "$file" || fail "$file: no #pragma once" ;;
  esac
done < <(list '(' -name '*.h' -o -name '*.cpp' -o -name '*.c' ')')

while IFS= read -r line; do
  fail "a library prints: $line"
done < <(grep -nE 'std::(cout|cerr|clog)\b|\b(printf|puts)\(' -r include src models --include='*.h' --include='*.cpp' |
  grep -v '//.*\(printf\|puts\|std::c\)')

# Without git, in an unpacked archive, whatever is there was tracked.
tracked() { git ls-files 2>/dev/null || find . -path './build*' -prune -o -type f -print; }
while IFS= read -r file; do
  fail "$file: a leftover of a merge or a patch"
done < <(tracked | grep -E '\.(orig|rej)$')

echo "$count sources, $long long ones, $failures failures"
[ "$failures" -eq 0 ]
