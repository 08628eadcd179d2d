// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#if defined(__linux__)
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>
#endif

#include "support/folder.hpp"
#include "support/refusal.hpp"
#include "support/variable.hpp"

namespace {

using cibmtr_auth::credentials;
using cibmtr_auth::credentials_from_env;
using cibmtr_auth::credentials_from_file;
using cibmtr_auth::detail::uses_password_grant;

credentials client_credentials() {
  credentials c;
  c.client_id = "0oa1B2c3D4e5F6g7h8i9";
  c.client_secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn";
  c.scope = "api_cibmtr_fhir_ehr_client";
  return c;
}

credentials password_credentials() {
  credentials c = client_credentials();
  c.username = "svc@center.example";
  c.password = "correct horse";
  return c;
}

/// The message with which `validate` rejects them; empty if it accepts them.
std::string problem(credentials const& c) {
  return tests::refusal([&c] { c.validate(); });
}

/// The field that the message names: its first word.
std::string wrong_field(credentials const& c) {
  std::string const message = problem(c);
  return message.substr(0, message.find(' '));
}

/// The ten variables, unset at first and restored at the end.
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

std::string file_problem(std::string const& content) {
  temporary_file const file(content);
  std::string message = tests::refusal([&file] { credentials_from_file(file.path()); });
  CHECK(message.find("the credentials file ") == 0);
  return message;
}

void read_env() { credentials_from_env(); }

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("credentials of either grant are accepted") {
  CHECK(problem(client_credentials()) == "");
  CHECK_FALSE(uses_password_grant(client_credentials()));
  CHECK(problem(password_credentials()) == "");
  CHECK(uses_password_grant(password_credentials()));
}

TEST_CASE("credentials with an empty field are rejected, naming that field") {
  struct {
    char const* field;
    void (*empty)(credentials&);
  } const fields[] = {
      {"client_id", [](credentials& c) { c.client_id = ""; }},
      {"client_secret", [](credentials& c) { c.client_secret = ""; }},
      {"scope", [](credentials& c) { c.scope = ""; }},
      {"username", [](credentials& c) { c.username = ""; }},
      {"password", [](credentials& c) { c.password = ""; }},
  };
  for (auto const& each : fields) {
    CAPTURE(each.field);
    credentials c = password_credentials();
    each.empty(c);
    CHECK(wrong_field(c) == each.field);
    CHECK(problem(c).find("is empty") != std::string::npos);
  }
  CHECK(wrong_field(credentials()) == "client_id");
}

TEST_CASE("a client id and a client secret are any printable ASCII, a space included") {
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    std::string const text = std::string("a") + static_cast<char>(code) + "b";
    bool const is_printable = code >= 0x20 && code <= 0x7E;
    credentials c = client_credentials();
    c.client_id = text;
    CHECK(wrong_field(c) == (is_printable ? "" : "client_id"));
    c = client_credentials();
    c.client_secret = text;
    CHECK(wrong_field(c) == (is_printable ? "" : "client_secret"));
  }
}

TEST_CASE("a scope is one or more scope tokens with one space between two of them") {
  for (char const* const scope : {"api_cibmtr_fhir_ehr_client", "system/*.crus",
                                  "system/*.crus system/Patient.r openid", "!", "#[]~", "a b", "urn:x:y/z?a=b&c"}) {
    CAPTURE(scope);
    credentials c = client_credentials();
    c.scope = scope;
    CHECK(problem(c) == "");
  }
  for (std::string const scope :
       {" ", "  ", " a", "a ", "a  b", "a\tb", "a\nb", "a\n", "\"a\"", "a\\b", "a\x7F", "\xC2\xA3"}) {
    CAPTURE(scope);
    credentials c = client_credentials();
    c.scope = scope;
    CHECK(wrong_field(c) == "scope");
  }
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    bool const is_scope_character = code == 0x21 || (code >= 0x23 && code <= 0x5B) || (code >= 0x5D && code <= 0x7E);
    credentials c = client_credentials();
    c.scope = std::string(1, static_cast<char>(code));
    CHECK(wrong_field(c) == (is_scope_character ? "" : "scope"));
    c.scope = std::string("a") + static_cast<char>(code) + "b";
    CHECK(wrong_field(c) == (is_scope_character || code == ' ' ? "" : "scope"));
  }
}

TEST_CASE("a username and a password are any UTF-8 but control characters") {
  struct {
    char const* what;
    std::string text;
    bool accepted;
  } const texts[] = {
      {"printable ASCII", " !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~", true},
      {"pound and euro", "p&=%+ \xC2\xA3\xE2\x82\xAC", true},
      {"U+00A0, the first after the C1 controls", "\xC2\xA0", true},
      {"U+07FF, the last of two bytes", "\xDF\xBF", true},
      {"U+0800, the first of three bytes", "\xE0\xA0\x80", true},
      {"U+D7FF, the last before the surrogates", "\xED\x9F\xBF", true},
      {"U+E000, the first after the surrogates", "\xEE\x80\x80", true},
      {"U+FFFF, the last of three bytes", "\xEF\xBF\xBF", true},
      {"U+10000, the first of four bytes", "\xF0\x90\x80\x80", true},
      {"U+1F600, an emoji", "\xF0\x9F\x98\x80", true},
      {"U+FFFFF", "\xF3\xBF\xBF\xBF", true},
      {"U+10FFFF, the last of all", "\xF4\x8F\xBF\xBF", true},
      {"NUL", std::string("a\0b", 3), false},
      {"line feed", "a\n", false},
      {"carriage return", "a\r", false},
      {"tab", "a\tb", false},
      {"U+001F", "\x1F", false},
      {"DEL", "a\x7F", false},
      {"U+0080, the first C1 control", "\xC2\x80", false},
      {"U+0085, next line", "\xC2\x85", false},
      {"U+009F, the last C1 control", "\xC2\x9F", false},
      {"Latin-1", "caf\xE9", false},
      {"Latin-1 in the middle", "caf\xE9s", false},
      {"a lone continuation byte", "a\x80", false},
      {"two continuation bytes", "\xBF\xBF", false},
      {"overlong slash of two bytes", "\xC0\xAF", false},
      {"overlong of two bytes", "\xC1\xBF", false},
      {"overlong of three bytes", "\xE0\x9F\xBF", false},
      {"overlong NUL of three bytes", "\xE0\x80\x80", false},
      {"overlong of four bytes", "\xF0\x8F\xBF\xBF", false},
      {"U+D800, the first surrogate", "\xED\xA0\x80", false},
      {"U+DFFF, the last surrogate", "\xED\xBF\xBF", false},
      {"U+110000, past the end", "\xF4\x90\x80\x80", false},
      {"a lead byte past the end", "\xF5\x80\x80\x80", false},
      {"five bytes", "\xF8\x88\x80\x80\x80", false},
      {"FE and FF", "\xFE\xFF", false},
      {"one of two bytes", "\xC2", false},
      {"one of three bytes", "\xE2", false},
      {"two of three bytes", "\xE2\x82", false},
      {"two of three bytes, then ASCII",
       "\xE2\x82"
       "a",
       false},
      {"three of four bytes", "\xF0\x9F\x98", false},
      {"three of four bytes, then a lead byte", "\xF0\x9F\x98\xC2\xA3", false},
      {"text, then a truncated character", "hunter\xF0\x9F", false},
  };
  for (auto const& each : texts) {
    CAPTURE(each.what);
    credentials c = password_credentials();
    c.username = each.text;
    CHECK(wrong_field(c) == (each.accepted ? "" : "username"));
    c = password_credentials();
    c.password = each.text;
    CHECK(wrong_field(c) == (each.accepted ? "" : "password"));
  }
}

TEST_CASE("a message never contains the value of a field") {
  std::string const value = "hunter2";
  std::string const bad_texts[] = {value + "\n", value + "\x7F", value + "\xE9", value + "  x\\",
                                   value + std::string(1, '\0')};
  for (std::string const& text : bad_texts) {
    for (int field = 0; field < 5; ++field) {
      CAPTURE(field);
      credentials c = password_credentials();
      c.client_id = value;
      c.client_secret = value;
      c.scope = value;
      c.username = value;
      c.password = value;
      switch (field) {
        case 0: c.client_id = text; break;
        case 1: c.client_secret = text; break;
        case 2: c.scope = text; break;
        case 3: c.username = text; break;
        default: c.password = text; break;
      }
      CHECK((problem(c).find(value) == std::string::npos));
    }
  }
}

TEST_CASE("credentials are equal only if all five fields are") {
  using cibmtr_auth::detail::are_equal;
  CHECK(are_equal(password_credentials(), password_credentials()));
  CHECK(are_equal(credentials(), credentials()));
  void (*const changes[])(credentials&) = {
      [](credentials& c) { c.client_id += "x"; }, [](credentials& c) { c.client_secret = "other"; },
      [](credentials& c) { c.scope += "x"; }, [](credentials& c) { c.username += "x"; },
      [](credentials& c) { c.password = "other"; }};
  for (auto const change : changes) {
    credentials changed = password_credentials();
    change(changed);
    CHECK_FALSE(are_equal(changed, password_credentials()));
  }
}

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

TEST_CASE("another prefix names other variables") {
  environment_variables const variables;
  variables.set("CIBMTR_CLIENT_ID", "of CIBMTR");
  tests::variable const client_id("MY_LAB_CLIENT_ID", "an id");
  temporary_file const file("a word\n");
  tests::variable const password("MY_LAB_PASSWORD_FILE", file.path().c_str());
  credentials const c = credentials_from_env("MY_LAB_");
  CHECK(c.client_id == "an id");
  CHECK((c.password.reveal() == "a word"));
  CHECK(c.scope.empty());

  tests::variable const both("MY_LAB_PASSWORD", "hunter2");
  std::string const message = tests::refusal([] { credentials_from_env("MY_LAB_"); });
  CHECK(message.find("MY_LAB_PASSWORD and MY_LAB_PASSWORD_FILE ") == 0);
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

TEST_CASE("a second line break is rejected before anything is sent") {
  environment_variables const variables;
  variables.set("CIBMTR_CLIENT_ID", "id");
  variables.set("CIBMTR_CLIENT_SECRET", "hunter2\n\n");
  variables.set("CIBMTR_SCOPE", "scope");
  std::string const message = tests::refusal([] { credentials_from_env().validate(); });
  CHECK(message.find("client_secret") == 0);
  CHECK_FALSE(contains(message, "hunter2"));
}

TEST_CASE("a variable that is set both ways is rejected by name, never by value") {
  for (std::string const name :
       {"CIBMTR_CLIENT_ID", "CIBMTR_CLIENT_SECRET", "CIBMTR_SCOPE", "CIBMTR_USERNAME", "CIBMTR_PASSWORD"}) {
    CAPTURE(name);
    environment_variables const variables;
    temporary_file const file("hunter2");
    variables.set(name, "hunter2");
    variables.set(name + "_FILE", file.path());
    std::string const message = tests::refusal(read_env);
    CHECK(message.find(name + " and " + name + "_FILE") == 0);
    CHECK_FALSE(contains(message, "hunter2"));
  }
}

TEST_CASE("a file that cannot be read is reported by the variable's name, not by the path, which may be a secret") {
  environment_variables const variables;
  temporary_file const too_long(std::string(64 * 1024, 'x') + "\n");
  std::string const missing = too_long.path() + ".missing";
  for (std::string const& path : {missing, too_long.path(), std::string("/"), std::string()}) {
    CAPTURE(path);
    variables.set("CIBMTR_PASSWORD_FILE", path);
    if (!std::getenv("CIBMTR_PASSWORD_FILE")) {
      continue;  // Windows has no empty variables
    }
    std::string const message = tests::refusal(read_env);
    CHECK(message.find("the file that CIBMTR_PASSWORD_FILE names ") == 0);
    CHECK_FALSE((path.size() > 1 && contains(message, path)));
    CHECK_FALSE(contains(message, "xxx"));
  }
}

TEST_CASE("a file of 64 KiB is read, a longer one is rejected") {
  environment_variables const variables;
  std::string const longest(64 * 1024, 'x');
  temporary_file const file(longest);
  variables.set("CIBMTR_PASSWORD_FILE", file.path());
  CHECK((credentials_from_env().password.reveal() == longest));

  temporary_file const longer(longest + "x");
  variables.set("CIBMTR_PASSWORD_FILE", longer.path());
  CHECK(contains(tests::refusal(read_env), "64 KiB"));
  CHECK(contains(tests::refusal([&longer] { credentials_from_file(longer.path()); }), "64 KiB"));
}

TEST_CASE("a byte-order mark in a file is rejected, not sent as part of a secret") {
  environment_variables const variables;
  temporary_file const file("\xEF\xBB\xBFword");
  variables.set("CIBMTR_PASSWORD_FILE", file.path());
  CHECK(contains(tests::refusal(read_env), "byte-order mark"));
}

TEST_CASE("NUL bytes of a file are read, so that they are rejected and not cut off") {
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
  CHECK_FALSE(uses_password_grant(c));
  CHECK(c.password.empty());

  temporary_file const empty("{}");
  CHECK(credentials_from_file(empty.path()).client_id.empty());
}

TEST_CASE("a JSON file that is anything else is rejected, and never quoted") {
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
      {"a member twice", R"({"password":"hunter2","password":"hunter2"})", "has the same member twice"},
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
    std::string const message = file_problem(each.content);
    CHECK(contains(message, each.reason));
    CHECK_FALSE(contains(message, "hunter2"));
    CHECK_FALSE(contains(message, "12345678"));
  }
}

TEST_CASE("a JSON file that cannot be read is reported without its path, which may be the content by mistake") {
  temporary_file const file("{}");
  for (std::string const& path : {file.path() + ".missing", std::string("/"), std::string()}) {
    CAPTURE(path);
    std::string const message = tests::refusal([&path] { credentials_from_file(path); });
    CHECK(message.find("the credentials file ") == 0);
    CHECK_FALSE((path.size() > 1 && contains(message, path)));
  }
}

TEST_CASE("the message about a file says why it cannot be read") {
  tests::folder const place;
  auto message = [](std::string const& path) { return tests::refusal([&path] { credentials_from_file(path); }); };
  CHECK(contains(message(place / "missing"), "No such file or directory"));
#ifndef _WIN32
  CHECK(contains(message(place.path()), "Is a directory"));
#endif
}

#if defined(__linux__)

TEST_CASE("a secret that Kubernetes mounts is read through its symbolic links") {
  environment_variables const variables;
  tests::folder const place;
  REQUIRE(mkdir((place / "..2026_11_30").c_str(), 0700) == 0);
  tests::write_text(place / "..2026_11_30/password", "a word");
  REQUIRE(symlink("..2026_11_30", (place / "..data").c_str()) == 0);
  REQUIRE(symlink("..data/password", (place / "password").c_str()) == 0);
  variables.set("CIBMTR_PASSWORD_FILE", place / "password");
  CHECK((credentials_from_env().password.reveal() == "a word"));
}

namespace {

/// Reads credentials from a pipe in a thread of its own, so that the test can look at the open file.
class reader_of_pipe {
 public:
  reader_of_pipe() : path_(place_ / "pipe") {
    REQUIRE(mkfifo(path_.c_str(), 0600) == 0);
    thread_ = std::thread([this] {
      try {
        credentials_ = credentials_from_file(path_);
      } catch (cibmtr_auth::error const& thrown) {
        problem_ = thrown.what();
      }
    });
  }
  ~reader_of_pipe() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  std::string const& path() const { return path_; }
  void interrupt() {
    for (int i = 0; i < 20; ++i) {
      pthread_kill(thread_.native_handle(), SIGUSR1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  credentials const& result() {
    thread_.join();
    CHECK(problem_ == "");
    return credentials_;
  }

 private:
  tests::folder place_;
  std::string path_;
  credentials credentials_;
  std::string problem_;
  std::thread thread_;
};

/// The flags of open(2) of every descriptor of this process that is open on the file for reading.
std::vector<unsigned long> flags_of_readers(std::string const& path) {
  std::vector<unsigned long> found;
  for (int file = 0; file < 256; ++file) {
    char target[4096];
    ssize_t const size = readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), target, sizeof target);
    std::string const info = tests::text_of("/proc/self/fdinfo/" + std::to_string(file));
    std::size_t const at = info.find("flags:");
    if (size > 0 && std::string(target, static_cast<std::size_t>(size)) == path && at != std::string::npos) {
      unsigned long const flags = std::stoul(info.substr(at + 6), nullptr, 8);
      if ((flags & 3U) == 0) {
        found.push_back(flags);
      }
    }
  }
  return found;
}

}  // namespace

TEST_CASE("a credentials file is opened with the close-on-exec flag") {
  reader_of_pipe reader;
  std::ofstream pipe(reader.path());
  std::vector<unsigned long> flags;
  for (int i = 0; flags.empty() && i < 60000; ++i) {
    flags = flags_of_readers(reader.path());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  pipe << R"({"client_id":"an id"})";
  pipe.close();
  CHECK(reader.result().client_id == "an id");
  REQUIRE(flags.size() == 1);
  CHECK((flags[0] & 02000000UL) != 0);  // O_CLOEXEC in fdinfo
}

TEST_CASE("a signal while a credentials file is opened or read does no harm") {
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) {};  // without SA_RESTART
  REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
  {
    reader_of_pipe reader;
    reader.interrupt();
    std::ofstream pipe(reader.path());
    reader.interrupt();
    pipe << R"({"client_id":)" << std::flush;
    reader.interrupt();
    pipe << R"("an id"})";
    pipe.close();
    CHECK(reader.result().client_id == "an id");
  }
  sigaction(SIGUSR1, &before, nullptr);
}

#endif
