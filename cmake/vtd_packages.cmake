# SPDX-License-Identifier: Apache-2.0
# Outside packages of the library. A room names them behind USES in rooms.cmake. For each: the imported target, and the
# line with which vtdConfig.cmake finds it again for a user. A package that is not there leaves its rooms out.

include(vtd_find_systemc)
set(VTD_PACKAGE_systemc vtd::systemc_kernel)
set(VTD_PACKAGE_FIND_systemc "include(\"\${CMAKE_CURRENT_LIST_DIR}/vtd_find_systemc.cmake\")")

find_package(Boost 1.81 QUIET GLOBAL COMPONENTS json)
set(VTD_PACKAGE_boost_json Boost::json)
set(VTD_PACKAGE_FIND_boost_json "find_package(Boost 1.81 QUIET COMPONENTS json)")
