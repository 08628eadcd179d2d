// SPDX-License-Identifier: MIT
// Client and account credentials, and where they are read from.

#ifndef CIBMTR_AUTH_CREDENTIALS_HPP
#define CIBMTR_AUTH_CREDENTIALS_HPP

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <errno.h>

#include <cibmtr_auth/detail/encoding/json_object.hpp>
#include <cibmtr_auth/detail/encoding/text.hpp>
#include <cibmtr_auth/error.hpp>

namespace cibmtr_auth { inline namespace v1_0 {

/// How client id and secret are encoded inside the Basic value. The bytes differ only for characters that Okta never
/// generates but an administrator may choose.
enum class basic_encoding {
  plain,        ///< as they are (RFC 7617): what CIBMTR and Okta document
  form_encoded  ///< each form-encoded first, as RFC 6749, section 2.3.1, says
};

/// What CIBMTR hands out with an account. Without a username the grant is `client_credentials` (RFC 6749, section 4.4),
/// with one the older `password` grant (section 4.3).
struct credentials {
  credentials() = default;
  /// In the order of CIBMTR's message; leave out the last two for `client_credentials`. Checked by `validate()`, not
  /// here.
  credentials(std::string id, secret secret_of_client, std::string scope_tokens, std::string user = {},
              secret password_of_user = {})
      : client_id(std::move(id)),
        client_secret(std::move(secret_of_client)),
        scope(std::move(scope_tokens)),
        username(std::move(user)),
        password(std::move(password_of_user)) {}

  std::string client_id;  ///< printable ASCII
  secret client_secret;   ///< printable ASCII
  std::string scope;      ///< one or more scope tokens separated by single spaces (RFC 6749, section 3.3)
  std::string username;   ///< UTF-8
  secret password;        ///< UTF-8

  /// Throws a `configuration` error that names the first invalid field, never its value. Called before anything is
  /// sent, because a wrong request counts towards a lockout.
  void validate() const;
};

namespace detail {

/// RFC 6749, section 3.3: scope-token *( SP scope-token ), scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
inline bool is_scope(std::string const& text) {
  return is_printable_ascii(text) && text.find_first_of("\"\\") == std::string::npos && !text.empty() &&
         text.front() != ' ' && text.back() != ' ' && text.find("  ") == std::string::npos;
}

inline bool uses_password_grant(credentials const& c) { return !c.username.empty(); }

inline bool are_equal(credentials const& a, credentials const& b) {
  return a.client_id == b.client_id && a.client_secret.reveal() == b.client_secret.reveal() && a.scope == b.scope &&
         a.username == b.username && a.password.reveal() == b.password.reveal();
}

}  // namespace detail

inline void credentials::validate() const {
  detail::require(!client_id.empty(), "client_id",
                  "is empty: fill in the Application Client ID from CIBMTR (CIBMTR_CLIENT_ID)");
  detail::require(detail::is_printable_ascii(client_id), "client_id",
                  "contains a control or non-ASCII character: copy it again, without line breaks");
  detail::require(client_id.front() != ' ' && client_id.back() != ' ', "client_id",
                  "begins or ends with a space: copy it again");
  detail::require(!client_secret.empty(), "client_secret",
                  "is empty: fill in the Application Client Secret from CIBMTR (CIBMTR_CLIENT_SECRET)");
  detail::require(detail::is_printable_ascii(client_secret.reveal()), "client_secret",
                  "contains a control or non-ASCII character: copy it again, without line breaks");
  detail::require(!scope.empty(), "scope", "is empty: fill in the Application Scope from CIBMTR (CIBMTR_SCOPE)");
  detail::require(detail::is_scope(scope), "scope",
                  "is not a list of scope tokens (printable ASCII except \" and \\, one space between two of them)");
  detail::require(
      !username.empty() || password.empty(), "username",
      "is empty although there is a password: give both (CIBMTR_USERNAME), or neither for the client_credentials "
      "grant");
  detail::require(
      username.empty() || !password.empty(), "password",
      "is empty although there is a username: give both (CIBMTR_PASSWORD), or neither for the client_credentials "
      "grant");
  detail::require(detail::is_utf8_text(username), "username", "contains a control character or is not UTF-8");
  detail::require(detail::is_utf8_text(password.reveal()), "password", "contains a control character or is not UTF-8");
}

namespace detail {

/// Reads the whole of a small file, which errors call `subject`. Unbuffered, into a string that never grows, so that no
/// copy of the text is left behind. Repeats what a signal interrupts. Because of the mode, a program that is executed
/// does not inherit the file.
inline secret read_secret_file(std::string const& path, std::string const& subject) {
#ifdef _WIN32
  char const* const mode = "rbN";
#else
  char const* const mode = "rbe";
#endif
  std::FILE* file = nullptr;
  do {
    errno = 0;
    file = std::fopen(path.c_str(), mode);
  } while (!file && errno == EINTR);
  require(file != nullptr, subject, "cannot be opened (" + std::generic_category().message(errno) + ")");

  constexpr std::size_t max_size = 64 * 1024;
  std::string text(max_size + 1, '\0');
  std::size_t size = 0;
  int problem = 0;
  std::setvbuf(file, nullptr, _IONBF, 0);
  do {
    errno = 0;
    std::clearerr(file);
    size += std::fread(&text[size], 1, text.size() - size, file);
    problem = std::ferror(file) != 0 ? errno : 0;
  } while (problem == EINTR);
  std::fclose(file);
  text.resize(size);
  secret content(std::move(text));
  require(problem == 0, subject, "cannot be read (" + std::generic_category().message(problem) + ")");
  require(size <= max_size, subject, "is longer than 64 KiB");
  for (char const* mark : {"\xEF\xBB\xBF", "\xFF\xFE", "\xFE\xFF"}) {
    require(content.reveal().compare(0, std::strlen(mark), mark) != 0, subject,
            "starts with a byte-order mark: save it as UTF-8 without one");
  }
  return content;
}

/// Editors and `echo` end a file with one line break that is not part of the value. `validate()` rejects a second one.
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
  require(!value || !path, name + " and " + file_name, "are both set: keep one of them");
  // Errors do not quote the path, because somebody may have put the secret into the wrong variable.
  return without_last_line_break(path ? read_secret_file(path, "the file that " + file_name + " names")
                                      : secret(value));
}

}  // namespace detail

/// Reads the environment variables `CIBMTR_CLIENT_ID`, `CIBMTR_CLIENT_SECRET`, `CIBMTR_SCOPE`, `CIBMTR_USERNAME` and
/// `CIBMTR_PASSWORD`, or the same with another prefix. A variable with `_FILE` appended to its name holds the path of a
/// file with the value instead, as for secrets in containers. One line break at the end of a value is dropped. The
/// field of an unset variable is empty. Throws `configuration` if a file cannot be read or a variable is set both ways.
inline credentials credentials_from_env(std::string const& prefix = "CIBMTR_") {
  return credentials(
      detail::secret_from_env(prefix + "CLIENT_ID").reveal(), detail::secret_from_env(prefix + "CLIENT_SECRET"),
      detail::secret_from_env(prefix + "SCOPE").reveal(), detail::secret_from_env(prefix + "USERNAME").reveal(),
      detail::secret_from_env(prefix + "PASSWORD"));
}

/// Reads a file that contains one JSON object with the members `client_id`, `client_secret`, `scope` and, for the
/// password grant, `username` and `password`, all strings. Throws `configuration` if the file contains anything else: a
/// misspelt `username` must not silently select the other grant.
inline credentials credentials_from_file(std::string const& path) {
  // Errors do not quote the path, because somebody may have passed the content instead.
  std::string const subject = "the credentials file";
  secret const text = detail::read_secret_file(path, subject);
  detail::require(!text.empty(), subject, "is empty");
  detail::json_object object;
  bool const is_object = object.read(text.reveal());
  detail::require(
      is_object, subject,
      std::string(object.problem()) + ": check its commas and quotes; inside a value, write \" as \\\" and \\ as \\\\");

  credentials c;
  for (detail::json_member const& member : object) {
    std::string const& name = member.name;
    bool const is_known =
        name == "client_id" || name == "client_secret" || name == "scope" || name == "username" || name == "password";
    detail::require(is_known, subject,
                    "has a member other than client_id, client_secret, scope, username and password");
    detail::require(member.type == detail::json_type::string, subject, "has a " + name + " that is not a string");
    if (name == "client_secret" || name == "password") {
      (name == "password" ? c.password : c.client_secret) = member.text;
    } else {
      (name == "client_id" ? c.client_id : name == "scope" ? c.scope : c.username) = member.text.reveal();
    }
  }
  return c;
}

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_CREDENTIALS_HPP
