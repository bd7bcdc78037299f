#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs_examples.sh SOURCE: a block of a page that begins with "```cpp file=PATH" stands in that file, line for line
# but for indentation, and a test compiles the file.
set -u
cd "$1" || exit 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0 count=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }
strip() { sed -e 's/^[[:space:]]*//' -e '/^$/d' "$@"; }

for page in docs/*.md; do
  while IFS=: read -r line file; do
    count=$((count + 1))
    tail -n "+$((line + 1))" "$page" | sed '/^```/,$d' | strip >"$scratch/block"
    [ -s "$scratch/block" ] || fail "$page:$line: an empty example"
    [ -f "$file" ] || { fail "$page:$line: $file is not there"; continue; }
    [[ $file == *_test.cpp || $file == examples/* ]] || fail "$page:$line: nobody compiles $file"
    strip "$file" >"$scratch/file"
    # One line each, so that the block is a part of the file as text.
    block=$(cat "$scratch/block") text=$(cat "$scratch/file")
    [[ $text == *"$block"* ]] || fail "$page:$line: the example is not what $file has"
  done < <(grep -n '^```cpp file=' "$page" | sed 's/:```cpp file=/:/')
done
[ "$count" -gt 0 ] || fail "no examples found"
echo "$count examples, $failures failures"
[ "$failures" -eq 0 ]
