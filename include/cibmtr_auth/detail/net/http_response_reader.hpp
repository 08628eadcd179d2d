// SPDX-License-Identifier: MIT
// Reads one HTTP/1.x response (RFC 9112) strictly, and as much of a failure as arrives.

#ifndef CIBMTR_AUTH_DETAIL_NET_HTTP_RESPONSE_READER_HPP
#define CIBMTR_AUTH_DETAIL_NET_HTTP_RESPONSE_READER_HPP

#include <algorithm>
#include <cstdlib>

#include <cibmtr_auth/transport.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// Writes at least one byte and at most the given number, and returns how many; 0 at the end. May throw.
using byte_source = std::function<std::size_t(char*, std::size_t)>;

/// Framing that two readers may understand differently is rejected.
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
  /// arrived. A 2xx must be complete. Throws `network` if the connection ended too early, `invalid_response` if the
  /// response is not HTTP or its body longer than `max_size`, and what the source throws.
  http_response read(std::string const& method, std::size_t max_size) {
    http_response response;
    try {
      read_head(response);
      if (method != "HEAD" && method != "CONNECT" && status_ != 101 && status_ != 204 && status_ != 304) {
        read_body(response.headers, max_size);
      }
    } catch (error const&) {
      if (response.status == 0 || is_success()) {
        throw;
      }
    }
    response.body = std::move(body_);
    return response;
  }

 private:
  using fields = std::vector<std::pair<std::string, std::string>>;

  /// RFC 9112, section 4. Some servers leave out the space before an empty reason phrase.
  void read_head(http_response& response) {
    for (bool is_interim = true; is_interim;) {
      std::string const line = read_line();
      require_valid(line.size() >= 12 && line.compare(0, 7, "HTTP/1.") == 0 && is_number(line.substr(7, 1)) &&
                        line[8] == ' ' && line[9] >= '1' && line[9] <= '5' && is_number(line.substr(10, 2)) &&
                        (line.size() == 12 || line[12] == ' '),
                    "a bad status line");
      status_ = std::stoi(line.substr(9, 3));
      is_interim = status_ < 200 && status_ != 101;  // after a 101 comes another protocol
      response.status = is_interim ? 0 : status_;
      response.headers.clear();
      read_fields(response.headers);
    }
  }

  /// RFC 9112, section 5: neither folded nor with a space before the colon.
  void read_fields(fields& to) {
    for (std::string line = read_line(); !line.empty(); line = read_line()) {
      std::size_t const colon = line.find(':');
      std::size_t const not_token =
          line.find_first_not_of("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
      require_valid(colon != 0 && colon != std::string::npos && colon == not_token, "a bad header line");
      to.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
    }
  }

  /// RFC 9112, section 6.3.
  void read_body(fields const& headers, std::size_t max_size) {
    bool is_chunked = false;
    std::string length;
    for (auto const& field : headers) {
      if (iequals(field.first, "Transfer-Encoding")) {
        require_valid(!is_chunked && iequals(field.second, "chunked"), "a transfer coding other than chunked");
        is_chunked = true;
      } else if (iequals(field.first, "Content-Length")) {
        require_valid(is_number(field.second) && (length.empty() || length == field.second),
                      "a Content-Length that is not a number, or two that differ");
        length = field.second;
      }
    }
    require_valid(!is_chunked || length.empty(), "a Content-Length in a chunked response");
    if (is_chunked) {
      read_chunks(max_size);
    } else if (!length.empty()) {
      read_content(std::strtoull(length.c_str(), nullptr, 10), max_size);
    } else {
      while (next_ < filled_ || fill()) {
        read_content(filled_ - next_, max_size);
      }
    }
  }

  /// RFC 9112, section 7.1. Drops the trailers.
  void read_chunks(std::size_t max_size) {
    for (;;) {
      std::string const line = read_line();
      std::size_t const digits = (std::min)(line.find_first_not_of("0123456789ABCDEFabcdef"), line.size());
      std::size_t const extension = line.find_first_not_of(" \t", digits);
      require_valid(digits > 0 && (extension == std::string::npos || line[extension] == ';'), "a bad chunk size");
      auto const size = std::strtoull(line.substr(0, digits).c_str(), nullptr, 16);
      if (size == 0) {
        break;
      }
      read_content(size, max_size);
      lines_size_ -= (std::min)(lines_size_, size);  // a long body may come in small chunks
      require_valid(read_line().empty(), "a chunk that is longer than its size");
    }
    fields trailers;
    read_fields(trailers);
  }

  /// If a failure is too long, reads as much as is allowed.
  void read_content(unsigned long long size, std::size_t max_size) {
    std::size_t const allowed = max_size - body_.size();
    std::size_t left = size <= allowed ? static_cast<std::size_t>(size) : is_success() ? 0 : allowed;
    while (left > 0) {
      require_more();
      std::size_t const length = (std::min)(left, filled_ - next_);
      if (length > body_.capacity() - body_.size()) {  // growing by itself would leave a copy behind
        std::string grown;
        grown.reserve(2 * body_.capacity() + (std::min<std::size_t>)(left, 16 * 1024 * 1024));  // `left` may be a lie
        body_.swap(grown.append(body_));
        wipe(grown);
      }
      body_.append(buffer_, next_, length);
      next_ += length;
      left -= length;
    }
    if (size > allowed) {
      throw error(
          error_kind::invalid_response,
          name_ + " sent more than the " + std::to_string(max_size) + " bytes that are allowed (max_response_size)",
          status_);
    }
  }

  /// A line without its CR LF. Nothing else ends a line (RFC 9112, section 2.2).
  std::string read_line() {
    std::string line;
    while (line.empty() || line.back() != '\n') {
      require_more();
      char const c = buffer_[next_++];
      bool const is_text = c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7F');
      bool const is_after_cr = !line.empty() && line.back() == '\r';
      require_valid(++lines_size_ <= 64 * 1024, "more than 64 KiB of header and chunk lines");
      require_valid(is_after_cr ? c == '\n' : is_text || c == '\r',
                    "a control character, or a line that ends without CR LF");
      line += c;
    }
    return line.substr(0, line.size() - 2);
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

  bool is_success() const { return status_ >= 200 && status_ <= 299; }
  void require_valid(bool is_valid, char const* problem) const {
    if (!is_valid) {
      throw error(error_kind::invalid_response,
                  name_ + " sent a response that is not valid HTTP (" + problem + "): check the URL and the proxy",
                  status_);
    }
  }

  std::string const name_;
  byte_source const source_;
  std::string buffer_;
  std::size_t next_ = 0;
  std::size_t filled_ = 0;
  unsigned long long lines_size_ = 0;
  int status_ = 0;
  std::string body_;
};

}}}  // namespace cibmtr_auth::v1_0::detail
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_HTTP_RESPONSE_READER_HPP
