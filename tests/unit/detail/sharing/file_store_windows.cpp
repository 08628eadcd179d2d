// SPDX-License-Identifier: MIT
// What Windows does to files and locks that other processes have open.

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>

#ifdef _WIN32

#include <process.h>
#include <stdint.h>
#include <stdlib.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "support/folder.hpp"
#include "support/token_files.hpp"
#include "support/variable.hpp"

using namespace cibmtr_auth;
using namespace tests;

namespace {

char const* const child_folder = "CIBMTR_AUTH_TESTS_CHILD_FOLDER";

/// This program once more, as one of the children below, in a folder.
intptr_t start_child(char const* name, folder const& place) {
  variable const where(child_folder, place.path().c_str());
  std::string const test_case = std::string("--test-case=\"the child that ") + name + "\"";
  return _spawnl(_P_NOWAIT, _pgmptr, "child", test_case.c_str(), "--no-skip", static_cast<char*>(nullptr));
}

/// 0 when the child's checks held.
int status_of(intptr_t child) {
  int status = -1;
  _cwait(&status, child, 0);
  return status;
}

std::string folder_of_child() {
  char const* const path = getenv(child_folder);
  return path ? path : "";
}

bool is_there(std::string const& path) {
  return std::ifstream(path).is_open();
}

/// Not longer than 20 seconds.
void wait_for(std::string const& path) {
  for (int i = 0; i < 2000 && !is_there(path); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

TEST_CASE("the child that loads" * doctest::skip()) {
  CHECK(holds(*store_in(folder_of_child()), "shared"));
}

TEST_CASE("the child that locks in vain" * doctest::skip()) {
  CHECK_FALSE(store_in(folder_of_child())->try_lock());
}

TEST_CASE("the child that dies with the lock" * doctest::skip()) {
  std::unique_ptr<token_store::lock> const lock = store_in(folder_of_child())->try_lock();
  if (lock) {
    _exit(42);
  }
}

TEST_CASE("the child that outlives a lock" * doctest::skip()) {
  write_text(folder_of_child() + "/lives", "");
  wait_for(folder_of_child() + "/end");
}

TEST_CASE("what one process saves another one loads") {
  folder const place;
  store_in(place.path())->save(granted("shared"));
  CHECK(status_of(start_child("loads", place)) == 0);
}

TEST_CASE("a lock is held against other processes, and ends with its process, however it dies") {
  folder const place;
  CHECK(status_of(start_child("dies with the lock", place)) == 42);
  std::unique_ptr<token_store::lock> const lock = store_in(place.path())->try_lock();
  CHECK(lock);
  CHECK(status_of(start_child("locks in vain", place)) == 0);
}

TEST_CASE("a program started while the lock is held does not hold it too") {
  folder const place;
  std::unique_ptr<token_store::lock> lock = store_in(place.path())->try_lock();
  REQUIRE(lock);
  intptr_t const child = start_child("outlives a lock", place);
  wait_for(place / "lives");
  lock.reset();
  CHECK(store_in(place.path())->try_lock());
  write_text(place / "end", "");
  CHECK(status_of(child) == 0);
}

TEST_CASE("a file is replaced while others read it") {
  folder const place;
  auto const store = store_in(place.path());
  store->save(granted("old"));
  std::ifstream reader(file_in(place.path()));
  std::thread saves([&] { store->save(granted("new")); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  reader.close();
  saves.join();
  CHECK(holds(*store, "new"));
}

TEST_CASE("the default folder is cibmtr_auth in LOCALAPPDATA, else there is none") {
  variable const home("HOME", "/home/me");
  {
    variable const local("LOCALAPPDATA", "C:\\Users\\me\\AppData\\Local");
    CHECK(default_cache_directory() == "C:\\Users\\me\\AppData\\Local\\cibmtr_auth");
  }
  variable const local("LOCALAPPDATA", nullptr);
  CHECK(default_cache_directory().empty());
}

#endif
