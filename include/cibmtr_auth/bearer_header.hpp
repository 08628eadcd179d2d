// SPDX-License-Identifier: MIT
// Carry it; on a 401 renew once.

#ifndef CIBMTR_AUTH_BEARER_HEADER_HPP
#define CIBMTR_AUTH_BEARER_HEADER_HPP

#include <string>
#include <utility>

#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/token_cache.hpp>

namespace cibmtr_auth {

/// The header field that carries a token (RFC 6750, section 2.1): `{"Authorization", "Bearer ..."}`, as HTTP clients take it.
inline std::pair<std::string, std::string> bearer_header(token const& t) {
  return {"Authorization", t.authorization()};
}

/// Makes an API call with a living token and returns its HTTP status. `call` takes the token, makes the call and returns
/// the status. A 401 means that the token died early: it is dropped, and the call is repeated once with a new one, if there is
/// one; the second status is returned as it is. A 403 is never a reason to renew. Throws what `get()` and `call` throw.
template <typename Call>
int call_with_token(token_cache const& tokens, Call call) {
  token const held = tokens.get();
  int const status = call(held);
  if (status != 401) {
    return status;
  }
  tokens.invalidate(held);
  token const other = tokens.get();
  return other.value() == held.value() ? status : call(other);
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_BEARER_HEADER_HPP
