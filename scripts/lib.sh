# SPDX-License-Identifier: Apache-2.0
# Shared by ./demo, ./check and the scripts here; runs in the repository's root. Shell functions only.

jobs=$(nproc 2>/dev/null || echo 2)

# configure PRESET [OPTION...]: silent unless it fails. Output goes to stderr, so that --json of a program stays clean.
configure() {
  local preset=$1 log
  shift
  mkdir -p build
  log=build/configure-$preset.log
  if ! cmake --preset "$preset" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
}

# build PRESET [TARGET...]: goes on after an error, so that all errors show.
build() {
  local dir=build/$1
  shift
  (cd "$dir" && NINJA_STATUS="[%f/%t %es] " ninja -j "$jobs" -k 0 "$@") >&2
}

# newest_clang: the version suffix of the clang that setup.sh chose.
newest_clang() {
  local v
  for v in 19 18 17 16; do
    if command -v "clang-tidy-$v" >/dev/null && command -v "clang++-$v" >/dev/null; then
      echo "$v"
      return 0
    fi
  done
  echo "no clang of version 16 or newer, with clang-tidy, is installed" >&2
  return 1
}

# configure_asan: with that clang, so that the fuzz targets are of it.
configure_asan() {
  local v
  v=$(newest_clang) || return 1
  configure asan -DCMAKE_CXX_COMPILER="clang++-$v" -DCMAKE_C_COMPILER="clang-$v"
}

# sources: our C and C++ files, those not yet committed too.
sources() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -co --exclude-standard -- '*.h' '*.cpp' '*.c' | sort -u | while IFS= read -r f; do
      [ -f "$f" ] && echo "$f"
    done
  else
    find apps bench examples include models src tests '(' -name '*.h' -o -name '*.cpp' -o -name '*.c' ')' -type f | sort
  fi
}
