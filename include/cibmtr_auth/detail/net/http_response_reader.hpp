// SPDX-License-Identifier: MIT
// Reads one HTTP/1.x response (RFC 9112) strictly, and as much of a failure as arrives.

#ifndef CIBMTR_AUTH_DETAIL_NET_HTTP_RESPONSE_READER_HPP
#define CIBMTR_AUTH_DETAIL_NET_HTTP_RESPONSE_READER_HPP

#include <cstdint>
#include <limits>

#include <cibmtr_auth/transport.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth {
inline namespace v1_0 {
namespace detail {

/// Writes at least one and at most so many bytes and returns how many; 0 at the end. May throw.
using byte_source = std::function<std::size_t(char*, std::size_t)>;

/// Not a general parser: framing that two readers may understand differently is refused.
class http_response_reader {
 public:
  /// `name` is what errors call the peer.
  http_response_reader(std::string name, byte_source source)
      : name_(std::move(name)), source_(std::move(source)), buffer_(16 * 1024, '\0') {}
  http_response_reader(http_response_reader const&) = delete;
  http_response_reader& operator=(http_response_reader const&) = delete;
  ~http_response_reader() {
    wipe(buffer_);
    wipe(body_);
  }

  /// The response to a request of that method, after any interim ones; of CONNECT, status and fields only. A status
  /// other than 2xx says enough: if the rest is cut short, stalls, is invalid or longer than `max_size`, returns what
  /// arrived. A 2xx must be complete. Throws `network` if the connection ended before, `invalid_response` if the
  /// response is not HTTP or its body longer than `max_size`, and what the source throws.
  http_response read(std::string const& method, std::size_t max_size) {
    http_response response;
    try {
      read_head(response);
      read_body(response, method, max_size);
    } catch (error const&) {
      if (response.status == 0 || is_success(response.status)) {
        throw;
      }
    }
    response.body = std::move(body_);
    return response;
  }

 private:
  using fields = std::vector<std::pair<std::string, std::string>>;

  static constexpr std::size_t max_lines = 64 * 1024;

  static bool is_success(int status) { return status >= 200 && status <= 299; }

  void read_head(http_response& response) {
    for (bool is_interim = true; is_interim;) {
      status_ = status_of(read_line());
      is_interim = status_ < 200 && status_ != 101;  // behind a 101 speaks another protocol
      response.status = is_interim ? 0 : status_;
      response.headers.clear();
      read_fields(response.headers);
    }
  }

  /// RFC 9112, section 4. Some servers leave out the space before an empty reason phrase.
  int status_of(std::string const& line) const {
    bool const is_http = line.size() >= 12 && line.compare(0, 7, "HTTP/1.") == 0 && is_number(line.substr(7, 1)) &&
                         line[8] == ' ' && is_number(line.substr(9, 3)) && (line.size() == 12 || line[12] == ' ');
    int const status = is_http ? std::stoi(line.substr(9, 3)) : 0;
    if (status < 100 || status > 599) {
      throw invalid("a bad status line");
    }
    return status;
  }

  void read_fields(fields& to) {
    for (std::string line = read_line(); !line.empty(); line = read_line()) {
      std::size_t const colon = line.find(':');
      std::string const name = line.substr(0, colon);
      bool const is_token = name.find_first_not_of(
                                "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz") == std::string::npos;
      if (name.empty() || colon == std::string::npos || !is_token) {
        throw invalid("a bad header line");  // folded, or with a space before the colon (sections 5.1 and 5.2)
      }
      to.emplace_back(name, trim(line.substr(colon + 1)));
    }
  }

  /// RFC 9112, section 6.3.
  void read_body(http_response const& response, std::string const& method, std::size_t max_size) {
    if (method == "HEAD" || method == "CONNECT" || status_ == 101 || status_ == 204 || status_ == 304) {
      return;
    }
    bool is_chunked = false;
    std::string length;
    for (auto const& field : response.headers) {
      if (iequals(field.first, "Transfer-Encoding")) {
        if (is_chunked || !iequals(field.second, "chunked")) {
          throw invalid("a transfer coding other than chunked");
        }
        is_chunked = true;
      } else if (iequals(field.first, "Content-Length")) {
        if (!is_number(field.second) || (!length.empty() && length != field.second)) {
          throw invalid("a Content-Length that is not a number, or two that differ");
        }
        length = field.second;
      }
    }
    if (is_chunked && !length.empty()) {
      throw invalid("a Content-Length beside chunks");
    }
    if (is_chunked) {
      read_chunks(max_size);
    } else if (!length.empty()) {
      std::uint64_t const size = number(length, 10);
      grow_body(static_cast<std::size_t>((std::min<std::uint64_t>)(size, max_size)));
      read_content(size, max_size);
    } else {
      while (next_ < filled_ || fill()) {
        read_content(filled_ - next_, max_size);
      }
    }
  }

  /// RFC 9112, section 7.1.
  void read_chunks(std::size_t max_size) {
    for (;;) {
      std::string const line = read_line();
      std::size_t const digits = (std::min)(line.find_first_not_of("0123456789ABCDEFabcdef"), line.size());
      std::size_t const extension = line.find_first_not_of(" \t", digits);
      if (digits == 0 || (extension != std::string::npos && line[extension] != ';')) {
        throw invalid("a bad chunk size");
      }
      std::uint64_t const size = number(line.substr(0, digits), 16);
      if (size == 0) {
        break;
      }
      read_content(size, max_size);
      lines_ -= (std::min)(lines_, size);  // a long body may come in small chunks
      if (!read_line().empty()) {
        throw invalid("a chunk that is longer than its size");
      }
    }
    fields trailers;
    read_fields(trailers);
  }

  /// Of a failure that is too long, reads what is allowed.
  void read_content(std::uint64_t size, std::size_t max_size) {
    std::uint64_t const allowed = max_size - body_.size();
    if (size <= allowed || !is_success(status_)) {
      for (auto left = static_cast<std::size_t>((std::min)(size, allowed)); left > 0; left -= append(left)) {
        require_more();
      }
    }
    if (size > allowed) {
      throw error(
          error_kind::invalid_response,
          name_ + " sent more than the " + std::to_string(max_size) + " bytes that are allowed (max_response_size)",
          status_);
    }
  }

  /// Appends what the buffer has, at most so much.
  std::size_t append(std::size_t size) {
    std::size_t const length = (std::min)(size, filled_ - next_);
    if (length > body_.capacity() - body_.size()) {
      grow_body(2 * body_.capacity() + length);
    }
    body_.append(buffer_, next_, length);
    next_ += length;
    return length;
  }

  /// Not by `reserve` alone, which leaves a copy behind.
  void grow_body(std::size_t capacity) {
    std::string grown;
    grown.reserve(capacity);
    grown.append(body_);
    wipe(body_);
    body_.swap(grown);
  }

  /// The next line without its CR LF, which nothing else may replace (RFC 9112, section 2.2).
  std::string read_line() {
    std::string line;
    for (bool has_ended = false; !has_ended;) {
      require_more();
      char const* const begin = buffer_.data() + next_;
      char const* const end = buffer_.data() + filled_;
      char const* const line_feed = std::find(begin, end, '\n');
      has_ended = line_feed != end;
      std::size_t const length = static_cast<std::size_t>(line_feed - begin) + (has_ended ? 1 : 0);
      lines_ += length;
      if (lines_ > max_lines) {
        throw invalid("more than 64 KiB of header and chunk lines");
      }
      line.append(buffer_, next_, length);
      next_ += length;
    }
    if (line.size() < 2 || line[line.size() - 2] != '\r') {
      throw invalid("a line that does not end in CR LF");
    }
    line.resize(line.size() - 2);
    for (char const c : line) {
      if ((c >= '\0' && c < ' ' && c != '\t') || c == '\x7F') {
        throw invalid("a control character in a line");
      }
    }
    return line;
  }

  void require_more() {
    if (next_ == filled_ && !fill()) {
      throw error(error_kind::network, name_ +
                                           " closed the connection before its response was complete: check the "
                                           "network and the proxy");
    }
  }

  bool fill() {
    next_ = filled_ = 0;
    filled_ = source_(&buffer_[0], buffer_.size());
    return filled_ > 0;
  }

  /// Digits of that base; the largest number if there are too many.
  static std::uint64_t number(std::string const& digits, unsigned base) {
    constexpr std::uint64_t max = (std::numeric_limits<std::uint64_t>::max)();
    std::uint64_t value = 0;
    for (char const c : digits) {
      auto const digit = static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
      value = value > (max - digit) / base ? max : value * base + digit;
    }
    return value;
  }

  error invalid(std::string const& problem) const {
    return error(error_kind::invalid_response,
                 name_ + " sent a response that is not valid HTTP (" + problem + "): check the URL and the proxy",
                 status_);
  }

  std::string const name_;
  byte_source const source_;
  std::string buffer_;
  std::size_t next_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t lines_ = 0;  ///< bytes of lines so far
  int status_ = 0;
  std::string body_;
};

}  // namespace detail
}  // namespace v1_0
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_HTTP_RESPONSE_READER_HPP
