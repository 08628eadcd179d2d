// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <csignal>
#include <cstdio>
#include <thread>

#ifndef _WIN32
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "support/folder.hpp"

using namespace cibmtr_auth;

namespace {

bool is_blocked(int number) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, number) == 1;
}

}  // namespace

TEST_CASE("a thread that is started with all signals blocked inherits the mask, and the starter gets its own back") {
  bool was_usr1_blocked = is_blocked(SIGUSR1);
  bool are_blocked = false;
  bool are_synchronous_open = false;
  {
    detail::all_signals_blocked const here;
    std::thread([&] {
      are_blocked = is_blocked(SIGTERM) && is_blocked(SIGINT) && is_blocked(SIGHUP) && is_blocked(SIGUSR1) &&
                    is_blocked(SIGALRM) && is_blocked(SIGCHLD) && is_blocked(SIGPIPE);
      are_synchronous_open = !is_blocked(SIGSEGV) && !is_blocked(SIGBUS) && !is_blocked(SIGFPE) && !is_blocked(SIGABRT);
    }).join();
  }
  CHECK(are_blocked);
  CHECK(are_synchronous_open);
  CHECK(is_blocked(SIGUSR1) == was_usr1_blocked);
  CHECK_FALSE(is_blocked(SIGTERM));
}

TEST_CASE("a write to a closed pipe fails without a signal") {
  CHECK(tests::in_child([] {
          signal(SIGPIPE, SIG_DFL);
          int ends[2];
          if (pipe(ends) != 0) {
            return 1;
          }
          close(ends[0]);
          {
            detail::sigpipe_guard const no_signal;
            if (write(ends[1], "x", 1) != -1 || errno != EPIPE) {
              return 2;
            }
          }
          return is_blocked(SIGPIPE) ? 3 : 0;
        }) == 0);
}
#endif
