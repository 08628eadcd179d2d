// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <cstdint>
#include <set>
#include <string>

#include "support/fake_server.hpp"

using namespace cibmtr_auth;
using tests::some_credentials;

namespace {

fingerprint of(credentials const& who) {
  return fingerprint(test_environment, who);
}

std::string name_of(credentials const& who) {
  return of(who).name();
}

bool same_check(fingerprint const& one, fingerprint const& other) {
  return one.check() == other.check();
}

credentials with(std::string credentials::*field, std::string const& value) {
  credentials who = some_credentials();
  who.*field = value;
  return who;
}

credentials with(secret credentials::*field, std::string const& value) {
  credentials who = some_credentials();
  who.*field = secret(value);
  return who;
}

}  // namespace

TEST_CASE("the same credentials have the same name and check") {
  CHECK(name_of(some_credentials()) == name_of(some_credentials()));
  CHECK(same_check(of(some_credentials()), of(some_credentials())));
}

TEST_CASE("a name is 20 hexadecimal digits, fit for a file's name or a key") {
  for (int i = 0; i < 1000; ++i) {
    std::string const name = name_of(with(&credentials::client_id, std::to_string(i)));
    REQUIRE(name.size() == 20);
    REQUIRE(name.find_first_not_of("0123456789abcdef") == std::string::npos);
  }
}

TEST_CASE("the name changes with the token URL, the client, the scope and the user") {
  std::string const name = name_of(some_credentials());
  CHECK(fingerprint(production_environment, some_credentials()).name() != name);
  CHECK(name_of(with(&credentials::client_id, "0oa1clienT")) != name);
  CHECK(name_of(with(&credentials::scope, "api_cibmtr_fhir_ehr_clienT")) != name);
  CHECK(name_of(with(&credentials::username, "svc@example.orG")) != name);
}

TEST_CASE("the name goes by the token URL of the grant that is used, and by nothing else of an environment") {
  environment elsewhere = test_environment;
  elsewhere.name = "elsewhere";
  elsewhere.api_url = "https://elsewhere.example/v1";
  elsewhere.client_credentials_token_url = "https://elsewhere.example/token";
  CHECK(fingerprint(elsewhere, some_credentials()).name() == name_of(some_credentials()));
  credentials const without_user = {"client", "secret", "scope", "", ""};
  CHECK(fingerprint(elsewhere, without_user).name() != name_of(without_user));
}

TEST_CASE("of the name only the check changes with the client secret or the password") {
  std::string const before = name_of(some_credentials());
  for (auto const& who : {with(&credentials::client_secret, "rotated"), with(&credentials::password, "rotated")}) {
    std::string const after = name_of(who);
    CHECK(after.substr(0, 16) == before.substr(0, 16));
    CHECK(after.substr(16) != before.substr(16));
  }
}

TEST_CASE("the check changes with the client secret and with the password") {
  fingerprint const before = of(some_credentials());
  CHECK_FALSE(same_check(before, of(with(&credentials::client_secret, "s3cr3t-of-clienT"))));
  CHECK_FALSE(same_check(before, of(with(&credentials::password, "pa55 w&rD"))));
  CHECK_FALSE(same_check(before, of(with(&credentials::password, ""))));
}

TEST_CASE("the check changes with what the name changes with") {
  fingerprint const before = of(some_credentials());
  CHECK_FALSE(same_check(before, fingerprint(production_environment, some_credentials())));
  CHECK_FALSE(same_check(before, of(with(&credentials::client_id, "other"))));
  CHECK_FALSE(same_check(before, of(with(&credentials::scope, "other"))));
  CHECK_FALSE(same_check(before, of(with(&credentials::username, "other"))));
}

TEST_CASE("checks are spread over 16 bits, and the same password checks otherwise for another user") {
  std::set<unsigned> seen;
  for (int user = 0; user < 10000; ++user) {
    unsigned const check = of(with(&credentials::username, std::to_string(user))).check();
    REQUIRE(check <= 65535);
    seen.insert(check);
  }
  CHECK(seen.size() > 9000);  // 9,270 of 65,536 on average
  CHECK(*seen.begin() < 100);
  CHECK(*seen.rbegin() > 65435);
}

TEST_CASE("a check fits one in 65,536 wrong passwords too, so it confirms none") {
  unsigned const check = of(some_credentials()).check();
  int fitting = 0;
  for (int guess = 0; guess < 300000; ++guess) {
    fitting += of(with(&credentials::password, std::to_string(guess))).check() == check ? 1 : 0;
  }
  CHECK(fitting >= 1);  // 4.6 on average
  CHECK(fitting <= 15);
}

TEST_CASE("no text can be shifted from one field into the next") {
  environment const short_url = {"", "https://a.example/t", "", ""};
  environment const long_url = {"", "https://a.example/token", "", ""};
  CHECK(fingerprint(short_url, {"okenclient", "s", "scope", "user", "p"}).name() !=
        fingerprint(long_url, {"client", "s", "scope", "user", "p"}).name());
  CHECK(name_of({"ab", "s", "c", "user", "p"}) != name_of({"a", "s", "bc", "user", "p"}));
  CHECK(name_of({"client", "s", "ab", "c", "p"}) != name_of({"client", "s", "a", "bc", "p"}));
  CHECK_FALSE(same_check(of({"client", "bs", "scope", "a", "p"}), of({"client", "s", "scope", "ab", "p"})));
  CHECK_FALSE(same_check(of({"client", "ab", "scope", "user", "c"}), of({"client", "a", "scope", "user", "bc"})));
  CHECK_FALSE(same_check(of({"client", "ab", "scope", "user", ""}), of({"client", "", "scope", "user", "ab"})));
}

TEST_CASE("names of 100,000 clients are all different") {
  std::set<std::string> names;
  for (int i = 0; i < 100000; ++i) {
    names.insert(name_of(with(&credentials::client_id, std::to_string(i))));
  }
  CHECK(names.size() == 100000);
}

TEST_CASE("names and checks stay what they are, so that a record survives an upgrade of the library") {
  environment const where = {"", "https://okta.example/oauth2/a/v1/token", "https://okta.example/oauth2/b/v1/token",
                             ""};
  fingerprint const with_password(where, {"client", "secret", "scope", "user", "pass\xC3\xA9"});
  CHECK(with_password.name() == "6186ac17151b878f13c1");
  CHECK(with_password.check() == 5057);
  fingerprint const without(where, {"client", "secret", "scope", "", ""});
  CHECK(without.name() == "67a950277490f2f2d14d");
  CHECK(without.check() == 53581);
}
