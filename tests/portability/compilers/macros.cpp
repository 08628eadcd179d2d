// SPDX-License-Identifier: MIT
// The macros min and max, as windows.h defines them. The headers that are not ours come first: some of them do not compile with these.

#include <httplib.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <picojson.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <limits>
#include <random>
#include <thread>

#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))

#include <cibmtr_auth.hpp>

int main() { return min(0, max(0, 1)); }
