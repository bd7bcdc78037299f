# SPDX-License-Identifier: Apache-2.0
# Finds SystemC by its CMake package, else by pkg-config (Debian), and makes the imported target vtd::systemc_kernel.
# The kernel's link-time version symbol names the C++ level it was built with; a newer level in our own code does not
# link. So the level is probed and carried on the target as SC_CPLUSPLUS. Used by the build and by vtdConfig.cmake.

if(NOT TARGET vtd::systemc_kernel)
  find_package(SystemCLanguage CONFIG QUIET GLOBAL)
  if(TARGET SystemC::systemc)
    add_library(vtd::systemc_kernel INTERFACE IMPORTED GLOBAL)
    set_property(TARGET vtd::systemc_kernel PROPERTY INTERFACE_LINK_LIBRARIES SystemC::systemc)
  else()
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(VTD_SYSTEMC QUIET IMPORTED_TARGET GLOBAL systemc>=2.3.3)
    endif()
    if(TARGET PkgConfig::VTD_SYSTEMC)
      find_package(Threads QUIET GLOBAL)
      add_library(vtd::systemc_kernel INTERFACE IMPORTED GLOBAL)
      set_property(TARGET vtd::systemc_kernel PROPERTY
        INTERFACE_LINK_LIBRARIES PkgConfig::VTD_SYSTEMC Threads::Threads)
    endif()
  endif()

  if(TARGET vtd::systemc_kernel)
    if(NOT DEFINED VTD_SC_CPLUSPLUS)
      set(_vtd_probe "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/vtd_systemc_probe.cpp")
      file(WRITE "${_vtd_probe}"
        "#include <systemc>\nint sc_main(int, char**) { return sc_core::sc_delta_count() != 0; }\n")
      foreach(_vtd_level IN ITEMS native 201703L 201402L 201103L)
        set(_vtd_definition "")
        if(NOT _vtd_level STREQUAL "native")
          set(_vtd_definition COMPILE_DEFINITIONS -DSC_CPLUSPLUS=${_vtd_level})
        endif()
        try_compile(_vtd_probe_links "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/vtd_systemc_probe" "${_vtd_probe}"
          ${_vtd_definition} LINK_LIBRARIES vtd::systemc_kernel CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
          CXX_EXTENSIONS OFF)
        if(_vtd_probe_links)
          set(VTD_SC_CPLUSPLUS "${_vtd_level}" CACHE INTERNAL "C++ level the SystemC library was built with")
          break()
        endif()
      endforeach()
      if(NOT DEFINED VTD_SC_CPLUSPLUS)
        message(WARNING "vtd: a minimal SystemC program does not link against the SystemC found")
        set(VTD_SC_CPLUSPLUS native)
      endif()
    endif()
    if(NOT VTD_SC_CPLUSPLUS STREQUAL "native")
      set_property(TARGET vtd::systemc_kernel APPEND PROPERTY
        INTERFACE_COMPILE_DEFINITIONS SC_CPLUSPLUS=${VTD_SC_CPLUSPLUS})
    endif()
  endif()
endif()
