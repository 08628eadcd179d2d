# SPDX-License-Identifier: MIT
# Installs the headers, the CMake package and the pkg-config module.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package ${CMAKE_INSTALL_DATADIR}/cmake/cibmtr_auth)
install(DIRECTORY ${headers}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN *.hpp PATTERN __pycache__ EXCLUDE)
install(TARGETS cibmtr_auth EXPORT cibmtr_auth INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT cibmtr_auth NAMESPACE cibmtr_auth:: FILE cibmtr_auth-targets.cmake DESTINATION ${package})
configure_file(${CMAKE_CURRENT_LIST_DIR}/cibmtr_auth-config.cmake.in cibmtr_auth-config.cmake @ONLY)
write_basic_package_version_file(cibmtr_auth-config-version.cmake COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/cibmtr_auth-config.cmake ${PROJECT_BINARY_DIR}/cibmtr_auth-config-version.cmake
              ${CMAKE_CURRENT_LIST_DIR}/cibmtr_auth-dependencies.cmake
              ${CMAKE_CURRENT_LIST_DIR}/cibmtr_auth-cpp-httplib.cmake DESTINATION ${package})

file(RELATIVE_PATH path_to_headers ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR})
set(requires "")
set(cflags "-pthread")
set(libs "-pthread")
if(CIBMTR_AUTH_HTTPS)
  string(APPEND requires "openssl")
  if(WIN32)
    string(APPEND libs " -lws2_32 -lcrypt32")
  endif()
else()
  string(APPEND cflags " -DCIBMTR_AUTH_HTTPS=0")
endif()
if(CIBMTR_AUTH_HTTPLIB)
  string(APPEND requires " cpp-httplib")
  string(APPEND cflags " -DCIBMTR_AUTH_HTTPLIB=1")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/cibmtr_auth.pc.in cibmtr_auth.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cibmtr_auth.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
