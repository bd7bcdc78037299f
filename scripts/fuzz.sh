#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh [SECONDS]: builds the fuzz targets tests/fuzz/*_fuzz.cpp and shares the time among them. What was found
# interesting stays in build/fuzz/corpus/, what crashed in build/fuzz/crashes/.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
. scripts/lib.sh
seconds=${1:-60}
tree=build/asan
kept=build/fuzz

shopt -s nullglob
sources=(tests/fuzz/*_fuzz.cpp)
if [ ${#sources[@]} -eq 0 ]; then
  echo "fuzz: no targets"
  exit 0
fi
configure_asan || exit 1
build asan vtd_fuzzers || exit 1

share=$((seconds * jobs / ${#sources[@]}))
[ "$share" -gt "$seconds" ] && share=$seconds
[ "$share" -lt 5 ] && share=5
mkdir -p "$kept/crashes"

one() {
  local name=$1 seeds=() log
  mkdir -p "$kept/corpus/$name"
  [ -d "tests/fuzz/corpus/$name" ] && seeds=("tests/fuzz/corpus/$name")
  log=$kept/$name.log
  if "$tree/fuzz/fuzz_$name" -max_total_time="$share" -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$kept/crashes/$name-" "$kept/corpus/$name" ${seeds[@]+"${seeds[@]}"} >"$log" 2>&1; then
    echo "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $share s"
  else
    tail -n 40 "$log"
    echo "fuzz: $name FAILED, log in $log, input in $kept/crashes/"
    return 1
  fi
}
export -f one
export tree kept share
printf '%s\n' "${sources[@]}" | sed 's|.*/||; s|_fuzz\.cpp$||' | xargs -n 1 -P "$jobs" bash -c 'one "$0"'
