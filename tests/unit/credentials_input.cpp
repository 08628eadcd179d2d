// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/folder.hpp"
#include "support/refusal.hpp"
#include "support/variable.hpp"

namespace {

using cibmtr_auth::credentials;
using cibmtr_auth::credentials_from_env;
using cibmtr_auth::credentials_from_file;

/// The ten variables, unset at first and put back as they were at the end.
class environment_variables {
 public:
  environment_variables() {
    for (std::string const field : {"CLIENT_ID", "CLIENT_SECRET", "SCOPE", "USERNAME", "PASSWORD"}) {
      for (std::string const& name : {"CIBMTR_" + field, "CIBMTR_" + field + "_FILE"}) {
        before_.emplace_back(new tests::variable(name, nullptr));
      }
    }
  }

  void set(std::string const& name, std::string const& value) const { tests::set_variable(name, value.c_str()); }

 private:
  std::vector<std::unique_ptr<tests::variable>> before_;
};

class temporary_file {
 public:
  explicit temporary_file(std::string const& content) : path_(place_ / "file") {
    tests::write_text(path_, content);
    REQUIRE((tests::text_of(path_) == content));
  }

  std::string const& path() const { return path_; }

 private:
  tests::folder place_;
  std::string path_;
};

std::string file_refusal(std::string const& content) {
  temporary_file const file(content);
  std::string message = tests::refusal([&file] { credentials_from_file(file.path()); });
  CHECK(message.find("the credentials file ") == 0);
  return message;
}

bool holds(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("credentials are read from the five variables") {
  environment_variables const variables;
  variables.set("CIBMTR_CLIENT_ID", "an id");
  variables.set("CIBMTR_CLIENT_SECRET", "a secret");
  variables.set("CIBMTR_SCOPE", "one two");
  variables.set("CIBMTR_USERNAME", "a user");
  variables.set("CIBMTR_PASSWORD", "a \xC2\xA3 word");
  credentials const c = credentials_from_env();
  CHECK(c.client_id == "an id");
  CHECK((c.client_secret.reveal() == "a secret"));
  CHECK(c.scope == "one two");
  CHECK(c.username == "a user");
  CHECK((c.password.reveal() == "a \xC2\xA3 word"));
}

TEST_CASE("an unset variable and an empty one give an empty field") {
  environment_variables const variables;
  variables.set("CIBMTR_SCOPE", "");
  credentials const c = credentials_from_env();
  CHECK(c.client_id.empty());
  CHECK(c.client_secret.empty());
  CHECK(c.scope.empty());
  CHECK(c.username.empty());
  CHECK(c.password.empty());
}

TEST_CASE("each variable may name a file instead") {
  environment_variables const variables;
  temporary_file const client_id("an id\n");
  temporary_file const client_secret("a secret");
  temporary_file const scope("one two\r\n");
  temporary_file const username("a user");
  temporary_file const password(" a word \n");
  variables.set("CIBMTR_CLIENT_ID_FILE", client_id.path());
  variables.set("CIBMTR_CLIENT_SECRET_FILE", client_secret.path());
  variables.set("CIBMTR_SCOPE_FILE", scope.path());
  variables.set("CIBMTR_USERNAME_FILE", username.path());
  variables.set("CIBMTR_PASSWORD_FILE", password.path());
  credentials const c = credentials_from_env();
  CHECK(c.client_id == "an id");
  CHECK((c.client_secret.reveal() == "a secret"));
  CHECK(c.scope == "one two");
  CHECK(c.username == "a user");
  CHECK((c.password.reveal() == " a word "));
}

TEST_CASE("one line break at the end is dropped, from a variable as from a file, and no more") {
  struct {
    char const* text;
    char const* password;
  } const endings[] = {{"word", "word"},
                       {"word\n", "word"},
                       {"word\r\n", "word"},
                       {"word\n\n", "word\n"},
                       {"word\r\n\r\n", "word\r\n"},
                       {"word\n\r\n", "word\n"},
                       {"word\r", "word\r"},
                       {"word\n\r", "word\n\r"},
                       {"word ", "word "},
                       {"word \n", "word "},
                       {"\nword", "\nword"},
                       {"wo\nrd", "wo\nrd"},
                       {"\n", ""},
                       {"\r\n", ""},
                       {"\n\n", "\n"},
                       {"\r", "\r"}};
  for (auto const& each : endings) {
    CAPTURE(each.text);
    {
      environment_variables const variables;
      variables.set("CIBMTR_PASSWORD", each.text);
      CHECK((credentials_from_env().password.reveal() == each.password));
    }
    {
      environment_variables const variables;
      temporary_file const file(each.text);
      variables.set("CIBMTR_PASSWORD_FILE", file.path());
      CHECK((credentials_from_env().password.reveal() == each.password));
    }
  }
}

TEST_CASE("a line break too many is refused before anything is sent") {
  environment_variables const variables;
  variables.set("CIBMTR_CLIENT_ID", "id");
  variables.set("CIBMTR_CLIENT_SECRET", "hunter2\n\n");
  variables.set("CIBMTR_SCOPE", "scope");
  std::string const message = tests::refusal([] { check(credentials_from_env()); });
  CHECK(message.find("client_secret") == 0);
  CHECK_FALSE(holds(message, "hunter2"));
}

TEST_CASE("a variable that is set both ways is refused by name, never by value") {
  for (std::string const name :
       {"CIBMTR_CLIENT_ID", "CIBMTR_CLIENT_SECRET", "CIBMTR_SCOPE", "CIBMTR_USERNAME", "CIBMTR_PASSWORD"}) {
    CAPTURE(name);
    environment_variables const variables;
    temporary_file const file("hunter2");
    variables.set(name, "hunter2");
    variables.set(name + "_FILE", file.path());
    std::string const message = tests::refusal(credentials_from_env);
    CHECK(message.find(name + " and " + name + "_FILE") == 0);
    CHECK_FALSE(holds(message, "hunter2"));
  }
}

TEST_CASE("a file that cannot be read is refused with the variable's name, not with the path, which may be a secret") {
  environment_variables const variables;
  temporary_file const too_long(std::string(64 * 1024, 'x') + "\n");
  std::string const missing = too_long.path() + ".missing";
  for (std::string const& path : {missing, too_long.path(), std::string("/"), std::string()}) {
    CAPTURE(path);
    variables.set("CIBMTR_PASSWORD_FILE", path);
    if (!std::getenv("CIBMTR_PASSWORD_FILE")) {
      continue;  // Windows has no empty variables
    }
    std::string const message = tests::refusal(credentials_from_env);
    CHECK(message.find("the file that CIBMTR_PASSWORD_FILE names ") == 0);
    CHECK_FALSE((path.size() > 1 && holds(message, path)));
    CHECK_FALSE(holds(message, "xxx"));
  }
}

TEST_CASE("a file of 64 KiB is read whole, a longer one is refused") {
  environment_variables const variables;
  std::string const most(64 * 1024, 'x');
  temporary_file const file(most);
  variables.set("CIBMTR_PASSWORD_FILE", file.path());
  CHECK((credentials_from_env().password.reveal() == most));

  temporary_file const longer(most + "x");
  variables.set("CIBMTR_PASSWORD_FILE", longer.path());
  CHECK(holds(tests::refusal(credentials_from_env), "64 KiB"));
  CHECK(holds(tests::refusal([&longer] { credentials_from_file(longer.path()); }), "64 KiB"));
}

TEST_CASE("a byte-order mark in a file is refused, not sent as part of a secret") {
  environment_variables const variables;
  temporary_file const file("\xEF\xBB\xBFword");
  variables.set("CIBMTR_PASSWORD_FILE", file.path());
  CHECK(holds(tests::refusal(credentials_from_env), "byte-order mark"));
}

TEST_CASE("a file's NUL bytes are kept, so that they are refused and not cut off") {
  environment_variables const variables;
  std::string const bytes("a\0b", 3);
  temporary_file const file(bytes);
  variables.set("CIBMTR_PASSWORD_FILE", file.path());
  CHECK((credentials_from_env().password.reveal() == bytes));
}

TEST_CASE("credentials are read from a JSON file with the five members") {
  temporary_file const file(R"({"password": "p\"&=\u00a3\u20AC", "username": "a user",
      "client_id": "an id", "client_secret": "a \\ secret", "scope": "one two"}
  )");
  credentials const c = credentials_from_file(file.path());
  CHECK(c.client_id == "an id");
  CHECK((c.client_secret.reveal() == "a \\ secret"));
  CHECK(c.scope == "one two");
  CHECK(c.username == "a user");
  CHECK((c.password.reveal() == "p\"&=\xC2\xA3\xE2\x82\xAC"));
}

TEST_CASE("a member that a JSON file leaves out is empty") {
  temporary_file const file(R"({"client_id":"id","client_secret":"s","scope":"x"})");
  credentials const c = credentials_from_file(file.path());
  CHECK(c.client_id == "id");
  CHECK_FALSE(c.uses_password_grant());
  CHECK(c.password.empty());

  temporary_file const empty("{}");
  CHECK(credentials_from_file(empty.path()).client_id.empty());
}

TEST_CASE("a JSON file that is anything else is refused, never with its content") {
  std::string const good = R"({"client_id":"hunter2","client_secret":"hunter2"})";
  std::string deep;
  for (int i = 0; i < 10000; ++i) {
    deep += R"({"a":)";
  }
  struct {
    std::string what;
    std::string content;
    char const* reason;
  } const files[] = {
      {"empty", "", "is empty"},
      {"white space", " \n", "not a JSON object"},
      {"a misspelt member", R"({"client_id":"hunter2","user_name":"hunter2"})", "member other than"},
      {"a member in another case", R"({"Client_Id":"hunter2"})", "member other than"},
      {"an unknown member named like a secret", R"({"hunter2":"x"})", "member other than"},
      {"a number", R"({"client_secret":12345678})", "client_secret that is not a string"},
      {"null", R"({"username":null,"client_id":"hunter2"})", "username that is not a string"},
      {"a boolean", R"({"scope":true})", "scope that is not a string"},
      {"a list", R"({"scope":["hunter2"]})", "scope that is not a string"},
      {"an object", R"({"password":{"hunter2":"hunter2"}})", "password that is not a string"},
      {"a client id that is a number", R"({"client_id":1})", "client_id that is not a string"},
      {"a member twice", R"({"password":"hunter2","password":"hunter2"})", "twice"},
      {"text after the object", good + "hunter2", "after the object"},
      {"two objects", good + good, "after the object"},
      {"a byte-order mark", "\xEF\xBB\xBF" + good, "byte-order mark"},
      {"UTF-16", std::string("\xFF\xFE{\0", 4), "save it as UTF-8"},
      {"UTF-16", std::string("{\0\"\0", 4), "not a JSON object"},
      {"a list of credentials", "[" + good + "]", "not a JSON object"},
      {"a string", R"("hunter2")", "not a JSON object"},
      {"no JSON", "client_id=hunter2", "not a JSON object"},
      {"cut off", R"({"client_secret":"hunter2)", "not a JSON object"},
      {"a line break in a string", "{\"client_secret\":\"hunter2\n\"}", "not a JSON object"},
      {"nested 10,000 deep", deep, "nested too deeply"},
  };
  for (auto const& each : files) {
    CAPTURE(each.what);
    std::string const message = file_refusal(each.content);
    CHECK(holds(message, each.reason));
    CHECK_FALSE(holds(message, "hunter2"));
    CHECK_FALSE(holds(message, "12345678"));
  }
}

TEST_CASE("a JSON file that cannot be read is refused without its path, which may be the content by mistake") {
  temporary_file const file("{}");
  for (std::string const& path : {file.path() + ".missing", std::string("/"), std::string()}) {
    CAPTURE(path);
    std::string const message = tests::refusal([&path] { credentials_from_file(path); });
    CHECK(message.find("the credentials file ") == 0);
    CHECK_FALSE((path.size() > 1 && holds(message, path)));
  }
}
