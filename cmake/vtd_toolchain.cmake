# SPDX-License-Identifier: Apache-2.0
# Language level, warnings, sanitizers, ccache. Nothing here reaches a target that is exported.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
    find_program(VTD_CCACHE ccache)
    mark_as_advanced(VTD_CCACHE)
    if(VTD_CCACHE)
      set(CMAKE_CXX_COMPILER_LAUNCHER "${VTD_CCACHE}")
      set(CMAKE_C_COMPILER_LAUNCHER "${VTD_CCACHE}")
    endif()
  endif()
endif()

if(VTD_SANITIZE)
  add_compile_options(-fsanitize=${VTD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${VTD_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    if(VTD_SANITIZE MATCHES "address")
      # It would take what lives on one stack for dead while SystemC runs on another. As of g++.
      add_compile_options(-fsanitize-address-use-after-return=never)
    endif()
    if(VTD_BUILD_FUZZERS)
      # The fuzz targets see which branches are taken in the libraries.
      add_compile_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,STATIC_LIBRARY>:-fsanitize=fuzzer-no-link>)
    endif()
  endif()
endif()
if(VTD_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()

# Our warnings for one of our targets.
function(vtd_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
    $<$<BOOL:${VTD_WARNINGS_AS_ERRORS}>:-Werror>
    # g++ 12 sees overlaps where strings are joined (GCC bug 105651).
    $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
endfunction()
