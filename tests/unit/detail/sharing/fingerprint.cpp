// SPDX-License-Identifier: MIT

#include <doctest/doctest.h>

#include <cibmtr_auth.hpp>
#include <set>
#include <string>

using namespace cibmtr_auth;

namespace {

credentials account() {
  return {"0oa1client", "s3cr3t-of-client", "api_cibmtr_fhir_ehr_client", "svc@example.org", "pa55 w&rd"};
}

std::string key_of(credentials const& c, environment const& e = test_environment()) { return detail::record_key(e, c); }

/// The digits that do not depend on the secrets, and those that do.
std::string public_part(std::string const& key) { return key.substr(0, 16); }
std::string secret_part(std::string const& key) { return key.substr(16, 4); }

credentials with(std::string credentials::*field, std::string const& value) {
  credentials c = account();
  c.*field = value;
  return c;
}

credentials with(secret credentials::*field, std::string const& value) {
  credentials c = account();
  c.*field = secret(value);
  return c;
}

}  // namespace

TEST_CASE("the same credentials have the same key") { CHECK(key_of(account()) == key_of(account())); }

TEST_CASE("a key is fit for a file name: 20 hexadecimal digits and the version of the record's format") {
  for (int i = 0; i < 1000; ++i) {
    std::string const key = key_of(with(&credentials::client_id, std::to_string(i)));
    REQUIRE(key.size() <= 64);
    REQUIRE(key.substr(20) == "_1");
    REQUIRE(key.substr(0, 20).find_first_not_of("0123456789abcdef") == std::string::npos);
  }
}

TEST_CASE("the key changes with the token URL, the client, the scope and the user") {
  std::string const key = key_of(account());
  for (std::string const& other :
       {key_of(account(), production_environment()), key_of(with(&credentials::client_id, "0oa1clienT")),
        key_of(with(&credentials::scope, "api_cibmtr_fhir_ehr_clienT")),
        key_of(with(&credentials::username, "svc@example.orG"))}) {
    CHECK(public_part(other) != public_part(key));
    CHECK(secret_part(other) != secret_part(key));
  }
}

TEST_CASE("the key depends on the token URL of the grant that is used, and on nothing else of an environment") {
  environment other = test_environment();
  other.name = "other";
  other.api_url = "https://other.example/v1";
  other.client_credentials_token_url = "https://other.example/token";
  CHECK(key_of(account(), other) == key_of(account()));
  credentials const without_user("client", "secret", "scope");
  CHECK(key_of(without_user, other) != key_of(without_user));
}

TEST_CASE("only four digits of the key change with the client secret or the password") {
  std::string const before = key_of(account());
  for (auto const& c : {with(&credentials::client_secret, "rotated"), with(&credentials::password, "rotated"),
                        with(&credentials::client_secret, "s3cr3t-of-clienT"),
                        with(&credentials::password, "pa55 w&rD"), with(&credentials::password, "")}) {
    std::string const after = key_of(c);
    CHECK(public_part(after) == public_part(before));
    CHECK(secret_part(after) != secret_part(before));
  }
}

TEST_CASE("the secret digits are spread over 16 bits, and the same password gives others for another user") {
  std::set<std::string> seen;
  for (int user = 0; user < 10000; ++user) {
    seen.insert(secret_part(key_of(with(&credentials::username, std::to_string(user)))));
  }
  CHECK(seen.size() > 9000);  // 9,270 of 65,536 on average
  CHECK(*seen.begin() < "0064");
  CHECK(*seen.rbegin() > "ff9b");
}

TEST_CASE("one wrong password in 65,536 has the same key, so that a key confirms no guess") {
  std::string const key = key_of(account());
  int fitting = 0;
  for (int guess = 0; guess < 300000; ++guess) {
    fitting += key_of(with(&credentials::password, std::to_string(guess))) == key ? 1 : 0;
  }
  CHECK(fitting >= 1);  // 4.6 on average
  CHECK(fitting <= 15);
}

TEST_CASE("no text can be shifted from one field into the next") {
  environment const short_url = {"", "https://a.example/t", "", ""};
  environment const long_url = {"", "https://a.example/token", "", ""};
  CHECK(key_of({"okenclient", "s", "scope", "user", "p"}, short_url) !=
        key_of({"client", "s", "scope", "user", "p"}, long_url));
  CHECK(key_of({"ab", "s", "c", "user", "p"}) != key_of({"a", "s", "bc", "user", "p"}));
  CHECK(key_of({"client", "s", "ab", "c", "p"}) != key_of({"client", "s", "a", "bc", "p"}));
  CHECK(key_of({"client", "bs", "scope", "a", "p"}) != key_of({"client", "s", "scope", "ab", "p"}));
  CHECK(key_of({"client", "ab", "scope", "user", "c"}) != key_of({"client", "a", "scope", "user", "bc"}));
  CHECK(key_of({"client", "ab", "scope", "user", ""}) != key_of({"client", "", "scope", "user", "ab"}));
}

TEST_CASE("the keys of 100,000 clients are all different") {
  std::set<std::string> keys;
  for (int i = 0; i < 100000; ++i) {
    keys.insert(public_part(key_of(with(&credentials::client_id, std::to_string(i)))));
  }
  CHECK(keys.size() == 100000);
}

TEST_CASE("keys never change, so that a record survives an upgrade of the library") {
  environment const e = {"", "https://okta.example/oauth2/a/v1/token", "https://okta.example/oauth2/b/v1/token", ""};
  CHECK(key_of({"client", "secret", "scope", "user", "pass\xC3\xA9"}, e) == "6186ac17151b878f13c1_1");
  CHECK(key_of({"client", "secret", "scope"}, e) == "67a950277490f2f2d14d_1");
}
