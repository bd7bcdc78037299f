# SPDX-License-Identifier: Apache-2.0
# Builds examples/ inside this project. The examples are written as a user would, with find_package(vtd CONFIG); here
# that call is answered with the targets that exist already. (tests/install builds them against an installed copy.)
if(NOT TARGET vtd_systemc)
  message(STATUS "vtd: examples are left out, systemc was not found")
  return()
endif()
file(WRITE "${CMAKE_FIND_PACKAGE_REDIRECTS_DIR}/vtd-config.cmake"
  "set(vtd_core_FOUND TRUE)\n"
  "if(TARGET vtd::systemc)\n  set(vtd_systemc_FOUND TRUE)\nendif()\n"
  "foreach(component IN LISTS vtd_FIND_COMPONENTS)\n"
  "  if(vtd_FIND_REQUIRED_\${component} AND NOT vtd_\${component}_FOUND)\n    set(vtd_FOUND FALSE)\n  endif()\n"
  "endforeach()\n"
  "set(vtd_DATA_DIR \"${PROJECT_SOURCE_DIR}/models\")\n")
file(WRITE "${CMAKE_FIND_PACKAGE_REDIRECTS_DIR}/vtd-config-version.cmake"
  "set(PACKAGE_VERSION ${PROJECT_VERSION})\n"
  "if(PACKAGE_FIND_VERSION VERSION_LESS_EQUAL PACKAGE_VERSION)\n  set(PACKAGE_VERSION_COMPATIBLE TRUE)\nendif()\n")
add_subdirectory(examples)
