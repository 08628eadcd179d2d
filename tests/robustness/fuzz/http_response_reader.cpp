// SPDX-License-Identifier: MIT
// Responses as bytes: the same in whatever pieces they arrive, and nothing is accepted that is not HTTP.

#include <cctype>

#include "fuzz.hpp"

namespace {

using namespace cibmtr_auth;
using fuzz::promise;

std::size_t const max_size = 200;

struct outcome {
  http_response response;                ///< unless there is a failure
  std::shared_ptr<error const> failure;  ///< null if there is a response
  std::size_t taken = 0;                 ///< bytes
};

/// Reads bytes that arrive in pieces of that size, then the connection's end, or that error.
outcome read(std::string const& bytes, std::string const& method, std::size_t piece, error const* end = nullptr) {
  outcome seen;
  auto const source = [&](char* to, std::size_t room) {
    std::size_t const length = (std::min)({piece, room, bytes.size() - seen.taken});
    if (length == 0 && end) {
      throw *end;
    }
    std::copy_n(bytes.data() + seen.taken, length, to);
    seen.taken += length;
    return length;
  };
  seen.failure = fuzz::error_of(
      [&] { seen.response = detail::http_response_reader("the server", source).read(method, max_size); });
  return seen;
}

bool same(outcome const& a, outcome const& b) {
  if (a.failure || b.failure) {
    return a.failure && b.failure && a.failure->kind() == b.failure->kind();
  }
  return a.response.status == b.response.status && a.response.headers == b.response.headers &&
         a.response.body == b.response.body;
}

bool is_success(outcome const& seen) {
  return !seen.failure && seen.response.status >= 200 && seen.response.status <= 299;
}

void check_response(http_response const& response) {
  promise(response.status == 101 || (response.status >= 200 && response.status <= 599), "a status is a final one");
  promise(response.body.size() <= max_size, "no body is longer than allowed");
  for (auto const& field : response.headers) {
    promise(!field.first.empty() && fuzz::is_printable_ascii(field.first) &&
                field.first.find_first_of(" \"(),/:;<=>?@[\\]{}") == std::string::npos,
            "a field name is a token");
    for (char const c : field.second) {
      promise(c == '\t' || !std::iscntrl(static_cast<unsigned char>(c)), "a field value has no control character");
    }
    promise(field.second == detail::trim(field.second), "a field value has no white space around it");
  }
}

/// What was accepted, written plainly, is read back.
void check_read_back(http_response const& response, std::string const& method) {
  std::string plain = "HTTP/1.1 " + std::to_string(response.status) + " \r\n";
  for (auto const& field : response.headers) {
    if (detail::iequals(field.first, "Content-Length") || detail::iequals(field.first, "Transfer-Encoding")) {
      continue;
    }
    plain += field.first + ":" + field.second + "\r\n";
  }
  plain += "Content-Length: " + std::to_string(response.body.size()) + "\r\n\r\n" + response.body;
  outcome const again = read(plain, method, 64);
  promise(!again.failure && again.response.status == response.status && again.response.body == response.body,
          "a response is read back");
}

/// A method in a line, then what the server sends. `~` is a mark that no message may quote.
void http_response_reader(std::string const& input) {
  std::size_t const line_end = (std::min)(input.find('\n'), input.size());
  std::string const method = input.substr(0, line_end);
  std::string const bytes = fuzz::replaced(input.substr((std::min)(line_end + 1, input.size())), "~", fuzz::mark);

  outcome const whole = read(bytes, method, 16 * 1024);
  if (whole.failure) {
    std::string const message = whole.failure->what();
    promise(whole.failure->kind() == error_kind::network || whole.failure->kind() == error_kind::invalid_response,
            "a response is lost or invalid");
    promise(message.find(fuzz::mark) == std::string::npos && fuzz::is_printable_ascii(message), "no message quotes it");
  } else {
    check_response(whole.response);
    if (is_success(whole)) {
      check_read_back(whole.response, method);
    }
  }
  outcome const byte_by_byte = read(bytes, method, 1);
  promise(same(whole, byte_by_byte), "pieces do not matter");

  error const late(error_kind::timed_out, "late");
  outcome const stalled = read(bytes, method, 1, &late);
  bool const ends_with_connection = byte_by_byte.taken == bytes.size();
  bool const is_late = stalled.failure && stalled.failure->kind() == error_kind::timed_out;
  promise(same(stalled, whole) || (ends_with_connection && is_late), "a stall is like the end, or late");
  promise(whole.failure || is_success(whole) || same(stalled, whole), "a failure is returned although it stalls");
  promise(!whole.failure || whole.failure->kind() != error_kind::network || is_late, "what is lost stalls");

  std::size_t const cut = bytes.size() / 2;
  outcome const half = read(bytes.substr(0, cut), method, 1);
  if (is_success(whole)) {
    promise(half.failure || (half.response.status == whole.response.status &&
                             whole.response.body.compare(0, half.response.body.size(), half.response.body) == 0),
            "half a success is part of it, or none");
    if (!same(stalled, whole)) {
      return;  // it ends with the connection
    }
    promise(same(read(bytes + "HTTP/1.1 400 No\r\n\r\n", method, 16 * 1024), whole), "what follows does not matter");
  }
}

fuzz::registered const here("http_response_reader", http_response_reader);

}  // namespace
