// SPDX-License-Identifier: MIT
// One answer, read by cpp-httplib from bytes that are counted on the way.

#ifndef CIBMTR_AUTH_HTTP_ANSWER_HPP
#define CIBMTR_AUTH_HTTP_ANSWER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <cibmtr_auth/ascii.hpp>
#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/owned.hpp>
#include <cibmtr_auth/secret.hpp>
#include <cibmtr_auth/transport.hpp>

#if CIBMTR_AUTH_HTTPS
#ifndef CPPHTTPLIB_OPENSSL_SUPPORT
#error \
    "Compile the whole program with `pkg-config --cflags cpp-httplib` or -DCPPHTTPLIB_OPENSSL_SUPPORT; or set CIBMTR_AUTH_HTTPS to 0 and bring your own transport"
#endif
#include <httplib.h>

namespace cibmtr_auth {
namespace detail {

/// At least one byte of the answer, or 0 at its end.
using byte_source = std::function<std::size_t(char*, std::size_t)>;

inline error not_http(std::string const& name, std::string const& problem) {
  return error(error_kind::malformed,
               name + " answered with what is not HTTP (" + problem + "): check the URL and what stands in between");
}

/// What cpp-httplib may read. It bounds neither headers nor chunk headers, and 0.11 matches a status line with
/// a regular expression that takes 500 bytes of stack for each character, so both are bounded here.
class answer_stream : public httplib::Stream {
 public:
  answer_stream(std::string const& name, byte_source more, std::string const& body)
      : name_(name), more_(std::move(more)), body_(body), buffer_(16 * 1024, '\0') {}
  ~answer_stream() { wipe(buffer_); }

  bool has_ended() const { return has_ended_; }

  ssize_t read(char* to, std::size_t size) {
    if (next_ == filled_ && !fill()) {
      return 0;
    }
    std::size_t const length = (std::min)(size, filled_ - next_);
    std::copy_n(buffer_.data() + next_, length, to);
    next_ += length;
    std::for_each(to, to + (is_in_head_ ? length : 0), [this](char byte) { watch_head(byte); });
    return static_cast<ssize_t>(length);
  }

  // The request has been sent, and what is read waits by itself.
  ssize_t write(char const*, std::size_t size) { return static_cast<ssize_t>(size); }
  bool is_readable() const { return true; }
  bool is_writable() const { return true; }
  bool wait_readable() const { return true; }
  bool wait_writable() const { return true; }
  time_t duration() const { return 0; }
  socket_t socket() const { return INVALID_SOCKET; }
  void get_remote_ip_and_port(std::string&, int&) const {}
  void get_local_ip_and_port(std::string&, int&) const {}

 private:
  bool fill() {
    next_ = 0;
    filled_ = has_ended_ ? 0 : more_(&buffer_[0], buffer_.size());
    has_ended_ = filled_ == 0;
    total_ += filled_;
    if (total_ > buffer_.size() + 64 * 1024 + 8 * body_.size()) {
      throw not_http(name_, "more headers than content");
    }
    return !has_ended_;
  }

  /// Some readers take a line that is none of these for one thing, some for another (RFC 9112, sections 2.2 and 5).
  void watch_head(char byte) {
    line_.push_back(byte);
    if (is_status_line_ && line_.size() > 128) {
      throw not_http(name_, "an endless status line");
    }
    if (byte != '\n' || !is_in_head_) {
      return;
    }
    bool const is_last = line_ == "\r\n";
    std::size_t const name_end = line_.find_first_of(" \t:");
    bool const is_field = name_end != 0 && name_end != std::string::npos && line_[name_end] == ':';
    bool const is_empty_length =  // 0.11 drops a field without a value
        is_field && same_text(line_.substr(0, name_end), "Content-Length") &&
        line_.find_first_of("0123456789") == std::string::npos;
    if (is_empty_length || line_.compare(line_.size() - (std::min)(line_.size(), std::size_t{2}), 2, "\r\n") != 0 ||
        (!is_status_line_ && !is_last && !is_field)) {
      throw not_http(name_, "a bad line end or header");
    }
    is_interim_ = is_status_line_ ? line_.size() > 9 && line_.compare(8, 2, " 1") == 0 : is_interim_;
    is_in_head_ = !is_last || is_interim_;
    is_status_line_ = is_last;
    line_.clear();
  }

  std::string const name_;
  byte_source const more_;
  std::string const& body_;
  std::string buffer_;
  std::size_t next_ = 0;
  std::size_t filled_ = 0;
  std::size_t total_ = 0;
  std::string line_;
  bool is_in_head_ = true;
  bool is_status_line_ = true;
  bool is_interim_ = false;
  bool has_ended_ = false;
};

/// cpp-httplib's reader of answers, without its sockets.
class answer_reader : public httplib::ClientImpl {
 public:
  answer_reader() : httplib::ClientImpl("") { set_decompress(false); }
  using httplib::ClientImpl::process_request;
};

/// Reads the answer to a request of that method. Throws `network` when it breaks off, `malformed` when it is no HTTP or the body is
/// longer than `max_size`; but a status other than 2xx tells enough without its body.
inline http_response read_answer(std::string const& name, byte_source more, std::string const& method,
                                 std::size_t max_size) {
  std::string body;
  owned<std::string> const wiped(&body, [](std::string* text) { wipe(*text); });
  body.reserve((std::min)(max_size, std::size_t{64 * 1024}));
  bool is_too_long = false;
  httplib::Request request;
  request.method = method;
  request.path = "/";
  request.content_receiver = [&](char const* data, std::size_t length, std::uint64_t, std::uint64_t) {
    is_too_long = length > max_size - body.size();
    if (!is_too_long) {
      body.append(data, length);
    }
    return !is_too_long;
  };
  answer_stream stream(name, std::move(more), body);
  httplib::Response response;
  httplib::Error problem = httplib::Error::Success;
  bool const is_whole = answer_reader().process_request(stream, request, response, true, problem);

  http_response answer;
  answer.status = response.status;
  answer.headers.assign(response.headers.begin(), response.headers.end());
  answer.body = is_too_long ? std::string() : std::move(body);
  if (is_too_long && answer.status >= 200 && answer.status <= 299) {
    throw error(
        error_kind::malformed,
        name + " sent more than the " + std::to_string(max_size) + " bytes that are allowed (max_response_size)",
        answer.status);
  }
  std::vector<std::string> const lengths = answer.header_values("Content-Length");
  bool const has_chunks = !answer.header_values("Transfer-Encoding").empty();
  auto is_length = [&](std::string const& length) {
    return !has_chunks && length == lengths[0] && !length.empty() &&
           length.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!std::all_of(lengths.begin(), lengths.end(), is_length)) {
    throw not_http(name, "two lengths, one beside chunks, or one that is no number");  // 0.11 takes the first
  }
  if (!is_whole && !is_too_long) {
    throw stream.has_ended()
        ? error(error_kind::network, name + " broke off its answer: check the network and the proxy")
        : not_http(name, "a bad status line, header or chunk");
  }
  return answer;
}

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_HTTP_ANSWER_HPP
