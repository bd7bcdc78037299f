#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tidy.sh            clang-tidy on the files changed since origin/main (or the last commit), for five minutes at most
# tidy.sh --all      on all files
# tidy.sh FILE...    on these
# A file that was clean is not looked at again until it, a header of ours it includes, or .clang-tidy changes.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
. scripts/lib.sh
version=$(newest_clang) || exit 1
tree=build/tidy

# What a result depends on: the file, our headers in it, the settings, the tool.
fingerprint() {
  local deps
  deps=$("clang++-$version" -std=c++20 -MM -MG -DSC_CPLUSPLUS=201703L -Iinclude -Itests -Itests/support -Iapps -Ibench \
    "-I$tree/generated" "$1" 2>/dev/null | sed -e 's/^[^:]*://' -e 's/\\$//' | tr ' ' '\n' | sed '/^$/d' | sort -u)
  # shellcheck disable=SC2086
  { echo "$version $1" && cat .clang-tidy "$tree/.flags" && cat $deps 2>/dev/null; } | sha256sum | cut -d' ' -f1
}

# One file, in a process of its own. Exit status 0: clean, 1: findings, 3: no time left.
if [ "${1:-}" = --one ]; then
  file=$2
  print=$(fingerprint "$file")
  [ -e "$tree/clean/$print" ] && exit 0
  if [ "${VTD_TIDY_UNTIL:-0}" -gt 0 ] && [ "$(date +%s)" -gt "$VTD_TIDY_UNTIL" ]; then
    echo "$file" >>"$tree/late"
    exit 0
  fi
  log=$(mktemp)
  if "clang-tidy-$version" -p "$tree" --quiet --use-color=0 "$file" >"$log" 2>/dev/null; then
    touch "$tree/clean/$print"
    echo "  $file"
    rm -f "$log"
    exit 0
  fi
  # One write per file, so that two files do not mix.
  echo "$(sed "s|$PWD/||g; s|build/tidy/rooms/[a-z_]*/vtd/|include/vtd/|g" "$log")"
  echo "$file" >>"$tree/dirty"
  rm -f "$log"
  exit 1
fi

configure tidy -DCMAKE_CXX_COMPILER="clang++-$version" -DCMAKE_C_COMPILER="clang-$version" || exit 1
mkdir -p "$tree/clean"
rm -f "$tree/late" "$tree/dirty"
grep -o '"command": "[^"]* -o' "$tree/compile_commands.json" | sort -u | sha256sum >"$tree/.flags"
units=$(sed -n "s|^ *\"file\": \"$PWD/\(.*\)\",\{0,1\}\$|\1|p" "$tree/compile_commands.json" | sort -u)

# The translation units that show a header: its own source, its own test, else the first that includes it.
units_of_header() {
  local path=${1#include/vtd/} found
  local base=${path%.h}
  found=$(grep -E "^(src/$base|tests/${base}_test|models/chipsets/${base##*/})\.cpp\$" <<<"$units" | head -n 1)
  if [ -z "$found" ]; then
    found=$(xargs -r grep -lF -e "\"vtd/$path\"" -e "/${1##*/}\"" -e "\"${1##*/}\"" 2>/dev/null <<<"$units" | head -n 1)
  fi
  [ -n "$found" ] && echo "$found"
}

export VTD_TIDY_UNTIL=0
case ${1:-} in
--all) files=$units ;;
"")
  VTD_TIDY_UNTIL=$(($(date +%s) + 300))
  if base=$(git merge-base HEAD origin/main 2>/dev/null) && [ "$base" != "$(git rev-parse HEAD)" ]; then
    :
  elif ! base=$(git rev-parse -q --verify HEAD~1 2>/dev/null); then
    echo "tidy: no earlier commit to compare with, looking at all files"
    base=""
  fi
  if [ -n "$base" ]; then
    changed=$({ git diff --name-only --diff-filter=d "$base" && git ls-files -o --exclude-standard; } | sort -u)
    files=$(
      while IFS= read -r f; do
        case $f in
        *.h) units_of_header "$f" ;;
        *.cpp | *.c) grep -Fx "$f" <<<"$units" ;;
        esac
      done <<<"$changed" | sort -u
    )
  else
    files=$units
  fi
  ;;
*) files=$(printf '%s\n' "$@") ;;
esac

[ -z "$files" ] && { echo "tidy: nothing to look at"; exit 0; }
echo "tidy: $(wc -l <<<"$files") files with clang-tidy-$version"
xargs -r -d '\n' -n 1 -P "$jobs" "$0" --one <<<"$files"
if [ -e "$tree/late" ]; then
  echo "tidy: time was up, not looked at (run ./check --full): $(tr '\n' ' ' <"$tree/late")"
fi
if [ -e "$tree/dirty" ]; then
  echo "tidy: findings in: $(sort "$tree/dirty" | tr '\n' ' ')"
  exit 1
fi
