// SPDX-License-Identifier: MIT
// The version and the compile-time switches.

#ifndef CIBMTR_AUTH_CONFIG_HPP
#define CIBMTR_AUTH_CONFIG_HPP

/// The version, stated here and nowhere else: the build files and the `User-Agent` read it.
#define CIBMTR_AUTH_VERSION "1.0.0"

/// 1: `default_environment` is production. The default is test, so that a forgotten switch cannot
/// reach production. May differ between the files of one program.
#ifndef CIBMTR_AUTH_PRODUCTION
#define CIBMTR_AUTH_PRODUCTION 0
#endif

/// The opposite of `CIBMTR_AUTH_PRODUCTION`, for builds that want to state what they mean.
#ifndef CIBMTR_AUTH_TEST
#if CIBMTR_AUTH_PRODUCTION
#define CIBMTR_AUTH_TEST 0
#else
#define CIBMTR_AUTH_TEST 1
#endif
#endif

/// 0: leave out the bundled transport; the core then needs neither cpp-httplib nor OpenSSL.
/// May differ between the files of one program.
#ifndef CIBMTR_AUTH_HTTPS
#define CIBMTR_AUTH_HTTPS 1
#endif

/// A string that replaces the default environment's token URL, for either grant. May differ between the files of one
/// program.
#ifndef CIBMTR_AUTH_TOKEN_URL
#define CIBMTR_AUTH_TOKEN_URL nullptr
#endif

/// A string that replaces the default environment's API root, without a slash at the end. May differ between the files of
/// one program.
#ifndef CIBMTR_AUTH_API_URL
#define CIBMTR_AUTH_API_URL nullptr
#endif

// A word such as ON or yes counts as 0 in #if: a build that asked for production would silently use test.
#define CIBMTR_AUTH_DETAIL_BINARY_0 1
#define CIBMTR_AUTH_DETAIL_BINARY_1 1
#define CIBMTR_AUTH_DETAIL_JOIN(prefix, value) prefix##value
#define CIBMTR_AUTH_DETAIL_IS_BINARY(value) CIBMTR_AUTH_DETAIL_JOIN(CIBMTR_AUTH_DETAIL_BINARY_, value)
#if !CIBMTR_AUTH_DETAIL_IS_BINARY(CIBMTR_AUTH_PRODUCTION) || !CIBMTR_AUTH_DETAIL_IS_BINARY(CIBMTR_AUTH_TEST) || \
    !CIBMTR_AUTH_DETAIL_IS_BINARY(CIBMTR_AUTH_HTTPS)
#error "CIBMTR_AUTH_PRODUCTION, CIBMTR_AUTH_TEST and CIBMTR_AUTH_HTTPS must each be 0 or 1"
#endif

#if CIBMTR_AUTH_PRODUCTION == CIBMTR_AUTH_TEST
#error "Set exactly one of CIBMTR_AUTH_PRODUCTION and CIBMTR_AUTH_TEST to 1, or leave both out for test"
#endif

/// For a class that one shared library throws and another one catches: to libc++ it would be two classes where both hide their symbols.
#if defined(__GNUC__) && !defined(_WIN32)
#define CIBMTR_AUTH_DETAIL_SHARED __attribute__((visibility("default")))
#else
#define CIBMTR_AUTH_DETAIL_SHARED
#endif

#endif  // CIBMTR_AUTH_CONFIG_HPP
