// SPDX-License-Identifier: MIT
// Short examples of what README and docs do not show; the reference links to them.

#include <cibmtr_auth.hpp>

#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace auth = cibmtr_auth;

/// The value of a Basic header, and a form body.
void encode() {
  std::cout << "Basic " << auth::base64_encode("Aladdin:open sesame") << "\n";
  std::cout << auth::form_encode({{"grant_type", "client_credentials"}, {"scope", "a b"}}) << "\n";
}

/// One token without a cache, in another environment than the default.
void request_without_a_cache() {
  auth::token const token = auth::request_token(auth::external_test_environment(), auth::credentials_from_env());
  std::cout << "expires in " << token.expires_in().count() << " s\n";
}

/// An event loop must not wait: it uses the cached token, or calls get() on another thread.
bool start_call(auth::token_cache const& tokens) {
  auth::token const token = tokens.try_get();
  return !token.empty() && auth::bearer_header(token).first == "Authorization";
}

/// A call without a token, through a proxy, with a time-out of its own.
void call_without_a_token() {
  auth::https_options options;
  options.timeout = std::chrono::seconds(5);
  options.proxy = "http://proxy.example.org:3128";
  auth::transport const send = auth::https_transport(options);
  std::cout << send({"GET", auth::production_environment().api_url + "/r4/metadata"}).status << "\n";
}

/// For a health check.
bool is_healthy(auth::token_cache const& tokens) {
  auth::token_cache_status const status = tokens.status();
  return status.has_token || !status.last_error || status.last_error->is_transient();
}

/// SIGHUP: the administrator says that the cause is fixed.
void on_hangup(auth::token_cache const& tokens) {
  if (tokens.retry_now()) {
    std::clog << "the next call requests a token\n";
  }
}

/// A log line for each failure.
void log_failure(auth::error const& failure) {
  std::clog << auth::to_string(failure.kind()) << ": " << failure.what() << "\n";
}

/// A store in memory, for tests.
class map_store : public auth::token_store {
 public:
  auth::secret load(std::string const& key) override {
    std::lock_guard<std::mutex> const lock(mutex_);
    return texts_[key];
  }
  bool replace(std::string const& key, auth::secret const& expected, auth::secret const& text,
               std::chrono::seconds) override {
    std::lock_guard<std::mutex> const lock(mutex_);
    bool const is_expected = texts_[key].reveal() == expected.reveal();
    if (is_expected) {
      texts_[key] = text;
    }
    return is_expected;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, auth::secret> texts_;
};

/// A cache without a network or waiting: a fake transport and a fake clock.
auth::token_cache make_test_cache(std::shared_ptr<auth::boot_clock::time_point> const& now) {
  auth::token_cache_options options;
  options.store = std::make_shared<map_store>();
  options.clock = [now] { return *now; };
  options.transport = [](auth::http_request const& request) {
    request.before_sending();
    return auth::http_response(200, R"({"access_token":"abc","token_type":"Bearer","expires_in":1800})");
  };
  return auth::make_token_cache(auth::test_environment(), {"id", "secret", "scope"}, options);
}
