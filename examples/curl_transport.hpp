// SPDX-License-Identifier: MIT
// A transport over libcurl.

#ifndef CIBMTR_AUTH_EXAMPLES_CURL_TRANSPORT_HPP
#define CIBMTR_AUTH_EXAMPLES_CURL_TRANSPORT_HPP

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

/// One exchange with its own handle, so that any number of threads may make one at a time.
class curl_exchange {
 public:
  curl_exchange(cibmtr_auth::http_request const& request, cibmtr_auth::https_options const& options)
      : request_(request), options_(options), handle_(curl_easy_init(), curl_easy_cleanup) {
    cibmtr_auth::detail::url const url = cibmtr_auth::detail::parse_url(request.url, "request URL");
    cibmtr_auth::detail::require(url.scheme == "https", "request URL", "does not start with https://");
    server_ = url.authority();
    if (!handle_) {
      throw std::bad_alloc();
    }
    response_.body.reserve(64 * 1024);  // growing would leave copies of a token in memory
    set_connection();
    set_request();
  }
  curl_exchange(curl_exchange const&) = delete;
  curl_exchange& operator=(curl_exchange const&) = delete;

  cibmtr_auth::http_response perform() {
#if LIBCURL_VERSION_NUM < 0x075000
    before_sending();
#endif
    CURLcode const code = curl_easy_perform(handle_.get());
    if (exception_) {
      std::rethrow_exception(exception_);
    }
    if (code != CURLE_OK) {
      throw failure(code);
    }
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<int>(status);
    return std::move(response_);
  }

 private:
  using error_kind = cibmtr_auth::error_kind;

  template <typename Value>
  void set(CURLoption option, Value value) {
    CURLcode const code = curl_easy_setopt(handle_.get(), option, value);
    cibmtr_auth::detail::require(code == CURLE_OK, "libcurl", std::string("fails: ") + curl_easy_strerror(code));
  }
  /// To libcurl, zero means no limit.
  static long limit(std::chrono::milliseconds duration) { return (std::max)(1L, static_cast<long>(duration.count())); }
  static char const* null_if_empty(std::string const& path) { return path.empty() ? nullptr : path.c_str(); }

  void set_connection() {
    set(CURLOPT_NOSIGNAL, 1L);        // a time-out must not raise SIGALRM in a program with threads
    set(CURLOPT_FOLLOWLOCATION, 0L);  // a redirect would send the password on
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));  // or newer
    set(CURLOPT_TIMEOUT_MS, limit(options_.timeout));
    set(CURLOPT_CONNECTTIMEOUT_MS, limit(options_.connect_timeout));
    if (!options_.ca_file.empty() || !options_.ca_directory.empty()) {
      set(CURLOPT_CAINFO, null_if_empty(options_.ca_file));
      set(CURLOPT_CAPATH, null_if_empty(options_.ca_directory));
    }
    set(CURLOPT_SSLCERT, null_if_empty(options_.client_certificate_file));
    set(CURLOPT_SSLKEY, null_if_empty(options_.client_key_file));
    if (!options_.proxy.empty()) {  // else https_proxy, all_proxy and no_proxy
      set(CURLOPT_PROXY, options_.proxy == "none" ? "" : options_.proxy.c_str());
    }
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_ERRORBUFFER, problem_);
    set(CURLOPT_WRITEFUNCTION, &curl_exchange::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &curl_exchange::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &curl_exchange::on_progress);
    set(CURLOPT_XFERINFODATA, this);
#if LIBCURL_VERSION_NUM >= 0x075000
    set(CURLOPT_PREREQFUNCTION, &curl_exchange::on_connected);
    set(CURLOPT_PREREQDATA, this);
#endif
  }

  void set_request() {
    set(CURLOPT_URL, request_.url.c_str());
    std::string const& body = request_.body.reveal();
    if (request_.method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
    } else if (request_.method != "GET" || !body.empty()) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
      set(CURLOPT_POSTFIELDS, body.data());  // not copied
      set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
      add_header("Expect:");        // else a body over 1 MiB waits a second for "100 Continue"
      add_header("Content-Type:");  // else libcurl says that it is a form
    }
    for (auto const& header : request_.headers) {
      std::string const& value = header.second.reveal();
      cibmtr_auth::secret const line = header.first + (value.empty() ? ";" : ": ") + value;
      cibmtr_auth::detail::require(line.reveal().find_first_of(std::string("\r\n\0", 3)) == std::string::npos,
                                   "a header of the request", "contains a line break, which would start another one");
      add_header(line.reveal().c_str());
    }
    set(CURLOPT_HTTPHEADER, headers_.get());
  }

  void add_header(char const* line) {
    curl_slist* const longer = curl_slist_append(headers_.get(), line);
    if (!longer) {
      throw std::bad_alloc();
    }
    headers_.release();
    headers_.reset(longer);
  }

  void before_sending() {
    if (request_.before_sending) {
      request_.before_sending();
    }
    was_sent_ = true;
  }

  /// No exception may pass through C code: `perform()` rethrows it.
  template <typename Action>
  static bool run(void* exchange, Action action) noexcept {
    curl_exchange& self = *static_cast<curl_exchange*>(exchange);
    try {
      action(self);
      return true;
    } catch (...) {
      self.exception_ = std::current_exception();
      return false;
    }
  }
  static int on_connected(void* exchange, char*, char*, int, int) {
    return run(exchange, [](curl_exchange& self) { self.before_sending(); }) ? 0 : 1;
  }
  static int on_progress(void* exchange, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto const check = [](curl_exchange& self) {
      if (self.options_.is_cancelled && self.options_.is_cancelled()) {
        throw self.error(error_kind::timed_out, "cancelled");
      }
    };
    return run(exchange, check) ? 0 : 1;
  }
  static std::size_t on_header(char* bytes, std::size_t, std::size_t size, void* exchange) {
    auto const add = [&](curl_exchange& self) {
      std::string const line(bytes, size);
      std::size_t const colon = line.find(':');
      self.check_size(self.headers_size_ += size, 64 * 1024);
      if (line.compare(0, 5, "HTTP/") == 0) {
        self.response_.headers.clear();  // those of an interim response
      } else if (colon != std::string::npos) {
        self.response_.headers.emplace_back(line.substr(0, colon), cibmtr_auth::detail::trim(line.substr(colon + 1)));
      }
    };
    return run(exchange, add) ? size : 0;
  }
  static std::size_t on_body(char* bytes, std::size_t, std::size_t size, void* exchange) {
    auto const add = [&](curl_exchange& self) {
      self.check_size(self.response_.body.size() + size, self.options_.max_response_size);
      self.response_.body.append(bytes, size);
    };
    return run(exchange, add) ? size : 0;
  }

  void check_size(std::size_t size, std::size_t max_size) const {
    if (size > max_size) {
      throw error(error_kind::invalid_response, "the response is longer than allowed (max_response_size)");
    }
  }

  cibmtr_auth::error error(error_kind kind, std::string const& problem) const {
    return {kind, server_ + ": " + problem, 0, "", std::chrono::seconds(0), was_sent_};
  }

  cibmtr_auth::error failure(CURLcode code) const {
    bool const may_quote_proxy = std::strchr(problem_, '@') != nullptr;  // with its password
    std::string const problem = *problem_ == '\0' || may_quote_proxy ? curl_easy_strerror(code) : problem_;
    switch (code) {
      case CURLE_OPERATION_TIMEDOUT:
        return error(error_kind::timed_out, problem + ": try again, or allow more (timeout)");
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_CONNECT_ERROR:
        return error(error_kind::tls, problem + ": check the host name, this machine's clock and the CAs (ca_file)");
      case CURLE_SSL_CERTPROBLEM:
      case CURLE_SSL_CACERT_BADFILE:
        return error(error_kind::configuration, problem + ": give PEM files (ca_file, client_certificate_file)");
      case CURLE_UNSUPPORTED_PROTOCOL:  // also for a response that is not HTTP
      case CURLE_WEIRD_SERVER_REPLY:
        return error(error_kind::invalid_response, "the response is not HTTP: check the URL");
      case CURLE_OUT_OF_MEMORY: throw std::bad_alloc();
      default: return error(error_kind::network, problem + ": check the network, the host name and the proxy");
    }
  }

  cibmtr_auth::http_request const& request_;
  cibmtr_auth::https_options const& options_;
  std::string server_;
  std::unique_ptr<CURL, void (*)(CURL*)> const handle_;
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers_{nullptr, curl_slist_free_all};
  char problem_[CURL_ERROR_SIZE] = "";
  cibmtr_auth::http_response response_;
  std::size_t headers_size_ = 0;
  bool was_sent_ = false;  ///< or may have been, with libcurl before 7.80, which cannot say when it is connected
  std::exception_ptr exception_;
};

/// Call `curl_global_init` before the program has threads, and ignore SIGPIPE, as every program that uses libcurl in
/// threads must.
inline cibmtr_auth::transport curl_transport(cibmtr_auth::https_options const& options = {}) {
  return [options](cibmtr_auth::http_request const& request) { return curl_exchange(request, options).perform(); };
}

#endif  // CIBMTR_AUTH_EXAMPLES_CURL_TRANSPORT_HPP
