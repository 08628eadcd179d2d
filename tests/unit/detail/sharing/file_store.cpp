// SPDX-License-Identifier: MIT
// Compare-and-swap in files: what processes, threads and signals must not break, and what is reported if it cannot work.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/folder.hpp"
#include "support/variable.hpp"

#ifdef _WIN32
#include <process.h>
#include <stdint.h>
#else
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif
#endif

using namespace cibmtr_auth;
using detail::file_store;

namespace {

std::string const key = "6186ac17151b878f13c1_1";

bool put(token_store& store, std::string const& expected, std::string const& text) {
  return store.replace(key, expected, text, std::chrono::hours(1));
}

bool holds(token_store& store, std::string const& text) { return store.load(key).reveal() == text; }

/// Stores `text`, whatever is stored. False if that fails for ten seconds.
bool set(token_store& store, std::string const& text) {
  for (int i = 0; i < 5000; ++i) {
    if (store.replace(key, store.load(key), text, std::chrono::hours(1))) {
      return true;
    }
  }
  return false;
}

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

std::string problem_storing(std::string const& directory) {
  return reason([&] {
    file_store store(directory);
    put(store, store.load(key).reveal(), "text");
  });
}

/// Adds 1 to the number that is stored, so often. 0 if nothing fails; on a busy machine others may have the lock for long.
int count_up(std::string const& directory, int updates) {
  file_store store(directory);
  for (int done = 0; done < updates;) {
    try {
      secret const before = store.load(key);
      int const count = before.empty() ? 0 : std::stoi(before.reveal());
      done += store.replace(key, before, std::to_string(count + 1), std::chrono::hours(1)) ? 1 : 0;
    } catch (std::runtime_error const& thrown) {
      if (std::string(thrown.what()).find("is locked by another process") == std::string::npos) {
        return 1;
      }
    }
  }
  return 0;
}

void make(std::string const& path) { detail::make_directory(path); }

}  // namespace

TEST_CASE("what one store writes another one in the same folder loads, and one elsewhere does not") {
  tests::folder const place;
  file_store one(place / "a");
  CHECK(holds(one, ""));
  CHECK(put(one, "", "text"));
  file_store other(place / "a");
  CHECK(holds(other, "text"));
  file_store elsewhere(place / "b");
  CHECK(holds(elsewhere, ""));
}

TEST_CASE("a text replaces only the one that was expected, compared byte for byte") {
  tests::folder const place;
  file_store store(place.path());
  std::string const zeros("a\0b", 3);
  CHECK_FALSE(put(store, "other", "new"));
  CHECK(holds(store, ""));
  CHECK(put(store, "", zeros));
  for (std::string const& wrong : {std::string(), std::string("a"), std::string("a\0c", 3), std::string("a\0b\0", 4)}) {
    CHECK_FALSE(put(store, wrong, "new"));
    CHECK_FALSE(put(store, wrong, ""));
    CHECK(holds(store, zeros));
  }
  CHECK(put(store, zeros, "new"));
  CHECK(holds(store, "new"));
}

TEST_CASE("an empty text removes the entry, and removing one that is missing succeeds") {
  tests::folder const place;
  file_store store(place / "a");
  CHECK(put(store, "", ""));
  CHECK_FALSE(put(store, "text", ""));
  CHECK_FALSE(detail::check_directory(place / "a"));
  CHECK(put(store, "", "text"));
  CHECK(put(store, "text", ""));
  CHECK(holds(store, ""));
  CHECK(put(store, "", ""));
  CHECK(put(store, "", "again"));
}

TEST_CASE("keys in one folder are independent of each other") {
  tests::folder const place;
  file_store store(place.path());
  CHECK(put(store, "", "one"));
  CHECK(store.replace("b_1", secret(), "two", std::chrono::hours(1)));
  CHECK(put(store, "one", ""));
  CHECK(store.load("b_1").reveal() == "two");
}

TEST_CASE("loading makes no folder") {
  tests::folder const place;
  file_store store(place / "a");
  CHECK(holds(store, ""));
  CHECK_FALSE(detail::check_directory(place / "a"));
}

TEST_CASE("a folder that is removed at run time is made again by the next write") {
  tests::folder const place;
  file_store store(place / "a/b");
  for (int i = 0; i < 3; ++i) {
    CHECK(put(store, "", "text"));
    CHECK(holds(store, "text"));
    tests::remove_all(place / "a");
    CHECK(holds(store, ""));
    CHECK_FALSE(put(store, "text", "new"));
  }
}

TEST_CASE("a text longer than 256 KiB counts as missing and is replaced") {
  tests::folder const place;
  file_store store(place.path());
  CHECK(put(store, "", std::string(256 * 1024, 'x')));
  CHECK(holds(store, std::string(256 * 1024, 'x')));
  CHECK(set(store, ""));
  tests::write_text(place / key, std::string(256 * 1024 + 1, 'x'));
  CHECK(holds(store, ""));
  CHECK(put(store, "", "new"));
  CHECK(holds(store, "new"));
}

TEST_CASE("a folder in place of the file or of its lock is reported, and nothing is left beside it") {
  tests::folder const place;
  make(place / "a/" + key);
  CHECK(problem_storing(place / "a").find(key + ": ") != std::string::npos);
  CHECK_FALSE(std::ifstream(place / "a/" + key + ".part").is_open());
  make(place / "b/" + key + ".lock");
  std::string const problem = problem_storing(place / "b");
  CHECK(problem.find("b: lock file " + key + ".lock cannot be opened: ") != std::string::npos);
}

TEST_CASE("a file in place of the folder is reported and left alone") {
  tests::folder const place;
  tests::write_text(place / "file", "a file");
  CHECK(problem_storing(place / "file").find(": is not a directory") != std::string::npos);
  CHECK_FALSE(problem_storing(place / "file/below").empty());
  CHECK_FALSE(problem_storing("").empty());
  CHECK(tests::text_of(place / "file") == "a file");
}

TEST_CASE("two stores in one process lose no update, however their folder is written") {
  tests::folder const place;
  make(place / "a");
#ifdef _WIN32
  std::vector<std::string> const spellings = {place / "a", place / "a/", place / "a/.", place / "./a", place / "a\\"};
  constexpr int updates = 40;
#else
  REQUIRE(symlink(place.path().c_str(), (place / "link").c_str()) == 0);
  std::vector<std::string> const spellings = {place / "a", place / "a/", place / "a/.", place / "link/a",
                                              place / "a/../a"};
  constexpr int updates = 400;
#endif
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (std::string const& spelling : spellings) {
    threads.emplace_back([&] { failures += count_up(spelling, updates); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(failures == 0);
  file_store store(place / "a");
  CHECK(holds(store, std::to_string(updates * static_cast<int>(spellings.size()))));
}

TEST_CASE("a reader finds whole texts only, however often they are replaced") {
  tests::folder const place;
  file_store writer(place.path());
  CHECK(put(writer, "", std::string(1, 'x')));
  std::atomic<bool> is_done{false};
  std::atomic<int> torn{0};
  std::atomic<int> seen{0};
  std::thread reading([&] {
    file_store store(place.path());
    while (!is_done) {
      secret const found = store.load(key);
      std::string const& text = found.reveal();
      torn +=
          text.empty() || text != std::string(text.size(), 'x') || (text.size() > 1 && text.size() != 20000) ? 1 : 0;
      ++seen;
#ifdef _WIN32
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a file that is being read cannot be replaced
#endif
    }
  });
#ifdef _WIN32
  constexpr int replacements = 100;
#else
  constexpr int replacements = 2000;
#endif
  int failed = 0;
  std::string const problem = reason([&] {
    for (int i = 0; i < replacements; ++i) {
      failed += set(writer, std::string(i % 2 == 0 ? 20000 : 1, 'x')) ? 0 : 1;
    }
  });
  is_done = true;
  reading.join();
  CHECK(problem.empty());
  CHECK(failed == 0);
  CHECK(torn == 0);
  CHECK(seen > 0);
}

#ifdef _WIN32

namespace {

char const* const child_folder = "CIBMTR_AUTH_TESTS_CHILD_FOLDER";

/// This program once more, as one of the children below, in a folder.
intptr_t start_child(char const* name, tests::folder const& place) {
  tests::variable const where(child_folder, place.path().c_str());
  std::string const test_case = std::string("--test-case=\"the child that ") + name + "\"";
  return _spawnl(_P_NOWAIT, _pgmptr, "child", test_case.c_str(), "--no-skip", static_cast<char*>(nullptr));
}

/// 0 if the child's checks held.
int status_of(intptr_t child) {
  int status = -1;
  _cwait(&status, child, 0);
  return status;
}

std::string folder_of_child() {
  char const* const path = getenv(child_folder);
  return path ? path : "";
}

bool exists(std::string const& path) { return std::ifstream(path).is_open(); }

/// Not longer than 20 seconds.
void wait_for(std::string const& path) {
  for (int i = 0; i < 2000 && !exists(path); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

TEST_CASE("the child that replaces" * doctest::skip()) {
  file_store store(folder_of_child());
  CHECK(holds(store, "shared"));
  CHECK(put(store, "shared", "by the child"));
}

TEST_CASE("the child that waits in vain" * doctest::skip()) {
  CHECK(problem_storing(folder_of_child()).find("is locked by another process") != std::string::npos);
}

TEST_CASE("the child that dies with the lock" * doctest::skip()) {
  if (detail::open_locked(folder_of_child() + "/" + key + ".lock") >= 0) {
    _exit(42);
  }
}

TEST_CASE("the child that outlives a lock" * doctest::skip()) {
  tests::write_text(folder_of_child() + "/lives", "");
  wait_for(folder_of_child() + "/end");
}

TEST_CASE("what one process stores another one loads and replaces") {
  tests::folder const place;
  file_store store(place.path());
  CHECK(put(store, "", "shared"));
  CHECK(status_of(start_child("replaces", place)) == 0);
  CHECK(holds(store, "by the child"));
}

TEST_CASE("a lock excludes other processes, and ends with its process, however it dies") {
  tests::folder const place;
  CHECK(status_of(start_child("dies with the lock", place)) == 42);
  int const lock = detail::open_locked(place / key + ".lock");
  CHECK(lock >= 0);
  CHECK(status_of(start_child("waits in vain", place)) == 0);
  detail::close_file(lock);
}

TEST_CASE("a program started while a lock is held does not hold it too") {
  tests::folder const place;
  int const lock = detail::open_locked(place / key + ".lock");
  REQUIRE(lock >= 0);
  intptr_t const child = start_child("outlives a lock", place);
  wait_for(place / "lives");
  detail::close_file(lock);
  CHECK(problem_storing(place.path()).empty());
  tests::write_text(place / "end", "");
  CHECK(status_of(child) == 0);
}

TEST_CASE("a file is replaced although others read it") {
  tests::folder const place;
  file_store store(place.path());
  CHECK(put(store, "", "old"));
  std::ifstream reader(place / key);
  bool is_replaced = false;
  std::thread replacing([&] { is_replaced = put(store, "old", "new"); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  reader.close();
  replacing.join();
  CHECK(is_replaced);
  CHECK(holds(store, "new"));
}

#else

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

bool exists(std::string const& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0;
}

/// Runs `work` in a child that is not root, in a new folder below `place` that belongs to it.
template <class Work>
int as_nobody(tests::folder const& place, Work work) {
  make(place / "a");
  if (geteuid() == 0) {
    REQUIRE(chmod(place.path().c_str(), 0711) == 0);
    REQUIRE(chown((place / "a").c_str(), nobody, nobody) == 0);
  }
  return tests::in_child([&] {
    bool const is_other = geteuid() != 0 || (setgroups(0, nullptr) == 0 && setgid(nobody) == 0 && setuid(nobody) == 0);
    return is_other ? work(place / "a") : 90;
  });
}

}  // namespace

TEST_CASE("the file and its lock have mode 0600, whatever the umask, and nothing else is left in the folder") {
  for (mode_t mask : {mode_t(0), mode_t(022), mode_t(077)}) {
    CAPTURE(mask);
    tests::folder const place;
    file_store store(place.path());
    mode_t const before = umask(mask);
    for (int i = 0; i < 3; ++i) {
      CHECK(set(store, std::to_string(i)));
    }
    umask(before);
    CHECK(mode_of(place / key) == 0600);
    CHECK(mode_of(place / key + ".lock") == 0600);
    CHECK(unlink((place / key).c_str()) == 0);
    CHECK(unlink((place / key + ".lock").c_str()) == 0);
    CHECK(rmdir(place.path().c_str()) == 0);
  }
}

TEST_CASE("in a folder that others can enter nothing is read or written") {
  tests::folder const place;
  file_store store(place.path());
  CHECK(put(store, "", "old"));
  REQUIRE(unlink((place / key + ".lock").c_str()) == 0);
  REQUIRE(chmod(place.path().c_str(), 0755) == 0);
  CHECK(reason([&] { store.load(key); }) == place.path() + ": has mode 0755: chmod 700");
  CHECK(reason([&] { put(store, "old", "new"); }) == place.path() + ": has mode 0755: chmod 700");
  CHECK(reason([&] { put(store, "old", ""); }) == place.path() + ": has mode 0755: chmod 700");
  CHECK_FALSE(exists(place / key + ".lock"));
  REQUIRE(chmod(place.path().c_str(), 0700) == 0);
  CHECK(holds(store, "old"));
}

TEST_CASE("a relative folder stays the same when the program changes its working directory") {
  CHECK(tests::in_child([] {
          tests::folder const place;
          if (chdir(place.path().c_str()) != 0) {
            return 90;
          }
          file_store relative("a/b");
          file_store absolute(place / "a/b");
          return put(relative, "", "text") && chdir("/") == 0 && holds(relative, "text") && holds(absolute, "text") ? 0
                                                                                                                    : 1;
        }) == 0);
}

TEST_CASE("a file that somebody else could have written or can read counts as missing and is replaced") {
  tests::folder const place;
  file_store store(place.path());
  for (mode_t mode : {mode_t(0644), mode_t(0640), mode_t(0604), mode_t(0620), mode_t(0601)}) {
    CAPTURE(mode);
    CHECK(set(store, "old"));
    REQUIRE(chmod((place / key).c_str(), mode) == 0);
    CHECK(holds(store, ""));
    CHECK(put(store, "", "new"));
    CHECK(holds(store, "new"));
    CHECK(mode_of(place / key) == 0600);
  }
  if (geteuid() == 0) {
    REQUIRE(chown((place / key).c_str(), nobody, nobody) == 0);
    CHECK(holds(store, ""));
    CHECK(put(store, "", "newer"));
    CHECK(holds(store, "newer"));
  }
}

TEST_CASE("a file that cannot be opened counts as missing and is replaced") {
  tests::folder const place;
  CHECK(as_nobody(place, [](std::string const& directory) {
          file_store store(directory);
          return put(store, "", "old") && chmod((directory + "/" + key).c_str(), 0) == 0 && holds(store, "") &&
                         put(store, "", "new") && holds(store, "new")
                     ? 0
                     : 1;
        }) == 0);
}

TEST_CASE("a symbolic link in place of the file counts as missing and is replaced, not followed") {
  tests::folder const place;
  file_store store(place.path());
  CHECK(put(store, "", "old"));
  REQUIRE(rename((place / key).c_str(), (place / "elsewhere").c_str()) == 0);
  REQUIRE(symlink("elsewhere", (place / key).c_str()) == 0);
  CHECK(holds(store, ""));
  CHECK(put(store, "", "new"));
  CHECK(holds(store, "new"));
  CHECK(is_regular(place / key));
  CHECK(tests::text_of(place / "elsewhere") == "old");
}

TEST_CASE("a FIFO or a socket in place of the file blocks nobody, counts as missing and is replaced") {
  tests::folder const place;
  CHECK(tests::in_child([&] {
          alarm(10);
          file_store store(place.path());
          return mkfifo((place / key).c_str(), 0600) == 0 && holds(store, "") && put(store, "", "new") &&
                         holds(store, "new") && is_regular(place / key)
                     ? 0
                     : 1;
        }) == 0);
}

TEST_CASE("a link or leftovers in place of the unfinished file are not followed and do no harm") {
  tests::folder const place;
  file_store store(place.path());
  tests::write_text(place / "precious", "precious");
  REQUIRE(symlink("precious", (place / key + ".part").c_str()) == 0);
  CHECK(put(store, "", "one"));
  tests::write_text(place / key + ".part", "half a rec");
  CHECK(put(store, "one", "two"));
  CHECK(holds(store, "two"));
  CHECK(tests::text_of(place / "precious") == "precious");
}

TEST_CASE("a lock file that is a symbolic link is not followed but reported") {
  tests::folder const place;
  REQUIRE(symlink("precious", (place / key + ".lock").c_str()) == 0);
  CHECK(problem_storing(place.path()) ==
        place.path() + ": lock file " + key + ".lock cannot be opened: Too many levels of symbolic links");
  CHECK_FALSE(exists(place / "precious"));
}

TEST_CASE("a lock file without permissions, and a folder that cannot be written, are reported, not waited for") {
  tests::folder const place;
  CHECK(as_nobody(place, [](std::string const& directory) {
          std::string const problem = directory + ": lock file " + key + ".lock cannot be opened: Permission denied";
          file_store store(directory);
          put(store, "", "old");
          chmod((directory + "/" + key + ".lock").c_str(), 0);
          bool const is_reported = problem_storing(directory) == problem && holds(store, "old");
          unlink((directory + "/" + key + ".lock").c_str());
          chmod(directory.c_str(), 0500);
          bool const is_reported_too = problem_storing(directory) == problem && holds(store, "old");
          return is_reported && is_reported_too ? 0 : 1;
        }) == 0);
}

TEST_CASE("a lock that another process has is waited for, for a second at most") {
  tests::folder const place;
  CHECK(problem_storing(place.path()).empty());
  int const lock = detail::open_locked(place / key + ".lock");
  REQUIRE(lock >= 0);
  auto const start = std::chrono::steady_clock::now();
  std::string const problem = place.path() + ": lock file " + key + ".lock is locked by another process";
  CHECK(tests::in_child([&] { return problem_storing(place.path()) == problem ? 0 : 1; }) == 0);
  CHECK(std::chrono::steady_clock::now() - start > std::chrono::milliseconds(900));
  file_store store(place.path());
  CHECK(holds(store, "text"));  // nobody who only reads waits
  CHECK(problem_storing(place.path()) == problem);
  std::thread releasing([lock] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    detail::close_file(lock);
  });
  CHECK(problem_storing(place.path()).empty());
  releasing.join();
}

TEST_CASE("a lock is taken on the file that has the name now, not on one that was deleted") {
  tests::folder const place;
  std::string const path = place / key + ".lock";
  int const old = detail::open_locked(path);
  REQUIRE(old >= 0);
  REQUIRE(unlink(path.c_str()) == 0);
  int const current = detail::open_locked(path);
  REQUIRE(current >= 0);
  CHECK(detail::open_locked(path) < 0);
  CHECK(errno == EAGAIN);
  detail::close_file(old);
  detail::close_file(current);
}

TEST_CASE("a child forked while a lock is held does not keep it") {
  tests::folder const place;
  int const lock = detail::open_locked(place / key + ".lock");
  REQUIRE(lock >= 0);
  pid_t const child = tests::start_child([] {
    pause();
    return 0;
  });
  detail::close_file(lock);
  CHECK(problem_storing(place.path()).empty());
  REQUIRE(kill(child, SIGKILL) == 0);
  CHECK(tests::status_of(child) == 128 + SIGKILL);
}

// Not under sanitizers, whose allocators are not safe over fork() before LLVM 18.
TEST_CASE("a program that forks at any moment while a thread stores goes on storing, and so do its children" *
          doctest::skip(tests::is_sanitized)) {
  tests::folder const place;
  std::atomic<bool> is_done{false};
  std::atomic<int> problems{0};
  std::thread storing([&] {
    while (!is_done) {
      problems += problem_storing(place.path()).empty() ? 0 : 1;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  std::vector<pid_t> children;
  for (int i = 0; i < 20; ++i) {
    children.push_back(tests::start_child([] {
      pause();
      return 0;
    }));
    CHECK(tests::in_child([&] { return problem_storing(place.path()).empty() ? 0 : 1; }) == 0);
  }
  is_done = true;
  storing.join();
  CHECK(problems == 0);
  for (pid_t child : children) {
    kill(child, SIGKILL);
    tests::status_of(child);
  }
}

TEST_CASE("eight processes lose no update, however their folder is written") {
  tests::folder const place;
  make(place / "a");
  REQUIRE(symlink(place.path().c_str(), (place / "link").c_str()) == 0);
  char const* const spellings[] = {"a", "a/", "a/.", "link/a"};
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(tests::start_child([&] { return count_up(place / spellings[i % 4], 200); }));
  }
  for (pid_t child : children) {
    CHECK(tests::status_of(child) == 0);
  }
  file_store store(place / "a");
  CHECK(holds(store, "1600"));
}

TEST_CASE("a process that is killed while it stores leaves a whole text and no lock") {
  tests::folder const place;
  file_store store(place.path());
  CHECK(put(store, "", std::string(20000, 'a')));
  for (int round = 0; round < 100; ++round) {
    CAPTURE(round);
    pid_t const child = tests::start_child([&]() -> int {
      file_store its(place.path());
      for (char letter = 'a';; letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1)) {
        set(its, std::string(20000, letter));
      }
    });
    std::this_thread::sleep_for(std::chrono::microseconds(20 * round));
    REQUIRE(kill(child, SIGKILL) == 0);
    REQUIRE(tests::status_of(child) == 128 + SIGKILL);
    secret const found = store.load(key);
    REQUIRE(found.reveal().size() == 20000);
    REQUIRE(found.reveal() == std::string(20000, found.reveal()[0]));
    REQUIRE(store.replace(key, found, std::string(20000, 'a'), std::chrono::hours(1)));
  }
}

TEST_CASE("with ulimit -f the program survives, and the old text too") {
  for (rlim_t size : {rlim_t(0), rlim_t(100), rlim_t(4096)}) {
    CAPTURE(size);
    tests::folder const place;
    CHECK(tests::in_child([&] {
            signal(SIGXFSZ, SIG_DFL);
            file_store store(place.path());
            put(store, "", "old");
            rlimit const limit = {size, size};
            setrlimit(RLIMIT_FSIZE, &limit);
            std::string const problem = reason([&] { put(store, "old", std::string(4097, 'x')); });
            if (problem != place / key + ": File too large (ulimit -f, LimitFSIZE)") {
              return 1;
            }
            if (!holds(store, "old") || exists(place / key + ".part")) {
              return 2;
            }
            return size < 3 || put(store, "old", std::string(static_cast<std::size_t>(size), 'x')) ? 0 : 3;
          }) == 0);
  }
}

#ifdef __linux__
TEST_CASE("a full disk is reported with its cause, and the old text stays whole") {
  tests::folder const place;
  int const status = tests::in_child([&] {
    bool const is_mounted = unshare(CLONE_NEWNS) == 0 &&
                            mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                            mount("tmpfs", place.path().c_str(), "tmpfs", 0, "size=64k") == 0;
    if (!is_mounted) {
      return 77;
    }
    file_store store(place / "a");
    if (!put(store, "", "old")) {
      return 1;
    }
    std::string const problem = reason([&] { put(store, "old", std::string(128 * 1024, 'x')); });
    if (problem != place / "a/" + key + ": No space left on device") {
      return 2;
    }
    return holds(store, "old") && !exists(place / "a/" + key + ".part") && put(store, "old", "new") ? 0 : 3;
  });
  if (status == 77) {
    MESSAGE("skipped: no file system can be mounted here");
  } else {
    CHECK(status == 0);
  }
}

TEST_CASE("no descriptor is left open, whatever fails, and none is given to a program that is started") {
  auto const open_descriptors = [] {
    int count = 0;
    for (int number = 0; number < 256; ++number) {
      count += fcntl(number, F_GETFD) >= 0 ? 1 : 0;
    }
    return count;
  };
  tests::folder const place;
  file_store store(place.path());
  int const before = open_descriptors();
  for (int i = 0; i < 5; ++i) {
    CHECK(set(store, std::to_string(i)));
    CHECK_FALSE(put(store, "other", "new"));
  }
  REQUIRE(mkdir((place / key + ".part").c_str(), 0700) == 0);
  CHECK_FALSE(problem_storing(place.path()).empty());
  REQUIRE(unlink((place / key + ".lock").c_str()) == 0);
  REQUIRE(mkdir((place / key + ".lock").c_str(), 0700) == 0);
  CHECK_FALSE(problem_storing(place.path()).empty());
  CHECK(open_descriptors() == before);
  int const lock = detail::open_locked(place / "other.lock");
  CHECK((fcntl(lock, F_GETFD) & FD_CLOEXEC) != 0);
  detail::close_file(lock);
}
#endif

TEST_CASE("signals that interrupt calls cost nothing") {
  tests::folder const place;
  CHECK(tests::in_child([&] {
          struct sigaction action = {};
          action.sa_handler = [](int) {};
          sigaction(SIGUSR1, &action, nullptr);  // without SA_RESTART
          pthread_t const storing = pthread_self();
          std::atomic<bool> is_done{false};
          std::thread sending([&] {
            while (!is_done) {
              pthread_kill(storing, SIGUSR1);
              std::this_thread::sleep_for(std::chrono::microseconds(20));
            }
          });
          int const status = count_up(place.path(), 2000);
          is_done = true;
          sending.join();
          return status;
        }) == 0);
  file_store store(place.path());
  CHECK(holds(store, "2000"));
}

#endif
