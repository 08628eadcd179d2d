// SPDX-License-Identifier: MIT
// What the file system of a POSIX machine may hold and refuse.

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>

#ifndef _WIN32

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "support/fake_server.hpp"
#include "support/folder.hpp"

using namespace cibmtr_auth;
using std::chrono::minutes;
using std::chrono::seconds;
using tests::some_credentials;

namespace {

constexpr uid_t nobody = 65534;

fingerprint ours() {
  return fingerprint(test_environment, some_credentials());
}

std::string file_in(std::string const& path) {
  return path + "/" + ours().name() + ".json";
}

std::shared_ptr<token_file> store_in(std::string const& path, clock_function const& now = boot_clock::now) {
  return std::make_shared<token_file>(path, ours(), now);
}

token_record granted(std::string const& value, boot_clock::time_point now = boot_clock::now()) {
  token_record record;
  record.granted = token(value, "scope", now, now + minutes(30));
  return record;
}

bool holds(token_file& store, std::string const& value) {
  return store.load().granted.value() == value;
}

unsigned mode_of(std::string const& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0 ? found.st_mode & 07777U : 0;
}

bool is_regular(std::string const& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode);
}

bool is_there(std::string const& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0;
}

/// Whether a cache around the store, which cannot share, gives tokens at once, backs off and latches all the same.
int works_alone(std::shared_ptr<token_store> const& store, tests::fake_clock clock = tests::fake_clock()) {
  int requests = 0;
  bool is_failing = true;
  token_cache const tokens(
      [&]() -> token {
        ++requests;
        if (is_failing) {
          throw error(error_kind::rejected, "wrong password.");
        }
        return token("alone", "", clock(), clock() + minutes(30));
      },
      clock, store);
  auto const start = std::chrono::steady_clock::now();
  for (int call = 0; call < 14; ++call) {
    try {
      tokens.get();
      return 1;
    } catch (error const& failure) {
      if (failure.kind() != error_kind::rejected) {
        return 2;
      }
    }
    clock.advance(minutes(1));
  }
  if (requests != 1) {
    return 3;
  }
  is_failing = false;
  clock.advance(minutes(1));
  if (tokens.get().value() != "alone" || tokens.get().value() != "alone" || requests != 2) {
    return 4;
  }
  return std::chrono::steady_clock::now() - start < seconds(5) ? 0 : 5;
}

/// Sets a variable, or unsets it for null, until the test ends.
class variable {
 public:
  variable(char const* name, char const* value) : name_(name), was_set_(std::getenv(name) != nullptr) {
    before_ = was_set_ ? std::getenv(name) : "";
    put(value);
  }
  variable(variable const&) = delete;
  variable& operator=(variable const&) = delete;
  ~variable() { put(was_set_ ? before_.c_str() : nullptr); }

 private:
  void put(char const* value) {
    if (value) {
      setenv(name_, value, 1);
    } else {
      unsetenv(name_);
    }
  }

  char const* name_;
  bool was_set_;
  std::string before_;
};

}  // namespace

TEST_CASE("what one process saves another one of the same user loads") {
  tests::folder const place;
  store_in(place / "a")->save(granted("shared"));
  CHECK(tests::in_child([&place] { return holds(*store_in(place / "a"), "shared") ? 0 : 1; }) == 0);
  CHECK(store_in(place / "b")->load().granted.empty());
}

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

TEST_CASE("the file has mode 0600, its folder and those made above it 0700, whatever the umask") {
  for (mode_t mask : {mode_t(0), mode_t(022), mode_t(077)}) {
    CAPTURE(mask);
    tests::folder const place;
    mode_t const before = umask(mask);
    auto const store = store_in(place / "a/b/c");
    store->save(granted("x"));
    std::unique_ptr<token_store::lock> const lock = store->try_lock();
    umask(before);
    CHECK(store->is_shared());
    CHECK(mode_of(place / "a") == 0700);
    CHECK(mode_of(place / "a/b") == 0700);
    CHECK(mode_of(place / "a/b/c") == 0700);
    CHECK(mode_of(file_in(place / "a/b/c")) == 0600);
    CHECK(mode_of(place / "a/b/c/" + ours().name() + ".lock") == 0600);
  }
}

TEST_CASE("nothing but the file and its lock is left in the folder") {
  tests::folder const place;
  auto const store = store_in(place.path());
  for (int i = 0; i < 3; ++i) {
    std::unique_ptr<token_store::lock> const lock = store->try_lock();
    store->save(granted("x"));
  }
  CHECK_FALSE(is_there(file_in(place.path()) + ".part"));
  CHECK(unlink(file_in(place.path()).c_str()) == 0);
  CHECK(unlink((place / (ours().name() + ".lock")).c_str()) == 0);
  CHECK(rmdir(place.path().c_str()) == 0);
}

TEST_CASE("a folder that others can enter or read is not used") {
  for (mode_t mode : {mode_t(0701), mode_t(0710), mode_t(0704), mode_t(0750), mode_t(0755), mode_t(0777)}) {
    CAPTURE(mode);
    tests::folder const place;
    store_in(place.path())->save(granted("old"));
    REQUIRE(chmod(place.path().c_str(), mode) == 0);
    auto const store = store_in(place.path());
    CHECK_FALSE(store->is_shared());
    CHECK(store->load().granted.empty());
    store->save(granted("new"));
    CHECK(works_alone(store) == 0);
    REQUIRE(chmod(place.path().c_str(), 0700) == 0);
    CHECK(holds(*store, "old"));
    CHECK_FALSE(is_there(place / (ours().name() + ".lock")));
  }
}

TEST_CASE("a folder that is a symbolic link is not used") {
  tests::folder const place;
  store_in(place / "real")->save(granted("old"));
  REQUIRE(symlink((place / "real").c_str(), (place / "link").c_str()) == 0);
  for (std::string const& path : {place / "link", place / "link/"}) {
    auto const store = store_in(path);
    CHECK_FALSE(store->is_shared());
    CHECK(store->load().granted.empty());
    store->save(granted("new"));
    CHECK(works_alone(store) == 0);
    CHECK(holds(*store_in(place / "real"), "old"));
  }
}

TEST_CASE("a folder or a file of another user is not used") {
  if (geteuid() != 0) {
    MESSAGE("skipped: only root can give a file away");
    return;
  }
  tests::folder const place;
  auto const store = store_in(place / "a");
  store->save(granted("old"));
  REQUIRE(chown(file_in(place / "a").c_str(), nobody, nobody) == 0);
  CHECK(store->load().granted.empty());
  store->save(granted("new"));
  CHECK(holds(*store, "new"));
  REQUIRE(chown((place / "a").c_str(), nobody, nobody) == 0);
  CHECK_FALSE(store->is_shared());
  CHECK(store->load().granted.empty());
  CHECK(works_alone(store) == 0);
}

TEST_CASE("a file that others can read or write counts as none and is replaced") {
  for (mode_t mode : {mode_t(0644), mode_t(0640), mode_t(0604), mode_t(0620), mode_t(0601)}) {
    CAPTURE(mode);
    tests::folder const place;
    auto const store = store_in(place.path());
    store->save(granted("old"));
    REQUIRE(chmod(file_in(place.path()).c_str(), mode) == 0);
    CHECK(store->load().granted.empty());
    store->save(granted("new"));
    CHECK(holds(*store, "new"));
    CHECK(mode_of(file_in(place.path())) == 0600);
  }
}

TEST_CASE("a symbolic link in place of the file counts as none and is replaced, not followed") {
  tests::folder const place;
  auto const store = store_in(place.path());
  store->save(granted("old"));
  REQUIRE(rename(file_in(place.path()).c_str(), (place / "elsewhere").c_str()) == 0);
  REQUIRE(symlink("elsewhere", file_in(place.path()).c_str()) == 0);
  std::string const before = tests::text_of(place / "elsewhere");
  CHECK(store->load().granted.empty());
  store->save(granted("new"));
  CHECK(holds(*store, "new"));
  CHECK(is_regular(file_in(place.path())));
  CHECK((tests::text_of(place / "elsewhere") == before));
}

TEST_CASE("a symbolic link in place of the unfinished file is not followed") {
  tests::folder const place;
  tests::write_text(place / "precious", "precious");
  REQUIRE(symlink("precious", (file_in(place.path()) + ".part").c_str()) == 0);
  store_in(place.path())->save(granted("new"));
  CHECK(holds(*store_in(place.path()), "new"));
  CHECK(tests::text_of(place / "precious") == "precious");
}

TEST_CASE("a symbolic link in place of the lock is not followed, and costs the lock alone") {
  tests::folder const place;
  REQUIRE(symlink("precious", (place / (ours().name() + ".lock")).c_str()) == 0);
  CHECK(works_alone(store_in(place.path())) == 0);
  CHECK_FALSE(is_there(place / "precious"));
}

TEST_CASE("a FIFO in place of the file counts as none, makes nobody wait, and is replaced") {
  CHECK(tests::in_child([] {
          tests::folder const place;
          mkfifo(file_in(place.path()).c_str(), 0600);
          auto const store = store_in(place.path());
          bool const is_none = store->load().granted.empty();
          store->save(granted("new"));
          return is_none && holds(*store, "new") && is_regular(file_in(place.path())) ? 0 : 1;
        }) == 0);
}

TEST_CASE("a folder in place of the file or of the lock costs the sharing, not the token") {
  tests::folder const place;
  auto const store = store_in(place.path());
  REQUIRE(mkdir(file_in(place.path()).c_str(), 0700) == 0);
  CHECK(store->load().granted.empty());
  CHECK(works_alone(store) == 0);
  CHECK_FALSE(is_there(file_in(place.path()) + ".part"));
  REQUIRE(unlink((place / (ours().name() + ".lock")).c_str()) == 0);
  REQUIRE(mkdir((place / (ours().name() + ".lock")).c_str(), 0700) == 0);
  CHECK(works_alone(store) == 0);
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
  token_file store(place.path(), ours());
  for (std::size_t i = 0; i < 2000; ++i) {
    store.save(record(i % 2 == 0 ? 1 + i : 20000 + i));
  }
  is_done = true;
  reader.join();
  CHECK(torn == 0);
  CHECK(seen > 0);
}

TEST_CASE("a folder that cannot be made costs the sharing, never the token") {
  tests::folder const place;
  tests::write_text(place / "file", "a file");
  for (std::string const& path : {place / "file", place / "file/below", std::string("/proc/cibmtr_auth/x"),
                                  std::string("/dev/full"), std::string("/dev/null/x"), std::string()}) {
    CAPTURE(path);
    auto const store = store_in(path);
    CHECK_FALSE(store->is_shared());
    CHECK(works_alone(store) == 0);
  }
  CHECK(tests::text_of(place / "file") == "a file");
}

TEST_CASE("a folder that cannot be written costs the sharing, never the token, and makes nobody wait") {
  for (bool has_old_files : {false, true}) {
    CAPTURE(has_old_files);
    tests::folder const place;
    REQUIRE(mkdir((place / "a").c_str(), 0700) == 0);
    if (geteuid() == 0) {
      REQUIRE(chmod(place.path().c_str(), 0711) == 0);
      REQUIRE(chown((place / "a").c_str(), nobody, nobody) == 0);
    }
    CHECK(tests::in_child([&] {
            if (geteuid() == 0 && setuid(nobody) != 0) {
              return 90;
            }
            tests::fake_clock clock;
            auto const store = store_in(place / "a", clock);
            if (has_old_files) {
              store->try_lock().reset();
              store->save(granted("expired", clock()));
              clock.advance(minutes(40));
              chmod((place / ("a/" + ours().name() + ".lock")).c_str(), 0400);
            }
            chmod((place / "a").c_str(), 0500);
            int const status = works_alone(store, clock);
            chmod((place / "a").c_str(), 0700);
            return store->is_shared() ? 91 : status;
          }) == 0);
  }
}

TEST_CASE("a full disk costs the sharing, never the token, and leaves the old file whole") {
  for (rlim_t room : {rlim_t(0), rlim_t(100)}) {
    CAPTURE(room);
    tests::folder const place;
    CHECK(tests::in_child([&] {
            tests::fake_clock clock;
            auto const store = store_in(place.path(), clock);
            store->save(granted("old", clock()));
            signal(SIGXFSZ, SIG_IGN);
            rlimit const limit = {room, room};
            setrlimit(RLIMIT_FSIZE, &limit);
            store->save(granted("new", clock()));
            if (!holds(*store, "old") || is_there(file_in(place.path()) + ".part")) {
              return 92;
            }
            clock.advance(minutes(40));
            int const status = works_alone(store, clock);
            return holds(*store, "old") ? status : 93;
          }) == 0);
  }
}

TEST_CASE("a lock is held by one at a time, in one process or in several, until it is dropped") {
  tests::folder const place;
  auto const can_lock = [&place] { return store_in(place.path())->try_lock() ? 0 : 1; };
  std::unique_ptr<token_store::lock> lock = store_in(place.path())->try_lock();
  CHECK(lock);
  CHECK_FALSE(store_in(place.path())->try_lock());
  CHECK(tests::in_child(can_lock) == 1);
  CHECK_FALSE(store_in(place.path())->try_lock());
  CHECK(tests::in_child(can_lock) == 1);  // still, although another of this process has tried
  lock.reset();
  CHECK(tests::in_child(can_lock) == 0);
  CHECK(store_in(place.path())->try_lock());
}

TEST_CASE("one folder written in two ways is one lock") {
  tests::folder const place;
  std::unique_ptr<token_store::lock> const lock = store_in(place.path())->try_lock();
  CHECK_FALSE(store_in(place.path() + "/")->try_lock());
  CHECK(tests::in_child([&place] { return store_in(place.path())->try_lock() ? 0 : 1; }) == 1);
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

TEST_CASE("the default folder is cibmtr_auth in XDG_CACHE_HOME, else in ~/.cache, else there is none") {
  struct row {
    char const* xdg;
    char const* home;
    char const* folder;
  };
  for (row const& r :
       {row{"/xdg", "/home/me", "/xdg/cibmtr_auth"}, row{"/xdg", nullptr, "/xdg/cibmtr_auth"},
        row{nullptr, "/home/me", "/home/me/.cache/cibmtr_auth"}, row{"", "/home/me", "/home/me/.cache/cibmtr_auth"},
        row{"not/absolute", "/home/me", "/home/me/.cache/cibmtr_auth"}, row{nullptr, nullptr, ""}, row{"", "", ""},
        row{"not/absolute", nullptr, ""}}) {
    variable const xdg("XDG_CACHE_HOME", r.xdg);
    variable const home("HOME", r.home);
    CHECK(default_cache_directory() == r.folder);
  }
}

#endif
