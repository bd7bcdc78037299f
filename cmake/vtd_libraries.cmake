# SPDX-License-Identifier: Apache-2.0
# What users link: vtd::core (every room without SystemC) and vtd::systemc (core and the SystemC rooms).

configure_file("${PROJECT_SOURCE_DIR}/cmake/version.h.in" "${PROJECT_BINARY_DIR}/generated/vtd/version.h" @ONLY)

add_library(vtd_core INTERFACE)
add_library(vtd::core ALIAS vtd_core)
set_target_properties(vtd_core PROPERTIES EXPORT_NAME core)
target_compile_features(vtd_core INTERFACE cxx_std_20)
target_include_directories(vtd_core INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

if(TARGET ${VTD_PACKAGE_systemc})
  add_library(vtd_systemc INTERFACE)
  add_library(vtd::systemc ALIAS vtd_systemc)
  set_target_properties(vtd_systemc PROPERTIES EXPORT_NAME systemc)
  target_link_libraries(vtd_systemc INTERFACE vtd_core ${VTD_PACKAGE_systemc})
endif()

foreach(room IN LISTS VTD_ROOMS)
  if(room IN_LIST VTD_SYSTEMC_ROOMS)
    target_link_libraries(vtd_systemc INTERFACE vtd_${room})
  else()
    target_link_libraries(vtd_core INTERFACE vtd_${room})
  endif()
endforeach()
