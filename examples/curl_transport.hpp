// SPDX-License-Identifier: MIT
// A transport over libcurl, for a program that has it already.

#ifndef CIBMTR_AUTH_EXAMPLES_CURL_TRANSPORT_HPP
#define CIBMTR_AUTH_EXAMPLES_CURL_TRANSPORT_HPP

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>

/// How it connects. The proxy is curl's own: `https_proxy`, `all_proxy` and `no_proxy` of the environment, unless one is named.
struct curl_options {
  std::chrono::milliseconds timeout{30000};          ///< for the whole exchange
  std::chrono::milliseconds connect_timeout{10000};  ///< for name look-up, connecting and the TLS handshake
  std::string ca_file;                               ///< trust only these CAs instead of the system's
  std::string proxy;                                 ///< a URL as curl takes it
  std::size_t max_response_size = 64 * 1024;         ///< of a body; a token's answer is never longer
};

/// One exchange with a handle of its own, so that any number of threads may make one at once.
class curl_exchange {
 public:
  curl_exchange(cibmtr_auth::http_request const& sent, curl_options const& options)
      : name_(cibmtr_auth::parse_secure_url(sent.url, "request URL").authority()),
        max_size_(options.max_response_size),
        handle_(curl_easy_init(), curl_easy_cleanup),
        fields_(nullptr, free_wiped) {
    if (!handle_) {
      throw std::bad_alloc();
    }
    body_.reserve(64 * 1024);  // else it moves as it grows, and leaves copies of a token behind
    connect_as(options);
    prepare(sent);
  }
  curl_exchange(curl_exchange const&) = delete;
  curl_exchange& operator=(curl_exchange const&) = delete;
  ~curl_exchange() { cibmtr_auth::wipe(body_); }

  cibmtr_auth::http_response perform() {
    CURLcode const code = curl_easy_perform(handle_.get());
    if (code != CURLE_OK) {
      throw failure(code);
    }
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    answer_.status = static_cast<int>(status);
    answer_.body = std::move(body_);
    return std::move(answer_);
  }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    CURLcode const code = curl_easy_setopt(handle_.get(), option, value);
    if (code == CURLE_OUT_OF_MEMORY) {
      throw std::bad_alloc();
    }
    if (code != CURLE_OK) {
      throw cibmtr_auth::error(cibmtr_auth::error_kind::configuration,
                               std::string("this libcurl cannot do what is needed: ") + curl_easy_strerror(code));
    }
  }

  /// Zero would mean no limit.
  static long milliseconds(std::chrono::milliseconds limit) { return std::max(1L, static_cast<long>(limit.count())); }

  void connect_as(curl_options const& options) {
#if LIBCURL_VERSION_NUM >= 0x075500
    set(CURLOPT_PROTOCOLS_STR, "https");
#else
    set(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTPS));
#endif
    set(CURLOPT_NOSIGNAL, 1L);        // a time-out must not raise SIGALRM in a program with threads
    set(CURLOPT_FOLLOWLOCATION, 0L);  // a redirect would take the password along
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));  // or newer
    set(CURLOPT_TIMEOUT_MS, milliseconds(options.timeout));
    set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(options.connect_timeout));
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (!options.ca_file.empty()) {
      set(CURLOPT_CAINFO, options.ca_file.c_str());
      set(CURLOPT_CAPATH, static_cast<char const*>(nullptr));
    }
    if (!options.proxy.empty()) {
      set(CURLOPT_PROXY, options.proxy.c_str());
    }
    set(CURLOPT_ERRORBUFFER, problem_);
    set(CURLOPT_WRITEFUNCTION, &curl_exchange::take_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &curl_exchange::take_header);
    set(CURLOPT_HEADERDATA, this);
  }

  void prepare(cibmtr_auth::http_request const& sent) {
    set(CURLOPT_URL, sent.url.c_str());
    if (sent.method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
    } else if (sent.method != "GET" || !sent.body.empty()) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(sent.body.reveal().size()));
      set(CURLOPT_POSTFIELDS, sent.body.reveal().data());  // not copied
      set(CURLOPT_CUSTOMREQUEST, sent.method.c_str());
      add_field("Expect:");        // else a body over 1 MiB waits a second for a "100 Continue"
      add_field("Content-Type:");  // else it is said to be a form; a field of the request comes behind this
    }
    for (auto const& field : sent.headers) {
      std::string const& value = field.second.reveal();
      if ((field.first + value).find_first_of(std::string("\r\n\0", 3)) != std::string::npos) {
        throw cibmtr_auth::error(cibmtr_auth::error_kind::configuration,
                                 "a header of the request holds a line break, which would begin another header");
      }
      std::string line;
      line.reserve(field.first.size() + value.size() + 2);
      line.append(field.first).append(value.empty() ? ";" : ": ").append(value);
      add_field(line.c_str());
      cibmtr_auth::wipe(line);
    }
    set(CURLOPT_HTTPHEADER, fields_.get());
  }

  void add_field(char const* line) {
    curl_slist* const longer = curl_slist_append(fields_.get(), line);
    if (!longer) {
      throw std::bad_alloc();
    }
    fields_.release();
    fields_.reset(longer);
  }

  /// curl keeps copies of its own while it sends; these at least are gone.
  static void free_wiped(curl_slist* fields) {
    for (curl_slist* one = fields; one; one = one->next) {
      char volatile* const bytes = one->data;
      for (std::size_t i = std::strlen(one->data); i > 0; --i) {
        bytes[i - 1] = '\0';
      }
    }
    curl_slist_free_all(fields);
  }

  static std::size_t take_body(char* bytes, std::size_t, std::size_t size, void* self) {
    return static_cast<curl_exchange*>(self)->take(bytes, size) ? size : 0;
  }

  bool take(char const* bytes, std::size_t size) noexcept {
    is_too_long_ = size > max_size_ - body_.size();
    try {
      if (!is_too_long_) {
        body_.append(bytes, size);
      }
      return !is_too_long_;
    } catch (std::exception const&) {  // no exception may pass through C
      return false;
    }
  }

  static std::size_t take_header(char* bytes, std::size_t, std::size_t size, void* self) {
    return static_cast<curl_exchange*>(self)->take_header_line(bytes, size) ? size : 0;
  }

  bool take_header_line(char const* bytes, std::size_t size) noexcept {
    try {
      std::string const line(bytes, size);
      std::size_t const colon = line.find(':');
      headers_size_ += size;
      if (line.compare(0, 5, "HTTP/") == 0) {
        answer_.headers.clear();  // those before were of a "100 Continue"
      } else if (colon != std::string::npos) {
        answer_.headers.emplace_back(line.substr(0, colon),
                                     line.substr(colon + 1, line.find_last_not_of("\r\n") - colon));
      }
      is_too_long_ = headers_size_ > 64 * 1024;
      return !is_too_long_;
    } catch (std::exception const&) {
      return false;
    }
  }

  cibmtr_auth::error failure(CURLcode code) const {
    using cibmtr_auth::error_kind;
    std::string const said = problem_;
    bool const may_quote_proxy = said.find('@') != std::string::npos;  // with its password
    std::string const why = name_ + ": " + (said.empty() || may_quote_proxy ? curl_easy_strerror(code) : said);
    long sent = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_REQUEST_SIZE, &sent);
    if (sent > 0 && (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY)) {
      return {error_kind::malformed,
              name_ + " answered with what is not HTTP: check the URL and what stands in between"};
    }
    switch (code) {
      case CURLE_OPERATION_TIMEDOUT: return {error_kind::timed_out, why + ": try again, or allow more (timeout)"};
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_CONNECT_ERROR:
      case CURLE_SSL_CIPHER:
      case CURLE_SSL_ISSUER_ERROR:
        return {error_kind::tls, why + ": check the host name, this machine's clock and the CAs (ca_file)"};
      case CURLE_SSL_CACERT_BADFILE:
        return {error_kind::configuration, why + ": name a file of PEM certificates (ca_file)"};
      case CURLE_UNSUPPORTED_PROTOCOL:
      case CURLE_URL_MALFORMAT: return {error_kind::configuration, why + ": only https:// URLs are allowed"};
      case CURLE_WRITE_ERROR:
        if (is_too_long_) {
          return {error_kind::malformed, name_ + " sent more than is allowed (max_response_size): check the URL"};
        }
        throw std::bad_alloc();
      default: return {error_kind::network, why + ": check the network, the host name and the proxy"};
    }
  }

  std::string const name_;
  std::size_t const max_size_;
  std::unique_ptr<CURL, void (*)(CURL*)> const handle_;
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> fields_;
  char problem_[CURL_ERROR_SIZE] = "";
  cibmtr_auth::http_response answer_;
  std::string body_;
  std::size_t headers_size_ = 0;
  bool is_too_long_ = false;
};

/// Call `curl_global_init` first, before the program has threads, and ignore SIGPIPE, as every program that uses libcurl from
/// threads must.
inline cibmtr_auth::transport curl_transport(curl_options options = curl_options()) {
  return [options](cibmtr_auth::http_request const& request) { return curl_exchange(request, options).perform(); };
}

#endif  // CIBMTR_AUTH_EXAMPLES_CURL_TRANSPORT_HPP
