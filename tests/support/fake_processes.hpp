// SPDX-License-Identifier: MIT
// Processes that share a store, a clock and a server, all in one thread: nothing sleeps, and every interleaving can be
// played.

#ifndef CIBMTR_AUTH_TESTS_FAKE_PROCESSES_HPP
#define CIBMTR_AUTH_TESTS_FAKE_PROCESSES_HPP

#include <chrono>
#include <cibmtr_auth.hpp>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fake_server.hpp"

namespace tests {

/// What comes of a request: `connect` may throw before the credentials are sent, `respond` comes after them.
struct outcome {
  std::function<void()> connect;
  std::function<cibmtr_auth::http_response()> respond;
};

inline outcome response(int status, std::string const& body = "",
                        std::vector<std::pair<std::string, std::string>> const& headers = {}) {
  return {nullptr, [=] { return cibmtr_auth::http_response(status, body, headers); }};
}
inline outcome oauth_error(int status, std::string const& code) {
  return response(status, "{\"error\":\"" + code + "\"}");
}
inline outcome cannot_connect(cibmtr_auth::error_kind kind) {
  return {[=] { throw cibmtr_auth::detail::not_sent(kind, "cannot connect"); }, nullptr};
}
/// The credentials were sent, and then the transport throws `thrown`.
template <typename Thrown>
outcome throws(Thrown const& thrown) {
  return {nullptr, [=]() -> cibmtr_auth::http_response { throw thrown; }};
}
inline outcome lost(cibmtr_auth::error_kind kind = cibmtr_auth::error_kind::network) {
  return throws(cibmtr_auth::error(kind, "no verdict"));
}
inline outcome wrong_proxy_login(unsigned hash) {
  return {[=] { throw cibmtr_auth::detail::proxy_login_rejected("the proxy rejects its login", 407, hash); }, nullptr};
}

/// One process's view of a store: fails as the test says.
class process_store : public cibmtr_auth::token_store {
 public:
  using text_map = std::map<std::string, std::string>;
  explicit process_store(std::shared_ptr<text_map> entries) : entries_(std::move(entries)) {}

  cibmtr_auth::secret load(std::string const& key) override {
    ++loads;
    if (cannot_load) {
      throw std::runtime_error("the disk is gone");
    }
    auto const found = entries_->find(key);
    return found == entries_->end() ? cibmtr_auth::secret() : cibmtr_auth::secret(found->second);
  }
  bool replace(std::string const& key, cibmtr_auth::secret const& expected, cibmtr_auth::secret const& text,
               std::chrono::seconds keep_for) override {
    ++replaces;
    if (cannot_replace) {
      throw std::runtime_error("the disk is full");
    }
    std::string& entry = (*entries_)[key];
    if (refuses || entry != expected.reveal()) {
      return false;
    }
    entry = text.reveal();
    kept_for = keep_for;
    return true;
  }

  bool cannot_load = false;
  bool cannot_replace = false;
  bool refuses = false;  ///< every replace
  int loads = 0;
  int replaces = 0;
  std::chrono::seconds kept_for{0};

 private:
  std::shared_ptr<text_map> entries_;
};

struct fake_process {
  std::shared_ptr<process_store> store;  ///< null without a store
  cibmtr_auth::token_cache tokens;
};

/// What all processes of a test have in common. Must outlive them.
class fake_processes {
 public:
  fake_processes() { grant(); }
  fake_processes(fake_processes const&) = delete;
  fake_processes& operator=(fake_processes const&) = delete;

  fake_clock clock;
  std::chrono::milliseconds timeout{30000};
  outcome next;                              ///< of every request from now on
  bool calls_before_sending = true;          ///< the transport
  std::function<void()> while_connecting{};  ///< once, before the next request is sent
  std::function<void()> after_sending{};     ///< once, before the response to the next request
  /// While a process waits for another one's lease. True ends the wait, as it would after the time-out.
  std::function<bool()> is_cancelled = [] { return true; };
  int connections = 0;
  std::vector<cibmtr_auth::boot_clock::time_point> sent;  ///< when credentials were sent

  /// The server grants tokens: `token-1`, `token-2`.
  void grant(std::chrono::seconds lifetime = std::chrono::minutes(30)) {
    next = {nullptr, [this, lifetime] {
              return cibmtr_auth::http_response(
                  200, "{\"access_token\":\"token-" + std::to_string(++tokens_) +
                           "\",\"token_type\":\"Bearer\",\"expires_in\":" + std::to_string(lifetime.count()) + "}");
            }};
  }

  fake_process start(cibmtr_auth::credentials const& of = some_credentials()) {
    auto const store = std::make_shared<process_store>(entries_);
    return {store, make_cache(of, store, 0, clock)};
  }
  fake_process start_without_store(cibmtr_auth::credentials const& of = some_credentials()) {
    return {nullptr, make_cache(of, nullptr, 0, clock)};
  }
  /// With a login for a proxy, so that the store is optional here.
  fake_process start_behind_proxy(unsigned login_hash, bool has_store = true) {
    auto const store = has_store ? std::make_shared<process_store>(entries_) : nullptr;
    return {store, make_cache(some_credentials(), store, login_hash, clock)};
  }
  /// On a machine whose clock shows another time.
  fake_process start_elsewhere(fake_clock const& other_clock) {
    auto const store = std::make_shared<process_store>(entries_);
    return {store, make_cache(some_credentials(), store, 0, other_clock)};
  }

  cibmtr_auth::token_cache_options options(std::shared_ptr<cibmtr_auth::token_store> const& store) {
    cibmtr_auth::token_cache_options made;
    made.store = store;
    made.clock = clock;
    made.https.timeout = timeout;
    made.https.is_cancelled = [this] { return is_cancelled(); };
    made.transport = [this](cibmtr_auth::http_request const& request) { return send(request); };
    return made;
  }

  std::string& text(cibmtr_auth::credentials const& of = some_credentials()) {
    return (*entries_)[cibmtr_auth::detail::record_key(cibmtr_auth::test_environment(), of)];
  }
  /// What a process that loads the record now finds there.
  cibmtr_auth::detail::record stored(cibmtr_auth::credentials const& of = some_credentials()) {
    return cibmtr_auth::detail::read_record(text(of), reading(), clock);
  }
  void store_record(cibmtr_auth::detail::record const& r) {
    text() = cibmtr_auth::detail::write_record(r, reading()).reveal();
  }
  cibmtr_auth::detail::clock_reading reading() const {
    auto const since_epoch = clock().time_since_epoch();
    return {clock(), std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count()};
  }

 private:
  cibmtr_auth::token_cache make_cache(cibmtr_auth::credentials const& of,
                                      std::shared_ptr<cibmtr_auth::token_store> const& store, unsigned proxy_login,
                                      fake_clock const& its_clock) {
    cibmtr_auth::token_cache_options made = options(store);
    made.clock = its_clock;
    cibmtr_auth::detail::renewal_tools tools = cibmtr_auth::detail::tools_without_transport(made);
    tools.proxy_login = proxy_login;
    return cibmtr_auth::token_cache(
        std::make_shared<cibmtr_auth::detail::cache_state>(cibmtr_auth::test_environment(), of, made, tools));
  }

  cibmtr_auth::http_response send(cibmtr_auth::http_request const& request) {
    ++connections;
    outcome const current = next;
    run_once(while_connecting);
    if (current.connect) {
      current.connect();
    }
    if (calls_before_sending) {
      request.before_sending();
    }
    sent.push_back(clock());
    run_once(after_sending);
    return current.respond();
  }
  static void run_once(std::function<void()>& hook) {
    std::function<void()> const taken = std::move(hook);
    hook = nullptr;
    if (taken) {
      taken();
    }
  }

  std::shared_ptr<process_store::text_map> entries_ = std::make_shared<process_store::text_map>();
  int tokens_ = 0;
};

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_FAKE_PROCESSES_HPP
