// SPDX-License-Identifier: MIT
// Which folder is private, where one may be made, and what is reported if it cannot be used.

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>

#ifndef _WIN32

#include <errno.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif

#include <stdexcept>
#include <string>
#include <vector>

#include "support/folder.hpp"
#include "support/variable.hpp"

using namespace cibmtr_auth;
using detail::absolute_path;
using detail::check_directory;
using detail::make_directory;

namespace {

constexpr uid_t some_user = 1001;

/// The message of what `call` throws; empty if it throws nothing.
template <class Call>
std::string reason(Call call) {
  try {
    call();
  } catch (std::runtime_error const& thrown) {
    return thrown.what();
  }
  return std::string();
}

std::string problem_with(std::string const& path) {
  return reason([&] { check_directory(path); });
}
std::string problem_making(std::string const& path) {
  return reason([&] {
    make_directory(path);
    check_directory(path);
  });
}

bool ends_with(std::string const& text, std::string const& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

unsigned mode_of(std::string const& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0 ? found.st_mode & 07777U : 0;
}

bool exists(std::string const& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0;
}

bool is_root() {
  if (geteuid() != 0) {
    MESSAGE("skipped: only root can give files away");
  }
  return geteuid() == 0;
}

/// The exit status of a child that runs as another user.
template <class Work>
int as_user(uid_t user, Work work) {
  return tests::in_child(
      [&] { return setgroups(0, nullptr) == 0 && setgid(user) == 0 && setuid(user) == 0 ? work() : 90; });
}

}  // namespace

TEST_CASE("a folder and those above it are made with mode 0700, whatever the umask") {
  for (mode_t mask : {mode_t(0), mode_t(022), mode_t(077)}) {
    CAPTURE(mask);
    tests::folder const place;
    mode_t const before = umask(mask);
    make_directory(place / "a/b/c");
    umask(before);
    for (char const* name : {"a", "a/b", "a/b/c"}) {
      CHECK(mode_of(place / name) == 0700);
    }
    CHECK(check_directory(place / "a/b/c"));
  }
}

TEST_CASE("a folder that does not exist is no problem: it can be made") {
  tests::folder const place;
  CHECK_FALSE(check_directory(place / "missing"));
  CHECK_FALSE(check_directory(place / "missing/below"));
  CHECK_FALSE(check_directory(std::string()));
}

TEST_CASE("a folder that others can enter or read has a mode to be changed") {
  struct row {
    mode_t mode;
    char const* shown;
  };
  for (row const& r : {row{0701, "0701"}, row{0710, "0710"}, row{0704, "0704"}, row{0750, "0750"}, row{0755, "0755"},
                       row{0777, "0777"}, row{02770, "2770"}}) {
    tests::folder const place;
    REQUIRE(chmod(place.path().c_str(), r.mode) == 0);
    CHECK(problem_with(place.path()) == place.path() + ": has mode " + r.shown + ": chmod 700");
    CHECK(problem_making(place.path()) == place.path() + ": has mode " + r.shown + ": chmod 700");
  }
}

TEST_CASE("a folder that is a symbolic link is not used, however its path is written") {
  tests::folder const place;
  make_directory(place / "real");
  REQUIRE(symlink("real", (place / "link").c_str()) == 0);
  for (char const* spelling : {"link", "link/", "link/.", "link//./"}) {
    CAPTURE(spelling);
    CHECK(problem_with(absolute_path(place / spelling)) == (place / "link") + ": is a symbolic link");
  }
  REQUIRE(symlink("nowhere", (place / "dangling").c_str()) == 0);
  CHECK(problem_with(place / "dangling") == (place / "dangling") + ": is a symbolic link");
  CHECK(problem_making(place / "dangling") == (place / "dangling") + ": is a symbolic link");
  CHECK_FALSE(exists(place / "nowhere"));
}

TEST_CASE("a symbolic link further up in the path is followed") {
  tests::folder const place;
  make_directory(place / "real/cache");
  REQUIRE(symlink("real", (place / "link").c_str()) == 0);
  CHECK(check_directory(place / "link/cache"));
  make_directory(place / "link/other");
  CHECK(check_directory(place / "real/other"));
}

TEST_CASE("a link that root made is followed for other users, as systemd makes one for DynamicUser=") {
  if (!is_root()) {
    return;
  }
  tests::folder const place;
  REQUIRE(chmod(place.path().c_str(), 0711) == 0);
  for (char const* name : {"mine", "roots"}) {
    make_directory(place / name);
    REQUIRE(symlink(name, (place / name + "-link").c_str()) == 0);
  }
  REQUIRE(chown((place / "mine").c_str(), some_user, some_user) == 0);
  CHECK(as_user(some_user, [&] { return check_directory(place / "mine-link") ? 0 : 1; }) == 0);
  CHECK(as_user(some_user, [&] {
          return problem_with(place / "roots-link") == (place / "roots-link") + ": belongs to root" ? 0 : 1;
        }) == 0);
  REQUIRE(chmod((place / "mine").c_str(), 0755) == 0);
  CHECK(as_user(some_user, [&] {
          return ends_with(problem_with(place / "mine-link"), ": has mode 0755: chmod 700") ? 0 : 1;
        }) == 0);
  REQUIRE(lchown((place / "mine-link").c_str(), some_user + 1, some_user + 1) == 0);
  CHECK(as_user(some_user,
                [&] { return ends_with(problem_with(place / "mine-link"), ": is a symbolic link") ? 0 : 1; }) == 0);
}

TEST_CASE("a folder of another user is not used, and the message names the owner") {
  if (!is_root()) {
    return;
  }
  tests::folder const place;
  REQUIRE(chown(place.path().c_str(), some_user, some_user) == 0);
  CHECK(problem_with(place.path()) == place.path() + ": belongs to uid 1001");
  CHECK(as_user(65534, [&] { return problem_with(place.path()) == place.path() + ": belongs to uid 1001" ? 0 : 1; }) ==
        0);
  REQUIRE(chown(place.path().c_str(), 0, 0) == 0);
  CHECK(as_user(some_user, [&] { return problem_with(place.path()) == place.path() + ": belongs to root" ? 0 : 1; }) ==
        0);
}

TEST_CASE("something else in place of the folder, or above it, is reported") {
  tests::folder const place;
  tests::write_text(place / "file", "a file");
  CHECK(problem_with(place / "file") == (place / "file") + ": is not a directory");
  CHECK(problem_with(place / "file/below") == (place / "file/below") + ": Not a directory");
  CHECK(problem_making(place / "file/below") == (place / "file/below") + ": Not a directory");
  CHECK(problem_making("/dev/null/x") == "/dev/null/x: Not a directory");
  CHECK(problem_making(std::string()) == ": No such file or directory");
  CHECK(tests::text_of(place / "file") == "a file");
}

TEST_CASE("sudo with a user's HOME makes no folder there that the user could not use") {
  if (!is_root()) {
    return;
  }
  tests::folder const home;
  REQUIRE(chown(home.path().c_str(), some_user, some_user) == 0);
  std::string const cache = home / ".cache/cibmtr_auth";
  CHECK(problem_making(cache) == home.path() + ": belongs to uid 1001, so no folder is made in it");
  CHECK_FALSE(exists(home / ".cache"));
  CHECK(as_user(some_user, [&] { return problem_making(cache).empty() ? 0 : 1; }) == 0);
  CHECK(problem_with(cache) == cache + ": belongs to uid 1001");
}

TEST_CASE("no folder is made below one of a third user, even if everybody may write there") {
  if (!is_root()) {
    return;
  }
  tests::folder const place;
  REQUIRE(chown(place.path().c_str(), some_user, some_user) == 0);
  REQUIRE(chmod(place.path().c_str(), 0777) == 0);
  CHECK(as_user(65534, [&] {
          return ends_with(problem_making(place / "a"), "belongs to uid 1001, so no folder is made in it") ? 0 : 1;
        }) == 0);
  CHECK_FALSE(exists(place / "a"));
}

TEST_CASE("a folder can be made below one of root's, such as a Kubernetes volume with fsGroup") {
  if (!is_root()) {
    return;
  }
  tests::folder const volume;
  REQUIRE(chown(volume.path().c_str(), 0, some_user) == 0);
  REQUIRE(chmod(volume.path().c_str(), 02775) == 0);
  CHECK(as_user(some_user, [&] { return problem_making(volume / "a/cache").empty() ? 0 : 1; }) == 0);
  CHECK((mode_of(volume / "a/cache") & 0777U) == 0700);
  CHECK(as_user(some_user,
                [&] { return problem_with(volume.path()) == volume.path() + ": belongs to root" ? 0 : 1; }) == 0);
}

TEST_CASE("a HOME that does not exist is never made, however it is written") {
  tests::folder const place;
  std::string const home = place / "nonexistent";
  for (std::string const& spelling : {home, home + "/", home + "//", home + "/."}) {
    CAPTURE(spelling);
    tests::variable const variable("HOME", spelling.c_str());
    CHECK(problem_making(absolute_path(spelling + "/.cache/cibmtr_auth")) == home + ": is HOME, but does not exist");
    CHECK(problem_making(home + "/.cache") == home + ": is HOME, but does not exist");
    CHECK(problem_making(home) == home + ": is HOME, but does not exist");
    CHECK_FALSE(exists(home));
  }
  tests::variable const variable("HOME", nullptr);
  CHECK(problem_making(home + "/.cache").empty());
}

TEST_CASE("a folder that must not be made is reported with the system's reason") {
  if (geteuid() == 0) {
    CHECK(as_user(some_user,
                  [] { return problem_making("/cibmtr_auth/x") == "/cibmtr_auth: Permission denied" ? 0 : 1; }) == 0);
  } else {
    CHECK(problem_making("/cibmtr_auth/x") == "/cibmtr_auth: Permission denied");
  }
  CHECK_FALSE(exists("/cibmtr_auth"));
}

#ifdef __linux__
TEST_CASE("a read-only file system and a full one are reported as such") {
  tests::folder const place;
  auto const on_file_system = [&](unsigned long flags, char const* options, char const* end) {
    return tests::in_child([&] {
      bool const is_mounted = unshare(CLONE_NEWNS) == 0 &&
                              mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                              mount("tmpfs", place.path().c_str(), "tmpfs", flags, options) == 0;
      return !is_mounted ? 77 : problem_making(place / "a/b") == place / "a" + end ? 0 : 1;
    });
  };
  int const status = on_file_system(MS_RDONLY, "size=64k", ": Read-only file system");
  if (status == 77) {
    MESSAGE("skipped: no file system can be mounted here");
    return;
  }
  CHECK(status == 0);
  CHECK(on_file_system(0, "nr_inodes=1", ": No space left on device") == 0);
}
#endif

TEST_CASE("a path is made absolute at once, and loses an end that would follow a symbolic link") {
  tests::folder const place;
  CHECK(tests::in_child([&] {
          if (chdir(place.path().c_str()) != 0) {
            return 90;
          }
          char current[4096];
          std::string const here = getcwd(current, sizeof current) ? current : "";
          return absolute_path("a") == here + "/a" && absolute_path("a/./") == here + "/a" &&
                         absolute_path(".") == here && absolute_path("../a") == here + "/../a"
                     ? 0
                     : 1;
        }) == 0);
  struct row {
    char const* path;
    char const* result;
  };
  for (row const& r : {row{"/a/b", "/a/b"}, row{"/a/b/", "/a/b"}, row{"/a/b/.", "/a/b"}, row{"/a/b//./", "/a/b"},
                       row{"/a/..", "/a/.."}, row{"/a/b.", "/a/b."}, row{"/", "/"}, row{"/.", "/"}, row{"", ""}}) {
    CAPTURE(r.path);
    CHECK(absolute_path(r.path) == r.result);
  }
}

TEST_CASE("a relative path whose folder has been removed is reported, not made elsewhere") {
  CHECK(tests::in_child([] {
          tests::folder const place;
          if (chdir(place.path().c_str()) != 0 || rmdir(place.path().c_str()) != 0) {
            return 90;
          }
          return problem_making(absolute_path("a/b")).empty() ? 1 : 0;
        }) == 0);
}

TEST_CASE("a call that a signal interrupts is made again, whatever call it is") {
  int calls = 0;
  CHECK(detail::retry_interrupted([&] {
          errno = EINTR;
          return ++calls < 4 ? -1 : 7;
        }) == 7);
  CHECK(calls == 4);
  CHECK(detail::retry_interrupted([&] {
          ++calls;
          errno = EIO;
          return -1;
        }) == -1);
  CHECK(calls == 5);
}

#endif
