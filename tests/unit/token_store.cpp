// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <string>
#include <type_traits>

#include "support/variable.hpp"

using namespace cibmtr_auth;
using tests::variable;

namespace {

/// The folder, or the message of the error.
std::string default_directory() {
  try {
    return default_cache_directory();
  } catch (error const& thrown) {
    CHECK(thrown.kind() == error_kind::configuration);
    CHECK_FALSE(thrown.was_sent());
    return thrown.what();
  }
}

}  // namespace

#ifdef _WIN32

TEST_CASE("the default folder is cibmtr_auth in LOCALAPPDATA, and without it there is an error that names it") {
  variable const home("HOME", "/home/me");
  {
    variable const local("LOCALAPPDATA", "C:\\Users\\me\\AppData\\Local");
    CHECK(default_directory() == "C:\\Users\\me\\AppData\\Local\\cibmtr_auth");
  }
  variable const local("LOCALAPPDATA", nullptr);
  CHECK(default_directory().find("LOCALAPPDATA is not set") == 0);
}

#else

TEST_CASE("the default folder is cibmtr_auth in XDG_CACHE_HOME, else in ~/.cache, and relative paths are ignored") {
  struct row {
    char const* xdg;
    char const* home;
    char const* directory;
  };
  for (row const& r :
       {row{"/xdg", "/home/me", "/xdg/cibmtr_auth"}, row{"/xdg", nullptr, "/xdg/cibmtr_auth"},
        row{"/xdg", "relative", "/xdg/cibmtr_auth"}, row{nullptr, "/home/me", "/home/me/.cache/cibmtr_auth"},
        row{"", "/home/me", "/home/me/.cache/cibmtr_auth"},
        row{"relative", "/home/me", "/home/me/.cache/cibmtr_auth"}}) {
    CAPTURE(r.directory);
    variable const xdg("XDG_CACHE_HOME", r.xdg);
    variable const home("HOME", r.home);
    CHECK(default_directory() == r.directory);
  }
}

TEST_CASE("without a default folder there is an error that names HOME and XDG_CACHE_HOME") {
  struct row {
    char const* xdg;
    char const* home;
  };
  for (row const& r :
       {row{nullptr, nullptr}, row{"", ""}, row{"relative", nullptr}, row{nullptr, "relative"}, row{"./xdg", "~"}}) {
    variable const xdg("XDG_CACHE_HOME", r.xdg);
    variable const home("HOME", r.home);
    std::string const message = default_directory();
    CHECK(message.find("HOME and XDG_CACHE_HOME name no absolute path") == 0);
    CHECK(message.find("cache_directory") != std::string::npos);
  }
}

#endif

TEST_CASE("a store is not copied, and can be destroyed through the interface") {
  CHECK_FALSE(std::is_copy_constructible<token_store>::value);
  CHECK_FALSE(std::is_copy_assignable<token_store>::value);
  CHECK(std::has_virtual_destructor<token_store>::value);
}
