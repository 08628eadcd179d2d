// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>

#ifndef _WIN32

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "support/folder.hpp"

using cibmtr_auth::detail::per_process;

namespace {

/// Counts how many were destroyed in this process.
struct value {
  int number = 0;
  std::mutex mutex;
  std::condition_variable changed;
  bool is_ended = false;

  static int& destroyed() {
    static int count = 0;
    return count;
  }
  ~value() { ++destroyed(); }
};

/// Takes so long to make that threads meet.
struct slow_value {
  slow_value() {
    for (int turn = 0; turn < 100; ++turn) {
      std::this_thread::yield();
    }
  }
};

}  // namespace

TEST_CASE("in one process a value is one and the same, and made with its owner") {
  per_process<value> const state;
  state.get().number = 7;
  CHECK(state.get().number == 7);
  CHECK(&state.get() == &state.get());
  CHECK(state.is_of_this_process());
}

TEST_CASE("a value is destroyed with its owner, once") {
  int const before = value::destroyed();
  { per_process<value> const state; }
  CHECK(value::destroyed() == before + 1);
  {
    per_process<value> const state;
    state.get();
  }
  CHECK(value::destroyed() == before + 2);
}

TEST_CASE("a forked child starts with a new value and keeps it, and so does a child of it") {
  per_process<value> const state;
  state.get().number = 7;
  CHECK(tests::in_child([&state] {
          if (state.is_of_this_process() || state.get().number != 0 || !state.is_of_this_process()) {
            return 1;
          }
          state.get().number = 8;
          if (state.get().number != 8) {
            return 2;
          }
          return tests::in_child([&state] { return state.get().number == 0 ? 0 : 3; });
        }) == 0);
  CHECK(state.get().number == 7);
}

TEST_CASE("a child of a child that never read it starts with a new value, too") {
  per_process<value> const state;
  state.get().number = 7;
  CHECK(tests::in_child([&state] { return tests::in_child([&state] { return state.get().number == 0 ? 0 : 1; }); }) ==
        0);
}

TEST_CASE("a value made after a fork stays the same in that process") {
  CHECK(tests::in_child([] {
          per_process<value> const state;
          state.get().number = 7;
          return state.get().number == 7 ? 0 : 1;
        }) == 0);
}

TEST_CASE("a forked child does not wait for a mutex that the parent holds") {
  per_process<value> const state;
  std::lock_guard<std::mutex> const guard(state.get().mutex);
  CHECK(tests::in_child([&state] {
          std::lock_guard<std::mutex> const of_the_child(state.get().mutex);
          return 0;
        }) == 0);
}

TEST_CASE("a forked child never destroys the parent's value, whether it made its own or not") {
  for (bool makes_one : {false, true}) {
    CAPTURE(makes_one);
    auto state = std::unique_ptr<per_process<value>>(new per_process<value>);
    CHECK(tests::in_child([&] {
            int const before = value::destroyed();
            if (makes_one) {
              state->get();
            }
            state.reset();
            return value::destroyed() == before + (makes_one ? 1 : 0) ? 0 : 1;
          }) == 0);
  }
}

TEST_CASE("a forked child that drops a value does not wait for the parent's threads that wait on it") {
  auto state = std::unique_ptr<per_process<value>>(new per_process<value>);
  value& parents = state->get();
  bool is_waiting = false;
  std::thread waiting([&] {
    std::unique_lock<std::mutex> lock(parents.mutex);
    is_waiting = true;
    parents.changed.wait(lock, [&parents] { return parents.is_ended; });
  });
  for (bool is_ready = false; !is_ready;) {
    std::lock_guard<std::mutex> const guard(parents.mutex);
    is_ready = is_waiting;
  }
  CHECK(tests::in_child([&state] {
          state.reset();
          return 0;
        }) == 0);
  {
    std::lock_guard<std::mutex> const guard(parents.mutex);
    parents.is_ended = true;
  }
  parents.changed.notify_all();
  waiting.join();
}

TEST_CASE("threads of a forked child that read it at once get the same new value") {
  per_process<slow_value> const state;
  CHECK(tests::in_child([&state] {
          std::vector<slow_value*> found(8, nullptr);
          std::vector<std::thread> threads;
          std::atomic<int> arrived{0};
          for (slow_value*& one : found) {
            threads.emplace_back([&] {
              for (++arrived; arrived < 8;) {
                std::this_thread::yield();
              }
              one = &state.get();
            });
          }
          for (std::thread& thread : threads) {
            thread.join();
          }
          for (slow_value* one : found) {
            if (one != &state.get()) {
              return 1;
            }
          }
          return 0;
        }) == 0);
}

#endif
