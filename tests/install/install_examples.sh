#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install_examples.sh CMAKE SOURCE BUILD CXX CC: see CMakeLists.txt here. Exit status 77: there are no examples.
set -eu
cmake=$1 source_dir=$2 build_dir=$3 cxx=$4 cc=$5
scratch=$build_dir/install_test
prefix=$scratch/prefix
rm -rf "$scratch"
mkdir -p "$scratch"

"$cmake" --install "$build_dir" --prefix "$prefix" >"$scratch/install.log"

# A user has neither our checkout nor our build directory: what was installed must not point there.
if grep -rlF -e "$source_dir" -e "$build_dir" "$prefix"/lib*/cmake "$prefix"/lib/*/cmake 2>/dev/null; then
  echo "FAIL: the files above name the source or build directory"
  exit 1
fi

# configure FOLDER [OPTION...]: configures a copy of the folder, outside the checkout.
configure() {
  local folder=$1
  shift
  "$cmake" -S "$folder" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_COMPILER="$cc" "$@"
}

# vtd::core must do on a machine that has no SystemC.
mkdir "$scratch/core_only"
cat >"$scratch/core_only/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(core_only LANGUAGES CXX)
find_package(vtd 0.1 CONFIG REQUIRED COMPONENTS core)
if(TARGET vtd::systemc_kernel OR TARGET vtd::systemc)
  message(FATAL_ERROR "component core went looking for SystemC")
endif()
add_executable(core_only main.cpp)
target_link_libraries(core_only PRIVATE vtd::core)
END
cat >"$scratch/core_only/main.cpp" <<'END'
#include "vtd/spec/bits.h"
#include "vtd/version.h"
int main() { return vtd::version_string[0] == '\0'; }
END
configure "$scratch/core_only" -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON
"$cmake" --build "$scratch/core_only/build"
"$scratch/core_only/build/core_only"

# A platform links the kernel only with the C++ level the exported target carries.
if [ -n "$(find "$prefix" -name vtd_systemc_targets.cmake)" ]; then
  mkdir "$scratch/systemc_only"
  cat >"$scratch/systemc_only/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(systemc_only LANGUAGES CXX)
find_package(vtd 0.1 CONFIG REQUIRED COMPONENTS systemc)
add_executable(systemc_only main.cpp)
target_link_libraries(systemc_only PRIVATE vtd::systemc)
END
  cat >"$scratch/systemc_only/main.cpp" <<'END'
#include <systemc>
int sc_main(int, char**) {
  sc_core::sc_start();
  return 0;
}
END
  configure "$scratch/systemc_only"
  "$cmake" --build "$scratch/systemc_only/build"
  "$scratch/systemc_only/build/systemc_only"

  # The same where SystemC was built with CMake and brings its package, and where pkg-config is not to be had. The
  # package names the library that is here, by the names of the kernel's own package: SystemCLanguage, SystemC::systemc.
  package=$scratch/systemc_package/lib/cmake/SystemCLanguage
  mkdir -p "$package"
  cat >"$package/SystemCLanguageConfig.cmake" <<'END'
find_package(Threads REQUIRED)
find_library(systemc_of_the_test systemc REQUIRED)
find_path(systemc_headers_of_the_test systemc REQUIRED)
add_library(SystemC::systemc UNKNOWN IMPORTED)
set_target_properties(SystemC::systemc PROPERTIES IMPORTED_LOCATION "${systemc_of_the_test}"
  INTERFACE_INCLUDE_DIRECTORIES "${systemc_headers_of_the_test}" INTERFACE_LINK_LIBRARIES Threads::Threads)
message(STATUS "SystemC by its package")
END
  for user in "$scratch/systemc_only" "$source_dir"; do
    "$cmake" -S "$user" -B "$scratch/by_package/$(basename "$user")" -G Ninja -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_PREFIX_PATH="$prefix;$scratch/systemc_package" -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON \
      -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_COMPILER="$cc" >"$scratch/by_package.log" 2>&1 ||
      { cat "$scratch/by_package.log"; exit 1; }
    grep -q "SystemC by its package" "$scratch/by_package.log" || { echo "FAIL: the package was not asked"; exit 1; }
  done
  "$cmake" --build "$scratch/by_package/systemc_only"
  "$scratch/by_package/systemc_only/systemc_only"
  "$cmake" --build "$scratch/by_package/$(basename "$source_dir")" \
    --target CMakeFiles/vtd_platform.dir/src/platform/interrupt_sink.cpp.o
else
  echo "SKIPPED: the examples need SystemC, which this build has not"
  exit 77
fi

if ! ls "$source_dir"/examples/*/CMakeLists.txt >/dev/null 2>&1; then
  echo "SKIPPED: examples/ is empty"
  exit 77
fi
cp -r "$source_dir/examples" "$scratch/examples"
configure "$scratch/examples"
"$cmake" --build "$scratch/examples/build"
ctest=$(dirname "$cmake")/ctest
export VTD_DATA_DIR=$prefix/share/vtd # never the checkout's data
if [ -x "$prefix/bin/vtdsim" ]; then
  (cd "$scratch" && "$prefix/bin/vtdsim" boards)
fi
"$ctest" --test-dir "$scratch/examples/build" --output-on-failure --no-tests=error
# Every example alone, as somebody who copies one folder has it: configuring shows what it lacks.
for folder in "$scratch"/examples/*/; do
  [ "$folder" = "$scratch/examples/build/" ] && continue
  "$cmake" -S "$folder" -B "$scratch/alone/$(basename "$folder")" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_COMPILER="$cc" >"$scratch/alone.log" || { cat "$scratch/alone.log"; exit 1; }
done
echo "examples built and run against $prefix"
