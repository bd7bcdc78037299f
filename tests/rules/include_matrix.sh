#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# include_matrix.sh SOURCE VIEWS COMPILER: a room can include the headers of the rooms it may see, and no others.
# VIEWS has one line per room: room|rooms it sees|include directories|definitions.
set -u
source_dir=$1 views=$2 compiler=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

rooms=$(cut -d'|' -f1 "$views")
first_header() { (cd "$source_dir/include" && find "vtd/$1" -name '*.h' 2>/dev/null | sort | head -n 1); }

# flags ROOM: the compiler flags with which this room is compiled.
flags() {
  local line
  line=$(grep "^$1|" "$views")
  IFS=',' read -ra dirs <<<"$(cut -d'|' -f3 <<<"$line")"
  IFS=',' read -ra defs <<<"$(cut -d'|' -f4 <<<"$line")"
  for d in ${dirs[@]+"${dirs[@]}"}; do printf -- '-I%s\n' "$d"; done
  for d in ${defs[@]+"${defs[@]}"}; do printf -- '-D%s\n' "${d//\\\"/\"}"; done
}

# compiles ROOM HEADER...: whether a file of that room that includes the headers compiles; messages in $scratch/log.
compiles() {
  local room=$1
  shift
  printf '#include "%s"\n' "$@" >"$scratch/probe.cpp"
  mapfile -t flag_list < <(flags "$room")
  "$compiler" -std=c++20 -fsyntax-only "${flag_list[@]}" "$scratch/probe.cpp" >"$scratch/log" 2>&1
}

refused=0
for room in $rooms; do
  sees=,$(grep "^$room|" "$views" | cut -d'|' -f2),
  permitted=()
  for other in $rooms; do
    header=$(first_header "$other")
    [ -n "$header" ] || continue
    if [ "$other" = "$room" ] || [[ $sees == *,$other,* ]]; then
      permitted+=("$header")
    elif compiles "$room" "$header"; then
      fail "$room can include $header, which it must not see"
    elif ! grep -q "$header.*\(No such file\|file not found\)" "$scratch/log"; then
      fail "$room including $header fails for another reason than a missing file:"
      head -n 5 "$scratch/log"
    else
      refused=$((refused + 1))
    fi
  done
  compiles "$room" "${permitted[@]}" || { fail "$room cannot include what it may see:"; head -n 10 "$scratch/log"; }
done

# The corner-stones of the house, named here once more so that a slip in the table itself shows.
for pair in driver:dmar driver:remap driver:engine driver:host remap:dmar remap:host dmar:host spec:engine engine:spec \
  dmar:platform check:platform pci_topology:remap; do
  room=${pair%:*} other=${pair#*:}
  sees=,$(grep "^$room|" "$views" | cut -d'|' -f2),
  [[ $sees == *,$other,* ]] && fail "the table lets $room see $other"
done

[ "$refused" -gt 0 ] || fail "not one forbidden include was tried"
echo "$refused forbidden includes refused, $failures failures"
[ "$failures" -eq 0 ]
