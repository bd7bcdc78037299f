# SPDX-License-Identifier: Apache-2.0
# vtd_room(NAME [SEES room...] [USES package...]): the library target vtd_NAME from src/NAME/*.cpp.

set(VTD_ROOMS "") # rooms that have files
set(VTD_SYSTEMC_ROOMS "")

# Fills <build>/rooms/<room>/vtd/ with links to the rooms it may see; stale links go away.
function(vtd_room_view room)
  set(view "${PROJECT_BINARY_DIR}/rooms/${room}/vtd")
  file(REMOVE_RECURSE "${view}")
  file(MAKE_DIRECTORY "${view}")
  file(CREATE_LINK "${PROJECT_BINARY_DIR}/generated/vtd/version.h" "${view}/version.h" SYMBOLIC)
  foreach(seen IN LISTS ARGN)
    file(CREATE_LINK "${PROJECT_SOURCE_DIR}/include/vtd/${seen}" "${view}/${seen}" SYMBOLIC)
  endforeach()
endfunction()

# A macro, because the lists it fills belong to the caller.
macro(vtd_room room)
  cmake_parse_arguments(vtd_arg "" "" "SEES;USES" ${ARGN})
  list(APPEND VTD_TABLE ${room})
  set(VTD_SEES_${room} ${vtd_arg_SEES})
  set(VTD_USES_${room} ${vtd_arg_USES})
  vtd_room_library(${room})
  if(TARGET vtd_${room})
    list(APPEND VTD_ROOMS ${room})
    if("systemc" IN_LIST VTD_USES_${room})
      list(APPEND VTD_SYSTEMC_ROOMS ${room})
    endif()
  endif()
endmacro()

function(vtd_room_library room)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${room}/*.cpp")
  if(room STREQUAL "models")
    file(GLOB chipsets CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/models/chipsets/*.cpp"
      "${PROJECT_SOURCE_DIR}/models/compliance/*.cpp")
    list(APPEND sources ${chipsets})
  endif()
  file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/vtd/${room}/*.h")
  if(NOT sources AND NOT headers)
    return()
  endif()
  foreach(package IN LISTS VTD_USES_${room})
    if(NOT TARGET ${VTD_PACKAGE_${package}})
      message(STATUS "vtd: room ${room} is left out, ${package} was not found")
      return()
    endif()
  endforeach()

  vtd_room_view(${room} ${room} ${VTD_SEES_${room}})
  set(target vtd_${room})
  set(scope PUBLIC)
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PRIVATE "${PROJECT_BINARY_DIR}/rooms/${room}")
    vtd_warnings(${target})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(vtd::${room} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${room})
  target_compile_features(${target} ${scope} cxx_std_20)

  # Only link dependencies travel from room to room, never include directories: those would undo the view.
  foreach(seen IN LISTS VTD_SEES_${room})
    if(TARGET vtd_${seen})
      target_link_libraries(${target} ${scope} vtd_${seen})
    endif()
  endforeach()
  foreach(package IN LISTS VTD_USES_${room})
    target_link_libraries(${target} ${scope} ${VTD_PACKAGE_${package}})
  endforeach()
  if(room STREQUAL "models")
    # Where data is looked for last (the install prefix, then the source tree): after the option, VTD_DATA_DIR, and
    # share/vtd beside the program's bin directory.
    set_source_files_properties("${PROJECT_SOURCE_DIR}/models/chipsets/data_files.cpp" PROPERTIES COMPILE_DEFINITIONS
      "VTD_BUILD_DATA_DIR=\"${PROJECT_SOURCE_DIR}/models\";VTD_INSTALL_DATA_DIR=\"${CMAKE_INSTALL_FULL_DATADIR}/vtd\"")
  endif()
endfunction()
