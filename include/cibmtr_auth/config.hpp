// SPDX-License-Identifier: MIT
// The version and the compile-time switches, each always 0 or 1, or a string.

#ifndef CIBMTR_AUTH_CONFIG_HPP
#define CIBMTR_AUTH_CONFIG_HPP

/// The version, stated here and nowhere else: the build files and the `User-Agent` read it.
#define CIBMTR_AUTH_VERSION "1.0.0"
#define CIBMTR_AUTH_VERSION_MAJOR 1  ///< for preprocessor conditions
#define CIBMTR_AUTH_VERSION_MINOR 0  ///< for preprocessor conditions
#define CIBMTR_AUTH_VERSION_PATCH 0  ///< for preprocessor conditions

/// 1: `default_environment()` is production. The default is test, so that a forgotten switch cannot reach production.
/// Should be the same in all files of a program.
#ifndef CIBMTR_AUTH_PRODUCTION
#define CIBMTR_AUTH_PRODUCTION 0
#endif

/// The opposite of `CIBMTR_AUTH_PRODUCTION`, for builds that want to be explicit.
#ifndef CIBMTR_AUTH_TEST
#if CIBMTR_AUTH_PRODUCTION
#define CIBMTR_AUTH_TEST 0
#else
#define CIBMTR_AUTH_TEST 1
#endif
#endif

/// 0: leave out the bundled transport; the library then needs no OpenSSL. May differ between the files of a program.
#ifndef CIBMTR_AUTH_HTTPS
#define CIBMTR_AUTH_HTTPS 1
#endif

/// 1: declare `httplib_transport`, over cpp-httplib. May differ between the files of a program.
#ifndef CIBMTR_AUTH_HTTPLIB
#define CIBMTR_AUTH_HTTPLIB 0
#endif

/// A string that replaces the default environment's token URL, for either grant. Should be the same in all files of a
/// program.
#ifndef CIBMTR_AUTH_TOKEN_URL
#define CIBMTR_AUTH_TOKEN_URL nullptr
#endif

/// A string that replaces the default environment's API root, without a trailing slash. Should be the same in all files
/// of a program.
#ifndef CIBMTR_AUTH_API_URL
#define CIBMTR_AUTH_API_URL nullptr
#endif

// #if reads a word such as ON or yes as 0: a build that asked for production would silently use test.
#define CIBMTR_AUTH_DETAIL_BINARY_0 1
#define CIBMTR_AUTH_DETAIL_BINARY_1 1
#define CIBMTR_AUTH_DETAIL_JOIN(prefix, value) prefix##value
#define CIBMTR_AUTH_DETAIL_IS_BINARY(value) CIBMTR_AUTH_DETAIL_JOIN(CIBMTR_AUTH_DETAIL_BINARY_, value)
#if !CIBMTR_AUTH_DETAIL_IS_BINARY(CIBMTR_AUTH_PRODUCTION) || !CIBMTR_AUTH_DETAIL_IS_BINARY(CIBMTR_AUTH_TEST) || \
    !CIBMTR_AUTH_DETAIL_IS_BINARY(CIBMTR_AUTH_HTTPS) || !CIBMTR_AUTH_DETAIL_IS_BINARY(CIBMTR_AUTH_HTTPLIB)
#error "CIBMTR_AUTH_PRODUCTION, _TEST, _HTTPS and _HTTPLIB must each be 0 or 1"
#endif

#if CIBMTR_AUTH_PRODUCTION == CIBMTR_AUTH_TEST
#error "Set exactly one of CIBMTR_AUTH_PRODUCTION and CIBMTR_AUTH_TEST to 1, or leave both out for test"
#endif

/// For classes that one shared library throws and another catches: with hidden symbols, libc++ would see two different
/// types.
#if defined(__GNUC__) && !defined(_WIN32)
#define CIBMTR_AUTH_DETAIL_EXCEPTION __attribute__((visibility("default")))
#else
#define CIBMTR_AUTH_DETAIL_EXCEPTION
#endif

#endif  // CIBMTR_AUTH_CONFIG_HPP
