# SPDX-License-Identifier: Apache-2.0
# Outside packages of the library, each behind one interface target vtd_package_<name> that rooms name in rooms.cmake.

include(vtd_find_systemc)
if(TARGET vtd::systemc_kernel)
  add_library(vtd_package_systemc INTERFACE)
  target_link_libraries(vtd_package_systemc INTERFACE vtd::systemc_kernel)
  set_target_properties(vtd_package_systemc PROPERTIES EXPORT_NAME package_systemc)
endif()

find_package(Boost 1.81 QUIET COMPONENTS json)
if(TARGET Boost::json)
  add_library(vtd_package_boost_json INTERFACE)
  target_link_libraries(vtd_package_boost_json INTERFACE Boost::json)
  set_target_properties(vtd_package_boost_json PROPERTIES EXPORT_NAME package_boost_json)
endif()
