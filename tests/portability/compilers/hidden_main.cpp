// SPDX-License-Identifier: MIT
// A program with two such libraries: each asks its own environment, what they throw is caught, and caches pass from one to the other.

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <thread>

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

/// By a thread of its own, whose copies are made and ended by the plugin's code.
void use_a_plugin(char const* path) {
  cibmtr_auth::token_cache const tokens = cache_of("own");
  void* const plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  check(plugin, "the plugin can be loaded");
  auto const gets = reinterpret_cast<bool (*)(cibmtr_auth::token_cache const&)>(dlsym(plugin, "gets_a_token"));
  std::thread([&] { check(gets(tokens), "the plugin gets a token"); }).join();
  dlclose(plugin);
  check(!dlopen(path, RTLD_NOW | RTLD_NOLOAD), "the plugin is unloaded");
  std::thread([&] { check(tokens.get().value() == "own", "the program's cache outlives the plugin"); }).join();
  check(tokens.status().gets == 3, "what the plugin got is counted");
}

}  // namespace

int main(int, char** arguments) {
  check(first::environment() == "test" && second::environment() == "production", "each asks its own environment");
  check(is_caught(first::refuse) && is_caught(second::refuse), "what a library throws is caught");
  use_all_caches();
  use_a_plugin(arguments[1]);
  pid_t const child = fork();
  if (child == 0) {
    use_all_caches();
    _exit(failures);
  }
  int status = -1;
  check(waitpid(child, &status, 0) == child && status == 0, "so it is in a forked child");
  return failures;
}
