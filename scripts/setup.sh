#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# setup.sh [build|check|bench]: installs the Debian 12 packages that are missing, by name. Asks dpkg once, and does
# nothing more when all are there.
set -euo pipefail
what=${1:-build}

build_packages=(g++ cmake ninja-build ccache pkg-config libsystemc-dev libboost1.81-dev libboost-json1.81-dev
  libgtest-dev libgmock-dev libbenchmark-dev libcli11-dev libfmt-dev nlohmann-json3-dev)
check_packages=(acpica-tools clang-format qemu-system-x86)
bench_packages=(valgrind)
clang_versions=(19 16) # the first that is installed or can be; Debian's default, 14, stumbles over C++20

packages=("${build_packages[@]}")
[ "$what" = check ] && packages+=("${check_packages[@]}")
[ "$what" = bench ] && packages+=("${bench_packages[@]}")
clang_of() { echo "clang-$1" "clang-tidy-$1" "libclang-rt-$1-dev"; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is no Debian. Needed are what Debian calls: ${packages[*]}" >&2
  exit 0
fi

asked=("${packages[@]}")
for v in "${clang_versions[@]}"; do
  # shellcheck disable=SC2207
  asked+=($(clang_of "$v"))
done
installed=" $(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${asked[@]}" 2>/dev/null |
  sed -n 's/^ii *//p' | tr '\n' ' ' || true) "
missing_of() {
  local p
  for p in "$@"; do
    case $installed in *" $p "*) ;; *) echo "$p" ;; esac
  done
}

# shellcheck disable=SC2207
missing=($(missing_of "${packages[@]}"))
need_clang=no
if [ "$what" = check ]; then
  need_clang=yes
  for v in "${clang_versions[@]}"; do
    # shellcheck disable=SC2046
    [ -z "$(missing_of $(clang_of "$v"))" ] && need_clang=no
  done
fi
[ ${#missing[@]} -eq 0 ] && [ $need_clang = no ] && exit 0

all_names() { echo "${missing[*]}$([ $need_clang = yes ] && echo " $(clang_of "${clang_versions[0]}")")"; }
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=(sudo)
  else
    echo "setup: packages are missing, and there is neither root nor sudo to install them. Please have installed:" >&2
    echo "  apt-get install $(all_names)" >&2
    exit 1
  fi
fi

echo "setup: installing $(all_names)"
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"; }
apt update
if [ $need_clang = yes ]; then
  for v in "${clang_versions[@]}"; do
    if apt-cache show "clang-tidy-$v" >/dev/null 2>&1; then
      # shellcheck disable=SC2046,SC2207
      missing+=($(missing_of $(clang_of "$v")))
      need_clang=no
      break
    fi
  done
  [ $need_clang = yes ] && { echo "setup: apt offers no clang of: ${clang_versions[*]}" >&2; exit 1; }
fi
apt install --no-install-recommends "${missing[@]}" >/dev/null
