// SPDX-License-Identifier: MIT
// A day of an interface engine in a minute: tokens that live for seconds, and everything that can go wrong.
// CIBMTR_AUTH_DAY_SECONDS sets for how long.

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../examples/sandbox/sandbox.hpp"
#include "support/folder.hpp"
#include "support/raw_server.hpp"

namespace {

std::atomic<long> wall_clock_step{0};

}  // namespace

/// This program's wall clock is stepped; its other clocks are the system's.
extern "C" int clock_gettime(clockid_t clock_id, timespec* tp) noexcept {
  long const failed = syscall(SYS_clock_gettime, clock_id, tp);
  tp->tv_sec += clock_id == CLOCK_REALTIME ? wall_clock_step.load() : 0;
  return static_cast<int>(failed);
}

using namespace cibmtr_auth;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using tests::connection;

namespace {

/// Which calls the server accepted, and whether the engine waited as long as the server asked it to.
class journal {
 public:
  /// The server's log: `METHOD PATH STATUS (note)`.
  void add(std::string const& line) {
    std::lock_guard<std::mutex> const lock(mutex_);
    std::size_t const end = line.find(' ', line.find(' ') + 1);
    std::string const name = line.substr(line.rfind('/', end) + 1, end - line.rfind('/', end) - 1);
    arrived_[name] += line.compare(end, 4, " 401") == 0 ? 0 : 1;
  }
  int arrived(std::string const& call) const {
    std::lock_guard<std::mutex> const lock(mutex_);
    auto const found = arrived_.find(call);
    return found == arrived_.end() ? 0 : found->second;
  }

  /// `send`, watched.
  transport watched(transport const& send) {
    return [this, send](http_request const& request) {
      {
        std::lock_guard<std::mutex> const lock(mutex_);
        early_requests_ += steady_clock::now() < allowed_at_ ? 1 : 0;
      }
      http_response response = send(request);
      std::string const retry_after = response.header("Retry-After");
      std::lock_guard<std::mutex> const lock(mutex_);
      if (!retry_after.empty()) {
        allowed_at_ = steady_clock::now() + seconds(std::stoi(retry_after));
      }
      return response;
    };
  }
  int early_requests() const {
    std::lock_guard<std::mutex> const lock(mutex_);
    return early_requests_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int> arrived_;
  steady_clock::time_point allowed_at_;
  int early_requests_ = 0;
};

/// Between engine and server: resets a connection now and then, after some of its bytes.
class unsteady_wire {
 public:
  unsteady_wire(int port, unsigned seed)
      : random_(seed), server_(new tests::raw_server([this, port](connection const& peer) {
          auto const fate = random_() % 12;
          auto const pieces = random_() % 6;
          int const own = dup(peer.socket());
          passing_.emplace_back([this, own, port, fate, pieces] { pass(connection(own), port, fate == 0, pieces); });
        })) {}
  ~unsteady_wire() {
    server_.reset();  // which ends new connections
    for (std::thread& one : passing_) {
      one.join();
    }
  }
  unsteady_wire(unsteady_wire const&) = delete;
  unsteady_wire& operator=(unsteady_wire const&) = delete;
  int port() const { return server_->port(); }
  int resets() const { return resets_; }

 private:
  void pass(connection const& peer, int port, bool is_reset, std::mt19937::result_type pieces) {
    connection const server(tests::connect_to(port));
    if (!is_reset) {
      peer.relay(server);
      return;
    }
    ++resets_;
    while (pieces-- > 0 && server.send(peer.receive()) && peer.send(server.receive())) {
    }
    linger const at_once = {1, 0};
    setsockopt(peer.socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }

  std::mt19937 random_;
  std::atomic<int> resets_{0};
  std::vector<std::thread> passing_;
  std::unique_ptr<tests::raw_server> server_;
};

/// How each call of one engine thread ended.
struct outcomes {
  std::vector<std::string> done;
  std::vector<std::string> failed;
  std::vector<std::string> refused;
  std::string surprise;
};

class engine {
 public:
  engine(std::string const& origin, credentials const& account, std::string const& ca_file,
         std::string const& cache_directory, journal& seen)
      : api_url_(origin + "/cibmtr-fhir-backend/v1/r4/") {
    token_cache_options options;
    options.cache_directory = cache_directory;
    options.https.ca_file = ca_file;
    options.https.timeout = seconds(2);
    options.https.proxy = "none";
    https_ = https_transport(options.https);
    options.transport = seen.watched(https_);
    std::string const token_url = origin + "/oauth2/aussandbox/v1/token";
    tokens_.reset(new token_cache(make_token_cache({"sandbox", token_url, token_url, api_url_}, account, options)));
  }

  token_cache const& tokens() const { return *tokens_; }

  void call(std::string const& name, outcomes& into) const {
    auto const start = steady_clock::now();
    try {
      http_response const response = authorized(*tokens_, https_)({"POST", api_url_ + name, {}, "{}"});
      (response.status == 401 ? into.refused : into.done).push_back(name);
    } catch (error const& failure) {
      bool const is_expected = failure.kind() != error_kind::rejected && failure.kind() != error_kind::configuration;
      into.surprise = is_expected ? into.surprise : failure.what();
      into.failed.push_back(name);
    } catch (std::exception const& other) {
      into.surprise = other.what();
    }
    if (steady_clock::now() - start > seconds(15)) {  // at most four exchanges, on a busy machine
      into.surprise = "a call that did not end";
    }
  }

 private:
  std::string api_url_;
  std::unique_ptr<token_cache> tokens_;
  transport https_;
};

sandbox::response failed_token_response(std::mt19937& random) {
  switch (random() % 5) {
    case 0: return sandbox::response(429, {{"Retry-After", "2"}}, "application/json", R"({"errorCode":"E0000047"})");
    case 1: return sandbox::response(503, {}, "text/html", "<html>Busy</html>");
    case 2: return sandbox::response(200, {}, "text/html", "<html>Log in</html>");
    case 3: return sandbox::response(200, {}, "application/json", "{\"access_token\":");
    default: return sandbox::response(503, {}, "", "", milliseconds(random() % 3000));
  }
}

/// One thing that goes wrong outside the engine.
void make_trouble(sandbox::server& server, bool may_fail_token_request, std::mt19937& random) {
  switch (random() % 8) {
    case 0: server.respond_api_next(sandbox::response(503)); return;
    case 1: server.respond_api_next(sandbox::response(401)); return;
    case 2: server.revoke_all(); return;
    case 3: server.life(seconds(1 + random() % 6)); return;
    case 4: wall_clock_step = static_cast<long>(random() % 200000) - 100000; return;
    default: break;
  }
  if (may_fail_token_request) {
    server.respond_next(failed_token_response(random));
  }
}

}  // namespace

TEST_CASE("through a day of faults every call ends with a response or a clear error, and none is lost or doubled") {
  char const* const given = std::getenv("CIBMTR_AUTH_DAY_SECONDS");
  int const length = given ? std::atoi(given) : 5;
  auto const end = steady_clock::now() + seconds(length);
  unsigned const seed = std::random_device()();
  CAPTURE(seed);

  journal seen;
  sandbox::options chosen;
  chosen.life = seconds(3);
  chosen.log = [&seen](std::string const& line) { seen.add(line); };
  sandbox::server server(chosen);
  tests::folder const place;
  tests::write_text(place / "ca.pem", server.ca_pem());
  unsteady_wire wire(server.port(), seed);
  std::string const origin = "https://localhost:" + std::to_string(wire.port());
  sandbox::account const& user = server.user();
  // Without an account, so that no fault leads to minutes of waiting.
  engine const calls(origin, {user.client_id, user.client_secret, user.scope}, place / "ca.pem", place / "cache", seen);

  std::vector<outcomes> results(4);
  std::atomic<bool> is_over{false};
  std::vector<std::thread> callers;
  for (std::size_t thread = 0; thread < results.size(); ++thread) {
    callers.emplace_back([&, thread] {
      for (int i = 0; !is_over; ++i) {
        calls.call("call-" + std::to_string(thread) + "-" + std::to_string(i), results[thread]);
        std::this_thread::sleep_for(milliseconds(20));
      }
    });
  }
  std::mt19937 random(seed);
  int failed_at = 0;
  while (steady_clock::now() < end) {
    bool const may_fail = server.token_requests() > failed_at + 1;
    failed_at = may_fail ? server.token_requests() : failed_at;
    make_trouble(server, may_fail, random);
    std::this_thread::sleep_for(milliseconds(200 + random() % 400));
  }
  is_over = true;
  for (std::thread& caller : callers) {
    caller.join();
  }

  std::size_t done = 0;
  std::size_t failed = 0;
  for (outcomes const& one : results) {
    CHECK(one.surprise == "");
    CHECK(std::all_of(one.done.begin(), one.done.end(),
                      [&](std::string const& name) { return seen.arrived(name) == 1; }));
    CHECK(std::all_of(one.failed.begin(), one.failed.end(),
                      [&](std::string const& name) { return seen.arrived(name) <= 1; }));
    CHECK(std::all_of(one.refused.begin(), one.refused.end(),
                      [&](std::string const& name) { return seen.arrived(name) == 0; }));
    done += one.done.size();
    failed += one.failed.size() + one.refused.size();
  }
  token_cache_status const status = calls.tokens().status();
  MESSAGE(done << " calls done, " << failed << " failed, " << server.token_requests() << " token requests, "
               << wire.resets() << " connections reset");
  CHECK(done > 0);
  CHECK(seen.early_requests() == 0);
  CHECK(status.sharing_problem == "");
  CHECK(static_cast<int>(status.requests) >= server.token_requests());
  CHECK(server.token_requests() <=
        2 * length + 10);  // no token lives less than a second, no backoff is under half of one
}
