// SPDX-License-Identifier: MIT
// A program with two such libraries: each asks its own environment, what they throw is caught, and caches pass from one to the other.

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
    check(first::token() == "test" && first::tokens().get().value() == "test",
          "the first library's cache gives its token");
    check(second::token() == "production" && second::tokens().get().value() == "production",
          "the second library's cache gives its token");
    check(own.get().value() == "own", "the program's cache gives its token");
  }
  for (cibmtr_auth::token_cache const* tokens : {&first::tokens(), &second::tokens()}) {
    check(tokens->status().gets == 20 && tokens->status().requests == 1, "one request serves library and program");
  }
}

}  // namespace

int main() {
  check(first::environment() == "test" && second::environment() == "production", "each asks its own environment");
  check(is_caught(first::refuse) && is_caught(second::refuse), "what a library throws is caught");
  use_all_caches();
  pid_t const child = fork();
  if (child == 0) {
    use_all_caches();
    _exit(failures);
  }
  int status = -1;
  check(waitpid(child, &status, 0) == child && status == 0, "so it is in a forked child");
  return failures;
}
