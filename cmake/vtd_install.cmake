# SPDX-License-Identifier: Apache-2.0
# Install rules and the package vtd with its components core and systemc.
include(CMakePackageConfigHelpers)
set(VTD_INSTALL_CMAKEDIR "${CMAKE_INSTALL_LIBDIR}/cmake/vtd")

set(core_rooms ${VTD_ROOMS})
list(REMOVE_ITEM core_rooms ${VTD_SYSTEMC_ROOMS})

# The lines of vtdConfig.cmake that find what the given rooms use.
function(vtd_find_lines out)
  set(lines "")
  foreach(room IN LISTS ARGN)
    foreach(package IN LISTS VTD_USES_${room})
      list(APPEND lines "${VTD_PACKAGE_FIND_${package}}")
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES lines)
  list(JOIN lines "\n  " lines)
  set(${out} "${lines}" PARENT_SCOPE)
endfunction()

# Installs one component: its libraries, the headers of its rooms, and its export file.
function(vtd_install_component component)
  set(targets vtd_${component})
  foreach(room IN LISTS ARGN)
    list(APPEND targets vtd_${room})
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/vtd/${room}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/vtd"
      FILES_MATCHING PATTERN "*.h")
  endforeach()
  install(TARGETS ${targets} EXPORT vtd_${component} ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT vtd_${component} NAMESPACE vtd:: DESTINATION "${VTD_INSTALL_CMAKEDIR}"
    FILE vtd_${component}_targets.cmake)
endfunction()

vtd_install_component(core ${core_rooms})
vtd_find_lines(VTD_CORE_FIND ${core_rooms})
set(VTD_HAS_SYSTEMC OFF)
set(VTD_SYSTEMC_FIND "")
if(TARGET vtd_systemc)
  set(VTD_HAS_SYSTEMC ON)
  vtd_install_component(systemc ${VTD_SYSTEMC_ROOMS})
  vtd_find_lines(VTD_SYSTEMC_FIND ${VTD_SYSTEMC_ROOMS})
  if(NOT VTD_SYSTEMC_FIND)
    set(VTD_SYSTEMC_FIND "${VTD_PACKAGE_FIND_systemc}")
  endif()
  set(VTD_SYSTEMC_NEEDS ${VTD_PACKAGE_systemc})
  foreach(room IN LISTS VTD_SYSTEMC_ROOMS)
    foreach(package IN LISTS VTD_USES_${room})
      list(APPEND VTD_SYSTEMC_NEEDS ${VTD_PACKAGE_${package}})
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES VTD_SYSTEMC_NEEDS)
  list(JOIN VTD_SYSTEMC_NEEDS " " VTD_SYSTEMC_NEEDS)
endif()

install(FILES "${PROJECT_BINARY_DIR}/generated/vtd/version.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/vtd")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/models/boards" "${PROJECT_SOURCE_DIR}/models/drams"
  "${PROJECT_SOURCE_DIR}/models/presets" "${PROJECT_SOURCE_DIR}/models/traffic"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/vtd" FILES_MATCHING PATTERN "*.json")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/vtdConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/package/vtdConfig.cmake" INSTALL_DESTINATION "${VTD_INSTALL_CMAKEDIR}"
  PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/vtdConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/package/vtdConfig.cmake" "${PROJECT_BINARY_DIR}/package/vtdConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/vtd_find_systemc.cmake" DESTINATION "${VTD_INSTALL_CMAKEDIR}")
