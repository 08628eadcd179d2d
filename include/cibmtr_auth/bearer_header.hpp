// SPDX-License-Identifier: MIT
// Calling the API with a token.

#ifndef CIBMTR_AUTH_BEARER_HEADER_HPP
#define CIBMTR_AUTH_BEARER_HEADER_HPP

#include <cibmtr_auth/detail/encoding/url.hpp>
#include <cibmtr_auth/token_cache.hpp>

namespace cibmtr_auth { inline namespace v1_0 {

/// The header field that carries a token (RFC 6750, section 2.1): `{"Authorization", "Bearer ..."}`, the form in which
/// HTTP clients take it. Throws `configuration` for an empty token.
inline std::pair<std::string, std::string> bearer_header(token const& token) {
  detail::require(!token.empty(), "the token", "is empty: get one from a token_cache first");
  return {"Authorization", token.authorization()};
}

namespace detail {

/// Reads the status of what an API call returned: an integer, `.status` or `->status`. A result that converts to false,
/// such as a failed `httplib::Result`, has status 0.
struct status_of_result {
  template <class Result>
  auto read(Result const& result, int, int) const -> decltype(static_cast<int>(result.status)) {
    return static_cast<int>(result.status);
  }
  template <class Result>
  auto read(Result const& result, int, long) const -> decltype(static_cast<int>(result->status)) {
    return result ? static_cast<int>(result->status) : 0;
  }
  template <class Result>
  auto read(Result const& result, long, long) const -> decltype(static_cast<int>(result)) {
    return static_cast<int>(result);
  }
  template <class Result>
  int operator()(Result const& result) const {
    return read(result, 0, 0);
  }
};

}  // namespace detail

/// Calls `call(token)` and returns what it returns, by value. A status of 401 means that the API has rejected the
/// token: the token is dropped, and the call is repeated once if there is another token (RFC 9110, section 15.5.2: the
/// request has not been applied). `status_of(result)` gives the status. Throws what `get()` and `call` throw.
template <class Call, class StatusOf = detail::status_of_result>
auto call_with_token(token_cache const& tokens, Call&& call, StatusOf status_of = {}) -> decltype(call(token())) {
  token const first = tokens.get();
  auto result = call(first);
  if (status_of(result) != 401 || !tokens.invalidate(first)) {
    return result;
  }
  token const second = tokens.get();
  if (second.value() == first.value()) {
    return result;
  }
  return call(second);
}

/// A transport that calls `send` with a token: it adds or replaces the `Authorization` header. After a 401 it repeats
/// the request once with another token, whatever the method. Throws `configuration` for a URL whose origin is not that
/// of `environment::api_url`: FHIR's `Bundle.link[next]` is an absolute URL, and the token must not follow it to
/// another host.
inline transport authorized(token_cache const& tokens, transport const& send) {
  detail::require(send != nullptr, "the transport", "is empty: give a function");
  std::string const origin = detail::parse_secure_url(tokens.cache_->api_url(), "API URL").origin();
  return [tokens, send, origin](http_request const& request) {
    if (detail::parse_secure_url(request.url, "request URL").origin() != origin) {
      throw detail::not_sent(error_kind::configuration, "the request URL is not on " + origin +
                                                            ", the API that the token is for: the token was not sent");
    }
    http_request with_token = request;
    auto& headers = with_token.headers;
    headers.erase(std::remove_if(headers.begin(), headers.end(),
                                 [](std::pair<std::string, secret> const& field) {
                                   return detail::iequals(field.first, "Authorization");
                                 }),
                  headers.end());
    headers.emplace_back("Authorization", secret());
    return call_with_token(tokens, [&](token const& bearer) {
      headers.back().second = bearer.authorization();
      return send(with_token);
    });
  };
}

/// The same, over the transport of the cache, so that one CA file and one proxy serve both.
inline transport authorized(token_cache const& tokens) { return authorized(tokens, tokens.cache_->api_transport()); }

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_BEARER_HEADER_HPP
