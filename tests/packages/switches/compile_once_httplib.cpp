// SPDX-License-Identifier: MIT
// The only file of the program with the transport over cpp-httplib.

#define CIBMTR_AUTH_HTTPS 0
#define CIBMTR_AUTH_HTTPLIB 1

#include "compile_once.hpp"

cibmtr_auth::transport over_httplib() { return cibmtr_auth::httplib_transport(); }
