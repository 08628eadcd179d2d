// SPDX-License-Identifier: MIT
// No memory is freed while it contains a secret or a token.

#include <doctest/doctest.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CIBMTR_AUTH_TESTS_KEEP_NEW 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define CIBMTR_AUTH_TESTS_KEEP_NEW 1
#endif
#ifndef CIBMTR_AUTH_TESTS_KEEP_NEW  // ThreadSanitizer's cannot be replaced

#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "support/fake_server.hpp"
#include "support/folder.hpp"
#include "support/variable.hpp"

namespace {

/// Parts of the secrets below, and of their encodings. Without the first character, which a freed string may have lost.
char const* const parts[] = {"3cr3t-of-the-client",   "5word of the account", "5word+of+the+account",
                             "0ken-of-the-server",    "zNjcjN0LW9mLXRoZS1j",  "DpzM2NyM3Qtb2YtdGhl",
                             "dvcmQgb2YgdGhlIGFjY291"};

thread_local bool is_looking = false;
std::atomic<int> found{0};

void look_into(void* memory) {
  if (!is_looking || !memory) {
    return;
  }
  std::size_t const size = malloc_usable_size(memory);
  for (char const* part : parts) {
    found += memmem(memory, size, part, std::strlen(part)) ? 1 : 0;
  }
}

void* allocate(std::size_t size) {
  void* const memory = std::calloc(1, size > 0 ? size : 1);
  return memory ? memory : throw std::bad_alloc();
}

void deallocate(void* memory) {
  look_into(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { deallocate(memory); }
void operator delete[](void* memory) noexcept { deallocate(memory); }
void operator delete(void* memory, std::size_t) noexcept { deallocate(memory); }
void operator delete[](void* memory, std::size_t) noexcept { deallocate(memory); }

namespace {

using namespace cibmtr_auth;

char const account[] =
    R"({"client_id":"0oa1B2c3D4e5F6g7h8i9","client_secret":"s3cr3t-of-the-client","scope":"api_cibmtr_fhir_ehr_client",
        "username":"svc@center.example","password":"pa55word of the account"})";
std::string const grant =
    R"({"access_token":"t0ken-of-the-server.and.more","token_type":"Bearer","expires_in":1800,"scope":"a b c"})";

/// How many pieces of memory `work` frees that contain a part of a secret.
template <typename Work>
int left_behind(Work work) {
  found = 0;
  is_looking = true;
  work();
  is_looking = false;
  return found;
}

}  // namespace

TEST_CASE("this test sees a secret in freed memory") {
  tests::folder const place;
  tests::write_text(place / "account.json", account);
  CHECK(left_behind([&] { CHECK(tests::text_of(place / "account.json") == account); }) > 0);
}

TEST_CASE("reading credentials leaves no secret behind") {
  tests::folder const place;
  tests::write_text(place / "account.json", account);
  tests::write_text(place / "password", "pa55word of the account\n");
  tests::variable const client_secret("WIPED_CLIENT_SECRET", "s3cr3t-of-the-client");
  tests::variable const password("WIPED_PASSWORD_FILE", (place / "password").c_str());
  CHECK(left_behind([&] {
          credentials const from_file = credentials_from_file(place / "account.json");
          credentials copy = from_file;
          copy = credentials_from_env("WIPED_");
          CHECK_FALSE(detail::are_equal(copy, from_file));
        }) == 0);
}

TEST_CASE("a bad credentials file leaves no secret behind") {
  tests::folder const place;
  std::string const text = account;
  for (std::string const& bad : {text + "x", text.substr(0, text.size() - 1), "[" + text + "]",
                                 text.substr(0, text.size() - 1) + R"(,"unknown":"s3cr3t-of-the-client"})"}) {
    tests::write_text(place / "account.json", bad);
    CHECK(left_behind([&] { CHECK_THROWS_AS(credentials_from_file(place / "account.json"), error); }) == 0);
  }
}

TEST_CASE("a token request and each kind of response leave no secret behind") {
  tests::folder const place;
  tests::write_text(place / "account.json", account);
  credentials const sent = credentials_from_file(place / "account.json");
  for (basic_encoding const encoding : {basic_encoding::plain, basic_encoding::form_encoded}) {
    CHECK(left_behind([&] {
            http_request const request = detail::make_token_request(test_environment(), sent, encoding);
            http_request const copy = request;
          }) == 0);
  }
  std::string const echo = R"({"error":"invalid_client","error_description":"you sent s3cr3t-of-the-client"})";
  std::string const echo_in_scope =
      R"({"access_token":"t0ken-of-the-server","token_type":"Bearer","scope":"a s3cr3t-of-the-client"})";
  for (int status : {200, 201, 302, 400, 401, 404, 429, 503}) {
    CAPTURE(status);
    for (std::string const& body : {grant, grant + "x", grant.substr(0, 50), "[" + grant + "]", echo, echo_in_scope}) {
      CAPTURE(body.substr(0, 20));
      http_response response(status, body);
      CHECK(left_behind([&] {
              try {
                token const granted = detail::read_token_response(std::move(response), sent, boot_clock::now(),
                                                                  "the token server x", boot_clock::now);
                token const copy = granted;
              } catch (error const&) {
              }
            }) == 0);
    }
  }
}

TEST_CASE("a cache leaves no secret and no token behind") {
  tests::folder const place;
  tests::write_text(place / "account.json", account);
  bool is_down = false;
  token_cache_options options;
  options.cache_directory = place / "cache";
  options.transport = [&is_down](http_request const& request) {
    request.before_sending();
    return is_down ? http_response(503, "later") : http_response(200, grant);
  };
  auto make = [&] {
    return make_token_cache(test_environment(), credentials_from_file(place / "account.json"), options);
  };
  CHECK(left_behind([&] {
          token_cache const first = make();
          CHECK_FALSE(first.get().empty());
          token_cache const second = make();
          token const shared = second.get();
          std::pair<std::string, std::string> header = bearer_header(shared);
          detail::wipe(header.second);
          is_down = true;
          CHECK(second.invalidate(shared));
          CHECK_THROWS_AS(second.get(), error);
          credentials changed = credentials_from_file(place / "account.json");
          changed.scope = "another";
          CHECK(second.set_credentials(changed));
          CHECK_THROWS_AS(second.get(), error);
          CHECK_FALSE(second.status().has_token);
        }) == 0);
}

#endif
