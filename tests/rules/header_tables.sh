#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# header_tables.sh SOURCE: where the page of a room has a table of headers (it begins with "| header |"), that table
# names each header of the room once, and none that is not there.
set -u
cd "$1" || exit 2
failures=0 tables=0 rows=0 without=""
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

# named PAGE: the headers in the first column of its table.
named() {
  sed -n '/^| header |/,/^\([^|]\|$\)/p;' "$1" | sed -n 's/^|\([^|]*\)|.*/\1/p' | grep -o '`[^`]*\.h`' | tr -d '`'
}

for directory in include/vtd/*/; do
  room=$(basename "$directory")
  page=docs/$room.md
  [ -f "$page" ] || { fail "room $room has no page $page"; continue; }
  grep -q '^| header |' "$page" || { without="$without $room"; continue; }
  tables=$((tables + 1))
  names=$(named "$page")
  for header in "$directory"*.h; do
    count=$(grep -cxF "$(basename "$header")" <<<"$names")
    rows=$((rows + count))
    [ "$count" -gt 0 ] || fail "$page: no row for $header"
    [ "$count" -lt 2 ] || fail "$page: $count rows for $header"
  done
  while IFS= read -r name; do
    [ -f "$directory$name" ] || fail "$page: names $name, and $directory has no such file"
  done <<<"$names"
done
[ "$tables" -gt 0 ] || fail "no table found"
echo "$tables tables, $rows headers, without a table:${without:- none}; $failures failures"
[ "$failures" -eq 0 ]
