// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_server.hpp"
#include "support/refusal.hpp"

using namespace cibmtr_auth;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

/// Grants a numbered token of a given life, or fails, and counts.
struct fake_source {
  tests::fake_clock clock;
  seconds life{1800};
  error_kind failing_with = error_kind::unavailable;
  seconds retry_after{0};
  bool is_failing = false;
  int requests = 0;

  token operator()() {
    ++requests;
    if (is_failing) {
      throw error(failing_with, "no token today.", 0, "", retry_after);
    }
    return token("token-" + std::to_string(requests), "scope", clock(), clock() + life);
  }
};

token_cache cache_around(fake_source& source) {
  return token_cache(std::ref(source), source.clock);
}

error failure_of(token_cache const& tokens) {
  return tests::error_of([&tokens] { tokens.get(); });
}

/// Holds threads back until it is opened.
class gate {
 public:
  void open() {
    std::lock_guard<std::mutex> const lock(mutex_);
    is_open_ = true;
    opened_.notify_all();
  }
  void pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    opened_.wait(lock, [this] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool is_open_ = false;
};

/// Of a process that asks until the gate is opened, and may leave a token then.
struct busy_store : token_store {
  std::atomic<bool> is_busy{true};
  std::atomic<int> tries{0};
  token left;

  std::unique_ptr<lock> try_lock() override {
    ++tries;
    return std::unique_ptr<lock>(is_busy ? nullptr : new lock);
  }
  token_record load() override {
    token_record record;
    record.granted = is_busy ? token() : left;
    return record;
  }
  void save(token_record const&) override {}
};

}  // namespace

TEST_CASE("a token is fetched once and reused while it is fresh") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  CHECK(source.requests == 0);
  CHECK(tokens.get().value() == "token-1");
  source.clock.advance(minutes(24));
  CHECK(tokens.get().value() == "token-1");
  CHECK(source.requests == 1);
}

TEST_CASE("a token is renewed min(5 min, life / 6) before its end, or up to a tenth of that earlier") {
  struct row {
    seconds life;
    seconds margin;
  };
  for (row const& r : {row{minutes(30), minutes(5)}, row{minutes(5), seconds(50)}, row{seconds(86400), minutes(5)},
                       row{seconds(6), seconds(1)}}) {
    CAPTURE(r.life.count());
    fake_source source;
    source.life = r.life;
    token_cache const tokens = cache_around(source);
    token const first = tokens.get();
    CHECK(first.expires_at() - first.renew_at() >= r.margin);
    CHECK(first.expires_at() - first.renew_at() <= r.margin + r.margin / 10 + seconds(1));
    source.clock.advance(first.renew_at() - source.clock() - nanoseconds(1));
    tokens.get();
    CHECK(source.requests == 1);
    source.clock.advance(nanoseconds(1));
    CHECK(tokens.get().value() == "token-2");
    CHECK(source.requests == 2);
  }
}

TEST_CASE("a fleet started together does not renew together") {
  boot_clock::time_point const now{std::chrono::hours(1)};
  std::vector<int> renewals_in_second(31, 0);
  for (int member = 0; member < 3000; ++member) {
    token const its(base64_encode("member " + std::to_string(member)), "", now, now + minutes(30));
    auto const early = its.expires_at() - minutes(5) - its.renew_at();
    REQUIRE(early >= nanoseconds(0));
    REQUIRE(early <= seconds(30));
    ++renewals_in_second[static_cast<std::size_t>(std::chrono::duration_cast<seconds>(early).count())];
  }
  for (int second = 0; second < 30; ++second) {
    CHECK(renewals_in_second[static_cast<std::size_t>(second)] < 200);  // 100 on average
  }
}

TEST_CASE("over 30 days at a call a second, requests are as few as can be and no token is nearly dead") {
  for (seconds life : {seconds(300), seconds(1800), seconds(86400)}) {
    CAPTURE(life.count());
    fake_source source;
    source.life = life;
    token_cache const tokens = cache_around(source);
    nanoseconds shortest = life;
    int const calls = 30 * 86400;
    for (int call = 0; call < calls; ++call) {
      shortest = (std::min)(shortest, tokens.get().expires_at() - source.clock());
      source.clock.advance(seconds(1));
    }
    seconds const margin = (std::min)(seconds(300), life / 6);
    double const ideal = static_cast<double>(calls) / static_cast<double>((life - margin).count());
    CHECK(source.requests >= ideal);
    CHECK(source.requests <= ideal * 1.03 + 1);  // renewing up to a tenth of the margin early costs this
    CHECK(shortest >= margin - seconds(1));
  }
}

TEST_CASE("a life of a minute, of a second or of no use is no hot loop") {
  for (char const* expires_in : {"60", "1", "0", "-1", "null"}) {
    CAPTURE(expires_in);
    tests::fake_clock clock;
    int requests = 0;
    token_source const source = make_token_source(
        test_environment, tests::some_credentials(),
        [&](http_request const&) {
          ++requests;
          clock.advance(std::chrono::milliseconds(50));
          return tests::answer(
              200, std::string("{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":") + expires_in + "}");
        },
        basic_encoding::plain, clock);
    token_cache const tokens(source, clock);
    for (int call = 0; call < 6000; ++call) {  // a minute at 100 calls a second
      tokens.get();
      clock.advance(std::chrono::milliseconds(10));
    }
    CHECK(requests <= 80);
  }
}

TEST_CASE("a server so slow that its tokens have ended when they arrive is no hot loop either") {
  tests::fake_clock clock;
  int requests = 0;
  token_cache const tokens(
      [&] {
        token const granted("token-" + std::to_string(++requests), "", clock(), clock() + seconds(10));
        clock.advance(requests == 1 ? seconds(8) : seconds(10));
        return granted;
      },
      clock);
  CHECK(tokens.get().value() == "token-1");
  for (int call = 0; call < 600; ++call) {  // a minute at 10 calls a second
    try {
      token const held = tokens.get();
      CHECK(held.expires_at() > clock());
    } catch (error const& failure) {
      CHECK(failure.kind() == error_kind::unavailable);
    }
    clock.advance(std::chrono::milliseconds(100));
  }
  CHECK(requests <= 10);
}

TEST_CASE("the old token serves to its end when renewals fail, and not a moment longer") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  token const first = tokens.get();
  source.is_failing = true;
  source.clock.advance(minutes(25));
  CHECK(tokens.get().value() == "token-1");
  CHECK(source.requests == 2);
  source.clock.advance(first.expires_at() - source.clock() - nanoseconds(1));
  CHECK(tokens.get().value() == "token-1");
  source.clock.advance(nanoseconds(1));
  CHECK_THROWS_AS(tokens.get(), error);
}

TEST_CASE("requests that fail are repeated after 1, 2, 4 seconds and so on, at most 5 minutes, with jitter") {
  tests::fake_clock clock;
  std::vector<boot_clock::time_point> asked_at;
  token_cache const tokens(
      [&]() -> token {
        asked_at.push_back(clock());
        throw error(error_kind::network, "no route.");
      },
      clock);
  for (int call = 0; call < 36000; ++call) {  // an hour at 10 calls a second
    CHECK_THROWS_AS(tokens.get(), error);
    clock.advance(std::chrono::milliseconds(100) + nanoseconds(call));
  }
  REQUIRE(asked_at.size() > 15);
  CHECK(asked_at.size() < 40);
  for (std::size_t i = 1; i < asked_at.size(); ++i) {
    double const pause = std::chrono::duration<double>(asked_at[i] - asked_at[i - 1]).count();
    double const full = i < 10 ? (std::min)(static_cast<double>(1 << (i - 1)), 300.0) : 300;
    CAPTURE(i);
    CHECK(pause >= full / 2);
    CHECK(pause <= full + 0.11);
  }
}

TEST_CASE("nobody asks before the time the server gave, and everybody is told it") {
  fake_source source;
  source.is_failing = true;
  source.failing_with = error_kind::rate_limited;
  source.retry_after = seconds(60);
  token_cache const tokens = cache_around(source);
  CHECK(failure_of(tokens).retry_after() >= seconds(60));
  source.clock.advance(seconds(59));
  error const told = failure_of(tokens);
  CHECK(told.kind() == error_kind::rate_limited);
  CHECK(told.retry_after() >= seconds(1));
  CHECK(std::string(told.what()).find("Next try not before ") != std::string::npos);
  CHECK(source.requests == 1);
  source.is_failing = false;
  source.clock.advance(seconds(8));  // a tenth of jitter at the most
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("a rejected credential is not tried again for 15 minutes, then 30, then 60, a day at the most") {
  fake_source source;
  source.is_failing = true;
  source.failing_with = error_kind::rejected;
  token_cache const tokens = cache_around(source);
  failure_of(tokens);
  boot_clock::time_point asked_at = source.clock();
  for (seconds pause = minutes(15); pause <= seconds(86400); pause *= 2) {
    source.clock.advance(asked_at + pause - nanoseconds(1) - source.clock());
    int const requests = source.requests;
    error const latched = failure_of(tokens);
    CHECK(latched.kind() == error_kind::rejected);
    CHECK(std::string(latched.what()).find("Next try not before ") != std::string::npos);
    CHECK(source.requests == requests);
    source.clock.advance(nanoseconds(1));
    failure_of(tokens);
    CHECK(source.requests == requests + 1);
    asked_at = source.clock();
  }
}

TEST_CASE("other failures between rejections do not make rejections more frequent") {
  fake_source source;
  source.is_failing = true;
  token_cache const tokens = cache_around(source);
  int rejections = 0;
  for (boot_clock::time_point const end = source.clock() + std::chrono::hours(24); source.clock() < end;) {
    bool const is_rejecting = source.failing_with == error_kind::rejected;
    int const before = source.requests;
    failure_of(tokens);
    if (source.requests > before) {
      rejections += is_rejecting ? 1 : 0;
      source.failing_with = is_rejecting ? error_kind::unavailable : error_kind::rejected;
    }
    source.clock.advance(minutes(1));
  }
  CHECK(rejections <= 7);  // after 0, 15, 45, 105, 225, 465 and 945 minutes
}

TEST_CASE("a credential rejected at a renewal latches while the old token serves") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  tokens.get();
  source.is_failing = true;
  source.failing_with = error_kind::rejected;
  source.clock.advance(minutes(25));
  for (int second = 0; second < 290; ++second) {
    CHECK(tokens.get().value() == "token-1");
    source.clock.advance(seconds(1));
  }
  CHECK(source.requests == 2);
}

TEST_CASE("reset goes on with other credentials at once") {
  fake_source wrong;
  wrong.is_failing = true;
  wrong.failing_with = error_kind::rejected;
  token_cache const tokens = cache_around(wrong);
  failure_of(tokens);
  tokens.reset([&wrong] { return token("right", "", wrong.clock(), wrong.clock() + minutes(30)); });
  CHECK(tokens.get().value() == "right");
  tokens.reset([&wrong] { return token("rotated", "", wrong.clock(), wrong.clock() + minutes(30)); });
  CHECK(tokens.get().value() == "rotated");
  CHECK(wrong.requests == 1);
}

TEST_CASE("a failure before anything was sent does not count as a try") {
  fake_source source;
  source.is_failing = true;
  source.failing_with = error_kind::configuration;
  token_cache const tokens = cache_around(source);
  CHECK(failure_of(tokens).kind() == error_kind::configuration);
  source.is_failing = false;
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("invalidate drops that token only") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  token const first = tokens.get();
  CHECK(tokens.invalidate(first));
  CHECK_FALSE(tokens.invalidate(first));
  CHECK(tokens.get().value() == "token-2");
  CHECK_FALSE(tokens.invalidate(first));
  CHECK(tokens.get().value() == "token-2");
  source.clock.advance(seconds(31));
  CHECK(tokens.invalidate(token("token-2", "", {}, {})));
  CHECK_FALSE(tokens.invalidate(token()));
}

TEST_CASE("an API that refuses every token gets at most one new one in 30 seconds") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  for (int second = 0; second < 3600; ++second) {
    CHECK(call_with_token(tokens, [](token const&) { return 401; }) == 401);
    source.clock.advance(seconds(1));
  }
  CHECK(source.requests <= 3600 / 30 + 2);
}

TEST_CASE("an API that refuses what the server grants again and again cannot make us hammer it") {
  fake_source source;
  int requests = 0;
  token_cache const tokens(
      [&] {
        ++requests;
        return token("the-same", "scope", source.clock(), source.clock() + minutes(30));
      },
      source.clock);
  int calls = 0;
  for (int i = 0; i < 29; ++i) {
    CHECK(call_with_token(tokens, [&calls](token const&) {
            ++calls;
            return 401;
          }) == 401);
    source.clock.advance(seconds(1));
  }
  CHECK(requests == 2);
  CHECK(calls == 29);  // none is repeated with the token that was just refused
}

TEST_CASE("processes that share a store force one renewal in 30 seconds together") {
  fake_source source;
  auto const store = std::make_shared<memory_store>();
  for (int process = 0; process < 30; ++process) {
    token_cache const tokens(std::ref(source), source.clock, store);
    CHECK(call_with_token(tokens, [](token const&) { return 401; }) == 401);
    source.clock.advance(seconds(1));
  }
  CHECK(source.requests == 2);
  source.clock.advance(seconds(2));
  token_cache const tokens(std::ref(source), source.clock, store);
  CHECK(call_with_token(tokens, [](token const& held) { return held.value() == "token-2" ? 401 : 200; }) == 200);
  CHECK(source.requests == 3);
}

TEST_CASE("a token that the API refused is not served again when its replacement cannot be had") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  tokens.invalidate(tokens.get());
  source.is_failing = true;
  CHECK_THROWS_AS(tokens.get(), error);
  source.clock.advance(seconds(2));
  CHECK_THROWS_AS(tokens.get(), error);
  source.clock.advance(seconds(5));
  source.is_failing = false;
  CHECK(tokens.get().value() == "token-4");
}

TEST_CASE("copies of a cache share one token") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  token_cache const copy = tokens;
  tokens.get();
  copy.get();
  CHECK(source.requests == 1);
}

TEST_CASE("many threads with an empty cache or an expired token make one request") {
  tests::fake_clock clock;
  for (bool is_expired : {false, true}) {
    CAPTURE(is_expired);
    std::atomic<int> requests{0};
    std::atomic<int> arrived{0};
    gate answers;
    token_cache const tokens(
        [&] {
          if (++requests > (is_expired ? 1 : 0)) {
            answers.pass();
          }
          return token("token-" + std::to_string(requests), "", clock(), clock() + minutes(30));
        },
        clock);
    if (is_expired) {
      tokens.get();
      clock.advance(minutes(31));
    }
    int const before = requests;
    std::atomic<int> served{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 64; ++i) {
      callers.emplace_back([&] {
        ++arrived;
        served += tokens.get().value() == "token-" + std::to_string(before + 1) ? 1 : 0;
      });
    }
    while (arrived < 64) {
      std::this_thread::yield();
    }
    answers.open();
    for (std::thread& caller : callers) {
      caller.join();
    }
    CHECK(requests == before + 1);
    CHECK(served == 64);
  }
}

TEST_CASE("64 callers of a server that takes 50 ms to fail make one request and share its error") {
  std::atomic<int> requests{0};
  token_cache const tokens([&]() -> token {
    ++requests;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the server's time, not the test's
    throw error(error_kind::unavailable, "down.");
  });
  std::atomic<int> told{0};
  auto const start = std::chrono::steady_clock::now();
  std::vector<std::thread> callers;
  for (int i = 0; i < 64; ++i) {
    callers.emplace_back([&] {
      try {
        tokens.get();
      } catch (error const& failure) {
        told += failure.kind() == error_kind::unavailable && failure.retry_after() > seconds(0) ? 1 : 0;
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(told == 64);
  CHECK(requests == 1);
  CHECK(std::chrono::steady_clock::now() - start < seconds(2));  // peers need 3.2 s; the benchmark has the figure
}

TEST_CASE("a caller that waits may leave early") {
  gate asked;
  gate answers;
  token_cache const tokens([&] {
    asked.open();
    answers.pass();
    return token("late", "", boot_clock::now(), boot_clock::now() + minutes(30));
  });
  std::thread leader([&] { tokens.get(); });
  asked.pass();
  try {
    tokens.get(std::chrono::milliseconds(1));
    FAIL("it waited for the leader");
  } catch (error const& left) {
    CHECK(left.kind() == error_kind::timed_out);
  }
  answers.open();
  leader.join();
  CHECK(tokens.get().value() == "late");
}

TEST_CASE("a caller who leaves while another process asks leaves the waiting to those with more patience") {
  auto const store = std::make_shared<busy_store>();
  store->left = token("of-another", "", boot_clock::now(), boot_clock::now() + minutes(30));
  std::atomic<int> requests{0};
  token_cache const tokens(
      [&requests]() -> token {
        ++requests;
        throw error(error_kind::unavailable, "nobody should ask.");
      },
      boot_clock::now, store);
  std::atomic<bool> has_left{false};
  std::thread leader([&] {
    try {
      tokens.get(std::chrono::milliseconds(50));
    } catch (error const& left) {
      has_left = left.kind() == error_kind::timed_out;
    }
  });
  while (store->tries == 0) {
    std::this_thread::yield();
  }
  std::string got[3];
  std::vector<std::thread> followers;
  for (std::string& one : got) {
    followers.emplace_back([&] { one = tokens.get(seconds(5)).value(); });
  }
  leader.join();
  CHECK(has_left);
  std::this_thread::sleep_for(std::chrono::milliseconds(250));  // the other process's time
  store->is_busy = false;
  for (std::thread& follower : followers) {
    follower.join();
  }
  for (std::string const& one : got) {
    CHECK(one == "of-another");
  }
  CHECK(requests == 0);
  token_cache_status const told = tokens.status();
  CHECK(told.gets == 4);
  CHECK(told.joins == 3);
  CHECK(told.hits == 0);
  CHECK(told.last_error.empty());
}

TEST_CASE("a living token is given at once while another process asks and the store has lost it") {
  tests::fake_clock clock;
  auto const store = std::make_shared<busy_store>();
  store->is_busy = false;
  int requests = 0;
  token_cache const tokens(
      [&] { return token("token-" + std::to_string(++requests), "", clock(), clock() + minutes(30)); }, clock, store);
  tokens.get();
  clock.advance(minutes(26));
  store->is_busy = true;
  int const tries = store->tries;
  for (int call = 0; call < 3; ++call) {
    CHECK(tokens.get().value() == "token-1");
  }
  CHECK(store->tries == tries + 1);  // and looked for again a second later
  CHECK(tokens.status().last_error.empty());
  CHECK(requests == 1);
}

TEST_CASE("while one caller renews, the others get the living token at once") {
  tests::fake_clock clock;
  gate asked;
  gate answers;
  int requests = 0;
  token_cache const tokens(
      [&] {
        if (++requests == 2) {
          asked.open();
          answers.pass();
        }
        return token("token-" + std::to_string(requests), "", clock(), clock() + minutes(30));
      },
      clock);
  tokens.get();
  clock.advance(minutes(26));
  std::string renewed;
  std::thread renewer([&] { renewed = tokens.get().value(); });
  asked.pass();
  CHECK(tokens.get().value() == "token-1");  // would wait for ever if it waited for the renewer
  answers.open();
  renewer.join();
  CHECK(renewed == "token-2");
  CHECK(tokens.get().value() == "token-2");
}

TEST_CASE("a reset while a request is under way is not undone by its answer") {
  gate asked;
  gate answers;
  auto const granted = [](char const* value) {
    return token(value, "", boot_clock::now(), boot_clock::now() + minutes(30));
  };
  token_cache const tokens([&] {
    asked.open();
    answers.pass();
    return granted("of-the-old-credentials");
  });
  std::thread leader([&] { tokens.get(); });
  asked.pass();
  tokens.reset([&granted] { return granted("of-the-new-credentials"); });
  CHECK(tokens.get().value() == "of-the-new-credentials");
  answers.open();
  leader.join();
  CHECK(tokens.get().value() == "of-the-new-credentials");
}

TEST_CASE("a reset frees those who wait for the old credentials' request") {
  gate asked;
  gate answers;
  token_cache const tokens([&]() -> token {
    asked.open();
    answers.pass();
    throw error(error_kind::rejected, "old password");
  });
  auto get = [&tokens](std::string& got) {
    try {
      got = tokens.get().value();
    } catch (error const& failure) {
      got = failure.what();
    }
  };
  std::string leaders;
  std::string waiters;
  std::thread leader(get, std::ref(leaders));
  asked.pass();
  std::thread waiter(get, std::ref(waiters));
  while (tokens.status().joins == 0) {
    std::this_thread::yield();
  }
  tokens.reset([] { return token("new", "", boot_clock::now(), boot_clock::now() + minutes(30)); });
  waiter.join();  // would wait for the old request, which is not answered
  answers.open();
  leader.join();
  CHECK(waiters == "new");
  CHECK(tokens.get().value() == "new");
  CHECK(tokens.status().last_error.empty());
}

TEST_CASE("a source that asks its own cache is told so, and waits for nobody") {
  std::unique_ptr<token_cache> tokens;
  tokens.reset(new token_cache([&tokens] { return tokens->get(); }));
  error const failure = failure_of(*tokens);
  CHECK(failure.kind() == error_kind::configuration);
  CHECK(std::string(failure.what()).find("must not ask its own cache") != std::string::npos);
}

TEST_CASE("a source that is missing is refused at once") {
  CHECK_THROWS_WITH_AS(token_cache{token_source()}, doctest::Contains("token source"), error);
}

TEST_CASE("caches without a store share nothing") {
  fake_source source;
  token_cache const one(std::ref(source), source.clock, nullptr);
  token_cache const other(std::ref(source), source.clock, nullptr);
  CHECK(one.get().value() != other.get().value());
  CHECK(one.get().value() != other.get().value());
  CHECK(source.requests == 2);
}

TEST_CASE("no patience, however negative, waits") {
  gate asked;
  gate answers;
  token_cache const tokens([&] {
    asked.open();
    answers.pass();
    return token("late", "", boot_clock::now(), boot_clock::now() + minutes(30));
  });
  std::thread leader([&tokens] { tokens.get(); });
  asked.pass();
  for (auto patience : {std::chrono::milliseconds(0), (std::chrono::milliseconds::min)()}) {
    CHECK(tests::error_of([&] { tokens.get(patience); }).kind() == error_kind::timed_out);
  }
  answers.open();
  leader.join();
}

TEST_CASE("threads may end while the cache ends, and no copy of the token is left") {
  for (int round = 0; round < 200; ++round) {
    std::vector<std::thread> threads;
    {
      token_cache const tokens(
          [] { return token("short-lived", "", boot_clock::now(), boot_clock::now() + minutes(30)); });
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([tokens] {
          tokens.get();
          tokens.get();
        });
      }
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
}

TEST_CASE("a source that throws something of its own leaves the cache working") {
  tests::fake_clock clock;
  int requests = 0;
  token_cache const tokens(
      [&]() -> token {
        if (++requests == 1) {
          throw 42;
        }
        return token("later", "", clock(), clock() + minutes(30));
      },
      clock);
  CHECK_THROWS_AS(tokens.get(), int);
  clock.advance(seconds(2));
  CHECK(tokens.get().value() == "later");
}

TEST_CASE("status tells what was done and what is held, never the token") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  CHECK(tokens.status().gets == 0);
  token const first = tokens.get();
  tokens.get();
  token_cache_status status = tokens.status();
  CHECK(status.gets == 2);
  CHECK(status.hits == 1);
  CHECK(status.requests == 1);
  CHECK(status.failures == 0);
  CHECK(status.obtained_at == first.obtained_at());
  CHECK(status.renew_at == first.renew_at());
  CHECK(status.expires_at == first.expires_at());
  CHECK(std::string(status.last_reason) == "no living token");
  CHECK(status.last_error.empty());

  source.is_failing = true;
  source.clock.advance(minutes(25));
  tokens.get();
  status = tokens.status();
  CHECK(status.failures == 1);
  CHECK(std::string(status.last_reason) == "about to expire");
  CHECK(status.last_error.find("unavailable: no token today") == 0);

  source.is_failing = false;
  source.clock.advance(seconds(5));
  tokens.invalidate(tokens.get());
  tokens.get();
  CHECK(tokens.status().requests == 4);
}

TEST_CASE("the reason of a forced renewal is told") {
  fake_source source;
  token_cache const tokens = cache_around(source);
  tokens.invalidate(tokens.get());
  tokens.get();
  CHECK(std::string(tokens.status().last_reason) == "refused by the API");
}

TEST_CASE("an observer may throw and loses nothing by it") {
  fake_source source;
  token_cache const tokens(std::ref(source), source.clock, std::make_shared<memory_store>(),
                           [](token_cache_status const&) { throw 1; });
  CHECK(tokens.get().value() == "token-1");
  CHECK(tokens.get().value() == "token-1");
}

TEST_CASE("an observer hears of each renewal, and of nothing else") {
  fake_source source;
  std::vector<token_cache_status> heard;
  token_cache const tokens(std::ref(source), source.clock, std::make_shared<memory_store>(),
                           [&heard](token_cache_status const& status) { heard.push_back(status); });
  tokens.get();
  tokens.get();
  source.is_failing = true;
  source.clock.advance(minutes(40));
  CHECK_THROWS_AS(tokens.get(), error);
  REQUIRE(heard.size() == 2);
  CHECK(heard[0].last_error.empty());
  CHECK(heard[1].failures == 1);
  CHECK(heard[1].last_error.find("unavailable: no token today.") == 0);
  for (int poll = 0; poll < 10; ++poll) {
    CHECK_THROWS_AS(tokens.get(), error);  // in the pause
  }
  CHECK(heard.size() == 2);
}
