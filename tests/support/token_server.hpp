// SPDX-License-Identifier: MIT
// A token server and a shared store in memory, for tests of the cache.

#ifndef CIBMTR_AUTH_TESTS_TOKEN_SERVER_HPP
#define CIBMTR_AUTH_TESTS_TOKEN_SERVER_HPP

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "fake_server.hpp"

namespace tests {

/// A failure before anything was sent.
inline cibmtr_auth::error unreachable() {
  return cibmtr_auth::error(cibmtr_auth::error_kind::network, "no route", 0, "", std::chrono::seconds(0), false);
}
/// The credentials were sent and no response came.
inline cibmtr_auth::error no_response() {
  return cibmtr_auth::error(cibmtr_auth::error_kind::timed_out, "no response");
}
inline cibmtr_auth::http_response unavailable() { return cibmtr_auth::http_response(503, ""); }
inline cibmtr_auth::http_response rejected() {
  return cibmtr_auth::http_response(401, R"({"error":"invalid_client"})");
}
inline cibmtr_auth::http_response rate_limited(std::string const& retry_after) {
  return cibmtr_auth::http_response(429, "", {{"Retry-After", retry_after}});
}

inline cibmtr_auth::http_response grant_of(std::string const& value,
                                           std::chrono::seconds lifetime = std::chrono::minutes(30)) {
  return cibmtr_auth::http_response(200, R"({"token_type":"Bearer","access_token":")" + value + R"(","expires_in":)" +
                                             std::to_string(lifetime.count()) + "}");
}

/// Grants a token with the number of the request, or responds as the test says. Its transport may be called by several
/// threads, but the members must be set by one thread alone.
struct token_server {
  fake_clock clock{};
  std::chrono::seconds lifetime{1800};
  std::function<void()> connect{};                        ///< before anything is sent
  std::function<void()> while_requested{};                ///< between a request and its response
  std::function<cibmtr_auth::http_response()> respond{};  ///< instead of granting a token
  bool calls_before_sending = true;
  std::atomic<int> requests{0};
  cibmtr_auth::http_request last{};  ///< without threads only
  bool keeps_last = false;

  void be_unreachable() {
    connect = [] { throw unreachable(); };
  }
  void fail_with(cibmtr_auth::error const& failure) {
    respond = [failure]() -> cibmtr_auth::http_response { throw failure; };
  }
  void respond_with(cibmtr_auth::http_response const& response) {
    respond = [response] { return response; };
  }
  void grant() {
    connect = nullptr;
    respond = nullptr;
  }

  cibmtr_auth::http_response granted(int number) const { return grant_of("token-" + std::to_string(number), lifetime); }
  cibmtr_auth::http_response send(cibmtr_auth::http_request const& request) {
    if (connect) {
      connect();
    }
    if (calls_before_sending) {
      request.before_sending();
    }
    int const number = ++requests;
    if (keeps_last) {
      last = request;
    }
    if (while_requested) {
      while_requested();
    }
    return respond ? respond() : granted(number);
  }
  cibmtr_auth::token_cache_options options(cibmtr_auth::token_cache_options base = {}) {
    base.transport = [this](cibmtr_auth::http_request const& request) { return send(request); };
    if (!base.clock) {
      base.clock = clock;
    }
    return base;
  }
  cibmtr_auth::token_cache cache(cibmtr_auth::token_cache_options const& base = {}) {
    return cibmtr_auth::make_token_cache(cibmtr_auth::test_environment(), some_credentials(), options(base));
  }
  cibmtr_auth::token_cache cache(std::shared_ptr<cibmtr_auth::token_store> const& store) {
    cibmtr_auth::token_cache_options base;
    base.store = store;
    return cache(base);
  }
};

/// Runs a function of the test before each call; it may throw, as a store does that cannot work.
struct memory_store : cibmtr_auth::token_store {
  std::function<void()> before_load{};
  std::function<void()> before_replace{};
  std::atomic<int> loads{0};

  cibmtr_auth::secret load(std::string const& key) override {
    ++loads;
    if (before_load) {
      before_load();
    }
    std::lock_guard<std::mutex> const lock(mutex_);
    return entries_[key];
  }
  bool replace(std::string const& key, cibmtr_auth::secret const& expected, cibmtr_auth::secret const& text,
               std::chrono::seconds) override {
    if (before_replace) {
      before_replace();
    }
    std::lock_guard<std::mutex> const lock(mutex_);
    cibmtr_auth::secret& stored = entries_[key];
    if (stored.reveal() != expected.reveal()) {
      return false;
    }
    stored = text;
    return true;
  }

  void clear() {
    std::lock_guard<std::mutex> const lock(mutex_);
    entries_.clear();
  }
  std::size_t size() {
    std::lock_guard<std::mutex> const lock(mutex_);
    return entries_.size();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, cibmtr_auth::secret> entries_;
};

/// Stops threads until it is opened.
class gate {
 public:
  void open() {
    std::lock_guard<std::mutex> const lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    is_reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return is_open_; });
  }
  void wait_until_reached() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return is_reached_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
  bool is_reached_ = false;
};

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_TOKEN_SERVER_HPP
