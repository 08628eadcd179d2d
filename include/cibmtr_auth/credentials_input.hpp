// SPDX-License-Identifier: MIT
// Credentials read from the environment or a JSON file.

#ifndef CIBMTR_AUTH_CREDENTIALS_INPUT_HPP
#define CIBMTR_AUTH_CREDENTIALS_INPUT_HPP

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include <errno.h>

#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/json_object.hpp>
#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth {
namespace detail {

/// The whole of a small file, which errors call `what`. Read unbuffered into a string that never grows, so that
/// nothing of it stays behind.
inline secret read_secret_file(std::string const& path, std::string const& what) {
  constexpr std::size_t most = 64 * 1024;
  std::string text(most + 1, '\0');
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (!file) {
    require(false, what, "cannot be opened (" + std::generic_category().message(errno) + ")");
  }
  std::setvbuf(file, nullptr, _IONBF, 0);
  text.resize(std::fread(&text[0], 1, text.size(), file));
  bool const is_read = std::ferror(file) == 0;
  std::fclose(file);

  bool const is_too_long = text.size() > most;
  secret content(std::move(text));
  require(is_read, what, "cannot be read (is it a folder?)");
  require(!is_too_long, what, "is longer than 64 KiB");
  for (char const* mark : {"\xEF\xBB\xBF", "\xFF\xFE", "\xFE\xFF"}) {
    require(content.reveal().compare(0, std::strlen(mark), mark) != 0, what,
            "starts with a byte-order mark: save it as UTF-8 without one");
  }
  return content;
}

/// Editors and `echo` end a file with one line break that belongs to nobody's password. A second one is left,
/// and refused later.
inline secret without_last_line_break(secret const& text) {
  std::string const& all = text.reveal();
  std::size_t length = all.size();
  if (length > 0 && all[length - 1] == '\n') {
    length -= length > 1 && all[length - 2] == '\r' ? 2 : 1;
  }
  return all.substr(0, length);
}

inline secret secret_from_env(std::string const& name) {
  std::string const file_name = name + "_FILE";
  char const* const value = std::getenv(name.c_str());
  char const* const path = std::getenv(file_name.c_str());
  if (value && path) {
    throw error(error_kind::configuration, name + " and " + file_name + " are both set: keep one of them");
  }
  // The path is not quoted: it may be a secret, put into the wrong variable.
  return without_last_line_break(path ? read_secret_file(path, "the file that " + file_name + " names")
                                      : secret(value ? value : ""));
}

}  // namespace detail

/// From `CIBMTR_CLIENT_ID`, `CIBMTR_CLIENT_SECRET`, `CIBMTR_SCOPE`, `CIBMTR_USERNAME` and `CIBMTR_PASSWORD`, each of
/// which may instead be named `…_FILE` and hold the path of a file with the value. One line break at the end is
/// dropped, no more. An unset variable gives an empty field. Throws `configuration` when a file cannot be read or a
/// variable is set both ways.
inline credentials credentials_from_env() {
  credentials c;
  c.client_id = detail::secret_from_env("CIBMTR_CLIENT_ID").reveal();
  c.client_secret = detail::secret_from_env("CIBMTR_CLIENT_SECRET");
  c.scope = detail::secret_from_env("CIBMTR_SCOPE").reveal();
  c.username = detail::secret_from_env("CIBMTR_USERNAME").reveal();
  c.password = detail::secret_from_env("CIBMTR_PASSWORD");
  return c;
}

/// From a file with one JSON object whose members are `client_id`, `client_secret`, `scope` and, for the password grant,
/// `username` and `password`, all strings. Throws `configuration` when the file is anything else; a member
/// misspelt must not silently select the other grant.
inline credentials credentials_from_file(std::string const& path) {
  // Neither is this path quoted: somebody may have given the content.
  std::string const what = "the credentials file";
  secret const text = detail::read_secret_file(path, what);
  detail::require(!text.empty(), what, "is empty");
  detail::json_object object;
  bool const is_object = object.read(text.reveal());
  detail::require(is_object, what,
                  std::string(object.problem()) +
                      ": compare its commas and quotes; in a value \" and \\ are written \\\" and \\\\");

  credentials c;
  for (detail::json_member const& member : object) {
    std::string const& name = member.name;
    secret const& value = member.text;
    bool const is_known =
        name == "client_id" || name == "client_secret" || name == "scope" || name == "username" || name == "password";
    detail::require(is_known, what, "has a member other than client_id, client_secret, scope, username and password");
    detail::require(member.is == detail::json_member::type::string, what, "has a " + name + " that is not a string");
    if (name == "client_secret" || name == "password") {
      (name == "password" ? c.password : c.client_secret) = value;
    } else {
      (name == "client_id" ? c.client_id : name == "scope" ? c.scope : c.username) = value.reveal();
    }
  }
  return c;
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_CREDENTIALS_INPUT_HPP
