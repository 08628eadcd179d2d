// SPDX-License-Identifier: MIT
// What is true of a token file on every machine.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "support/fake_server.hpp"
#include "support/folder.hpp"
#include "support/token_files.hpp"

using namespace cibmtr_auth;
using std::chrono::minutes;
using std::chrono::seconds;
using namespace tests;

TEST_CASE("two sets of credentials share a folder, not a token") {
  tests::folder const place;
  store_in(place.path())->save(granted("ours"));
  credentials another = some_credentials();
  another.client_id = "another";
  token_file theirs(place.path(), fingerprint(test_environment, another));
  CHECK(theirs.load().granted.empty());
  theirs.save(granted("theirs"));
  CHECK(holds(theirs, "theirs"));
  CHECK(holds(*store_in(place.path()), "ours"));
}

TEST_CASE("an old password that is still in use somewhere takes neither token nor pause from the new one") {
  tests::folder const place;
  credentials old = some_credentials();
  old.password = "old password";
  int requests = 0;
  auto run = [&](credentials const& who) {
    auto const store = std::make_shared<token_file>(place.path(), fingerprint(test_environment, who));
    token_cache const tokens(
        [&requests, &who, &old]() -> token {
          ++requests;
          if (who.password.reveal() == old.password.reveal()) {
            throw error(error_kind::rejected, "wrong password");
          }
          return granted("new").granted;
        },
        boot_clock::now, store);
    try {
      tokens.get();
    } catch (error const&) {
    }
  };
  for (int i = 0; i < 5; ++i) {
    run(old);
    run(some_credentials());
  }
  CHECK(requests == 2);
}

TEST_CASE("a lock is held by one at a time until it is dropped, however the folder is written") {
  tests::folder const place;
  std::unique_ptr<token_store::lock> lock = store_in(place.path())->try_lock();
  CHECK(lock);
  CHECK_FALSE(store_in(place.path())->try_lock());
  CHECK_FALSE(store_in(place.path() + "/")->try_lock());
  lock.reset();
  CHECK(store_in(place.path())->try_lock());
}

TEST_CASE("a folder in place of the file or of the lock costs the sharing, not the token") {
  tests::folder const place;
  auto const store = store_in(place.path());
  detail::make_directory(file_in(place.path()));
  CHECK(store->load().granted.empty());
  CHECK(works_alone(store) == 0);
  CHECK_FALSE(std::ifstream(file_in(place.path()) + ".part").is_open());

  tests::folder const other_place;
  detail::make_directory(other_place / (ours().name() + ".lock"));
  CHECK(works_alone(store_in(other_place.path())) == 0);
}

TEST_CASE("a file in place of the folder costs the sharing, not the token") {
  tests::folder const place;
  tests::write_text(place / "file", "a file");
  for (std::string const& path : {place / "file", place / "file/below", std::string()}) {
    CAPTURE(path);
    auto const store = store_in(path);
    CHECK_FALSE(store->is_shared());
    CHECK(works_alone(store) == 0);
  }
  CHECK(tests::text_of(place / "file") == "a file");
}

TEST_CASE("a file that is corrupt, empty or too long counts as none and is replaced") {
  tests::folder const place;
  auto const store = store_in(place.path());
  store->save(granted("old"));
  std::string const sound = tests::text_of(file_in(place.path()));
  std::string const spaces(256 * 1024 + 1 - sound.size(), ' ');
  for (std::string const& text : {std::string(), std::string("\0\0\0", 3), std::string("not JSON"), sound.substr(1),
                                  sound.substr(0, sound.size() / 2), sound + sound, sound + spaces}) {
    CAPTURE(text.size());
    tests::write_text(file_in(place.path()), text);
    CHECK(store->load().granted.empty());
    store->save(granted("new"));
    CHECK(holds(*store, "new"));
  }
  tests::write_text(file_in(place.path()), sound + spaces.substr(1));
  CHECK(holds(*store, "old"));
}

TEST_CASE("a reader finds whole records only, however often they are replaced") {
  tests::folder const place;
  auto const record = [](std::size_t size) {
    boot_clock::time_point const now = boot_clock::now();
    token_record made;
    made.granted = token("of-" + std::to_string(size), std::string(size, 's'), now, now + minutes(30));
    return made;
  };
  store_in(place.path())->save(record(1));
  std::atomic<bool> is_done{false};
  std::atomic<int> torn{0};
  std::atomic<int> seen{0};
  std::thread reader([&] {
    token_file store(place.path(), ours());
    while (!is_done) {
      token const found = store.load().granted;
      torn += found.value() == "of-" + std::to_string(found.scope().size()) ? 0 : 1;
      ++seen;
    }
  });
#ifdef _WIN32
  constexpr std::size_t replacements = 100;  // each waits until nobody reads
#else
  constexpr std::size_t replacements = 2000;
#endif
  token_file store(place.path(), ours());
  for (std::size_t i = 0; i < replacements; ++i) {
    store.save(record(i % 2 == 0 ? 1 + i : 20000 + i));
  }
  is_done = true;
  reader.join();
  CHECK(torn == 0);
  CHECK(seen > 0);
}

TEST_CASE("time asleep counts, by the clock that the store is given") {
  tests::folder const place;
  tests::fake_clock clock;
  auto const store = store_in(place.path(), clock);
  store->save(granted("x", clock()));
  clock.advance(minutes(29));
  token const found = store->load().granted;
  CHECK((found.expires_at() - clock() == minutes(1)));
  clock.advance(minutes(2));
  CHECK((store->load().granted.expires_at() - clock() == -minutes(1)));
}

TEST_CASE("two caches on one folder make one request, for a token and for a refusal") {
  tests::fake_clock clock;
  for (bool is_refused : {false, true}) {
    CAPTURE(is_refused);
    tests::folder const place;
    int requests = 0;
    token_source const source = [&]() -> token {
      ++requests;
      if (is_refused) {
        throw error(error_kind::rejected, "wrong password.");
      }
      return token("shared", "", clock(), clock() + minutes(30));
    };
    for (int i = 0; i < 3; ++i) {
      token_cache const tokens(source, clock, store_in(place.path(), clock));
      if (is_refused) {
        CHECK_THROWS_WITH_AS(tokens.get(), doctest::Contains("Next try not before"), error);
      } else {
        CHECK(tokens.get().value() == "shared");
      }
    }
    CHECK(requests == 1);
  }
}

TEST_CASE("a cron job that runs every minute for an hour with a wrong password makes 3 requests and is told the next") {
  tests::fake_clock clock;
  tests::folder const place;
  int requests = 0;
  auto run = [&](fingerprint const& whose, token_source const& source) {
    return token_cache(source, clock, std::make_shared<token_file>(place.path(), whose, clock)).get();
  };
  for (int minute = 0; minute < 60; ++minute) {
    try {
      run(ours(), [&]() -> token {
        ++requests;
        throw error(error_kind::rejected, "wrong password.");
      });
      FAIL("a wrong password got a token");
    } catch (error const& failure) {
      CHECK(failure.kind() == error_kind::rejected);
      CHECK(failure.retry_after() > seconds(0));
      CHECK(std::string(failure.what()).find("Next try not before ") != std::string::npos);
    }
    clock.advance(minutes(1));
  }
  CHECK(requests == 3);

  credentials changed = some_credentials();
  changed.password = "the-new-one";
  auto grant = [&] { return token("granted", "", clock(), clock() + minutes(30)); };
  CHECK(run(fingerprint(test_environment, changed), grant).value() == "granted");
}
