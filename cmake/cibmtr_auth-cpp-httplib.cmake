# SPDX-License-Identifier: MIT
# Finds cpp-httplib: makes the target cibmtr_auth::cpp_httplib, or says in cibmtr_auth_no_httplib what to install.

set(cibmtr_auth_no_httplib "")
if(NOT TARGET cibmtr_auth::cpp_httplib)
  if(NOT TARGET httplib::httplib)
    find_package(httplib QUIET CONFIG)  # upstream's own package; Debian ships a pkg-config file only
  endif()
  set(cibmtr_auth_httplib httplib::httplib)
  if(NOT TARGET httplib::httplib)
    set(cibmtr_auth_httplib PkgConfig::cibmtr_auth_httplib)
    find_package(PkgConfig QUIET)
    if(PKG_CONFIG_FOUND)
      pkg_check_modules(cibmtr_auth_httplib QUIET IMPORTED_TARGET GLOBAL cpp-httplib)
    endif()
  endif()
  find_package(OpenSSL QUIET)
  if(TARGET ${cibmtr_auth_httplib} AND TARGET OpenSSL::SSL)
    add_library(cibmtr_auth::cpp_httplib INTERFACE IMPORTED)
    target_link_libraries(cibmtr_auth::cpp_httplib INTERFACE ${cibmtr_auth_httplib} OpenSSL::SSL OpenSSL::Crypto)
  else()
    set(cibmtr_auth_no_httplib
        "cpp-httplib (Debian: libcpp-httplib-dev and pkg-config, or make a target httplib::httplib of your copy)")
  endif()
endif()
