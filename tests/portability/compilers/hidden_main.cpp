// SPDX-License-Identifier: MIT
// A program with two such libraries: each has its own environment, what they throw is caught, and caches pass from one to the other.

#include <sys/wait.h>
#include <unistd.h>

#include <iostream>

#include "hidden_library.hpp"

namespace {

int failures = 0;

void check(bool is_true, char const* what) {
  if (!is_true) {
    std::cerr << "not so: " << what << '\n';
    ++failures;
  }
}

bool is_caught(void (*refuse)()) {
  try {
    refuse();
  } catch (cibmtr_auth::error const& refusal) {
    return refusal.kind() == cibmtr_auth::error_kind::configuration;
  } catch (std::exception const& other) {
    std::cerr << "not caught as an error: " << other.what() << '\n';
  }
  return false;
}

void use_all_caches() {
  cibmtr_auth::token_cache const own = cache_of("own");
  for (int round = 0; round < 10; ++round) {
    check(first::token_of(first::tokens()) == "test" && second::token_of(first::tokens()) == "test" &&
              first::tokens().get().value() == "test",
          "everybody gets the first library's token");
    check(second::token_of(second::tokens()) == "production" && first::token_of(second::tokens()) == "production" &&
              second::tokens().get().value() == "production",
          "everybody gets the second library's token");
    check(second::token_of(own) == "own" && first::token_of(own) == "own" && own.get().value() == "own",
          "everybody gets the program's token");
  }
  for (cibmtr_auth::token_cache const* tokens : {&first::tokens(), &second::tokens()}) {
    check(tokens->status().gets == 30 && tokens->status().requests == 1, "one request serves libraries and program");
  }
}

}  // namespace

int main() {
  check(first::environment() == "test" && second::environment() == "production", "each has its own environment");
  check(is_caught(first::refuse) && is_caught(second::refuse), "what a library throws is caught");
  use_all_caches();
  pid_t const child = fork();
  if (child == 0) {
    use_all_caches();
    _exit(failures);
  }
  int status = -1;
  check(waitpid(child, &status, 0) == child && status == 0, "all of this is true in a forked child");
  return failures;
}
