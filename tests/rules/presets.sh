#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# presets.sh CMAKE SOURCE SCRATCH CXX: the presets that ./check itself does not build configure, build a room with its
# tests, and do what they are for. (release, asan, tidy and fuzz are stages of ./check.)
set -eu
cmake=$1 source_dir=$2 scratch=$3 cxx=$4
ctest=$(dirname "$cmake")/ctest
rm -rf "$scratch"

for preset in dev coverage; do
  tree=$scratch/$preset
  (cd "$source_dir" && "$cmake" --preset "$preset" -B "$tree" -DCMAKE_CXX_COMPILER="$cxx" >"$scratch.log" 2>&1) ||
    { cat "$scratch.log"; exit 1; }
  "$cmake" --build "$tree" --target test_engine
  "$ctest" --test-dir "$tree" -R '^engine$' --output-on-failure --no-tests=error
  grep -q '^CMAKE_BUILD_TYPE:.*=Debug$' "$tree/CMakeCache.txt" || { echo "FAIL: $preset is no debug build"; exit 1; }
done
counts=$(find "$scratch/coverage" -name '*.gcda')
[ -n "$counts" ] || { echo "FAIL: the coverage build counts nothing"; exit 1; }
[ -z "$(find "$scratch/dev" -name '*.gcda')" ] || { echo "FAIL: the debug build counts coverage"; exit 1; }
echo "dev and coverage build and run; $(wc -l <<<"$counts") files counted"
