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

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "support/fake_server.hpp"
#include "support/folder.hpp"
#include "support/token_files.hpp"
#include "support/variable.hpp"

using namespace cibmtr_auth;
using std::chrono::minutes;
using std::chrono::seconds;
using namespace tests;

namespace {

constexpr uid_t nobody = 65534;

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

}  // namespace

TEST_CASE("what one process saves another one of the same user loads") {
  tests::folder const place;
  store_in(place / "a")->save(granted("shared"));
  CHECK(tests::in_child([&place] { return holds(*store_in(place / "a"), "shared") ? 0 : 1; }) == 0);
  CHECK(store_in(place / "b")->load().granted.empty());
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

TEST_CASE("a folder that cannot be made costs the sharing, never the token") {
  for (std::string const path : {"/proc/cibmtr_auth/x", "/dev/full", "/dev/null/x"}) {
    CAPTURE(path);
    auto const store = store_in(path);
    CHECK_FALSE(store->is_shared());
    CHECK(works_alone(store) == 0);
  }
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

TEST_CASE("a forked child that drops its parent's lock leaves it to the parent") {
  folder const place;
  std::unique_ptr<token_store::lock> lock = store_in(place.path())->try_lock();
  REQUIRE(lock);
  CHECK(tests::in_child([&lock] {
          lock.reset();
          return 0;
        }) == 0);
  CHECK(tests::in_child([&place] { return store_in(place.path())->try_lock() ? 1 : 0; }) == 0);
}

TEST_CASE("one folder written in two ways is one lock") {
  tests::folder const place;
  std::unique_ptr<token_store::lock> const lock = store_in(place.path())->try_lock();
  CHECK_FALSE(store_in(place.path() + "/")->try_lock());
  CHECK(tests::in_child([&place] { return store_in(place.path())->try_lock() ? 0 : 1; }) == 1);
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
