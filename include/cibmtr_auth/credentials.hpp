// SPDX-License-Identifier: MIT
// Who asks, by which grant, for which scope.

#ifndef CIBMTR_AUTH_CREDENTIALS_HPP
#define CIBMTR_AUTH_CREDENTIALS_HPP

#include <cstddef>
#include <string>
#include <utility>

#include <cibmtr_auth/ascii.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth {

/// What CIBMTR hands out with an account. Without a username the grant is `client_credentials` (RFC 6749, section 4.4),
/// with one the older `password` grant (section 4.3).
struct credentials {
  /// All empty: to be filled in field by field.
  credentials() = default;
  /// In the order of CIBMTR's message; without the last two for `client_credentials`. Checked by `check`, not here.
  credentials(std::string client, secret secret_of_client, std::string scope_tokens, std::string user = std::string(),
              secret password_of_user = secret())
      : client_id(std::move(client)),
        client_secret(std::move(secret_of_client)),
        scope(std::move(scope_tokens)),
        username(std::move(user)),
        password(std::move(password_of_user)) {}

  std::string client_id;  ///< printable ASCII
  secret client_secret;   ///< printable ASCII
  std::string scope;      ///< one or more scope tokens, each separated by one space (RFC 6749, section 3.3)
  std::string username;   ///< UTF-8
  secret password;        ///< UTF-8

  /// True with a username: the `password` grant.
  bool uses_password_grant() const noexcept { return !username.empty(); }
};

namespace detail {

/// RFC 6749, section 3.3: scope-token *( SP scope-token ), scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
inline bool is_scope(std::string const& text) {
  return is_printable_ascii(text) && text.find_first_of("\"\\") == std::string::npos && !text.empty() &&
         text.front() != ' ' && text.back() != ' ' && text.find("  ") == std::string::npos;
}

/// Well-formed UTF-8 (RFC 3629, section 4) without control characters. A password typed in another encoding
/// would count as a wrong one, so it must not be sent.
inline bool is_utf8_text(std::string const& text) {
  auto byte = [&text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  for (std::size_t i = 0; i < text.size();) {
    unsigned const lead = byte(i);
    std::size_t const length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < ' ' || (lead >= 0x7F && lead < 0xC2) || lead > 0xF4) {
      return false;
    }
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0U) != 0x80) {
        return false;
      }
    }
    unsigned const second = byte(i + 1);
    bool const is_c1_control = lead == 0xC2 && second < 0xA0;
    bool const is_overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    bool const is_surrogate = lead == 0xED && second >= 0xA0;
    bool const is_past_unicode = lead == 0xF4 && second >= 0x90;
    if (is_c1_control || is_overlong || is_surrogate || is_past_unicode) {
      return false;
    }
    i += length;
  }
  return true;
}

}  // namespace detail

/// Throws a `configuration` error that names the first field that cannot be right, never its value. A wrong
/// request counts against the account, so this is asked before any is sent.
inline void check(credentials const& c) {
  using detail::require;
  require(!c.client_id.empty(), "client_id",
          "is empty: fill in the Application Client ID from CIBMTR (CIBMTR_CLIENT_ID)");
  require(detail::is_printable_ascii(c.client_id), "client_id",
          "holds a control or non-ASCII character: copy it again, without line breaks");
  require(c.client_id.front() != ' ' && c.client_id.back() != ' ', "client_id",
          "begins or ends with a blank: copy it again");
  require(!c.client_secret.empty(), "client_secret",
          "is empty: fill in the Application Client Secret from CIBMTR (CIBMTR_CLIENT_SECRET)");
  require(detail::is_printable_ascii(c.client_secret.reveal()), "client_secret",
          "holds a control or non-ASCII character: copy it again, without line breaks");
  require(!c.scope.empty(), "scope", "is empty: fill in the Application Scope from CIBMTR (CIBMTR_SCOPE)");
  require(detail::is_scope(c.scope), "scope",
          "is not a list of scope tokens (printable ASCII but \" and \\, one space between two of them)");
  require(!c.username.empty() || c.password.empty(), "username",
          "is empty although there is a password: give both (CIBMTR_USERNAME), or neither for the client_credentials "
          "grant");
  require(c.username.empty() || !c.password.empty(), "password",
          "is empty although there is a username: give both (CIBMTR_PASSWORD), or neither for the client_credentials "
          "grant");
  require(detail::is_utf8_text(c.username), "username", "holds a control character or is not UTF-8");
  require(detail::is_utf8_text(c.password.reveal()), "password", "holds a control character or is not UTF-8");
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_CREDENTIALS_HPP
