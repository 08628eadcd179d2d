// SPDX-License-Identifier: MIT
// Any credentials file: credentials that are what it says, or an error that quotes nothing of it.

#include <sys/mman.h>
#include <unistd.h>

#define CIBMTR_AUTH_HTTPS 0
#include "fuzz.hpp"

namespace {

using namespace cibmtr_auth;
using fuzz::promise;

/// A file in memory, the same one each time.
std::string file_with(std::string const& content) {
  static int const file = memfd_create("credentials", 0);
  promise(ftruncate(file, 0) == 0 &&
              pwrite(file, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()),
          "there is a file");
  return "/proc/self/fd/" + std::to_string(file);
}

void check_error(error const& thrown) {
  std::string const message = thrown.what();
  promise(thrown.kind() == error_kind::configuration, "a bad file is a configuration error");
  promise(message.find(fuzz::mark) == std::string::npos, "no message quotes the file");
  promise(fuzz::is_printable_ascii(message), "a message is one line");
}

std::string as_json(credentials const& c) {
  picojson::object all;
  all["client_id"] = picojson::value(c.client_id);
  all["client_secret"] = picojson::value(c.client_secret.reveal());
  all["scope"] = picojson::value(c.scope);
  all["username"] = picojson::value(c.username);
  all["password"] = picojson::value(c.password.reveal());
  return picojson::value(all).serialize();
}

/// What `validate` accepts can be sent: it splits no header and no body.
void check_request(credentials const& c) {
  auto const thrown = fuzz::error_of([&c] { c.validate(); });
  if (thrown) {
    check_error(*thrown);
    return;
  }
  for (basic_encoding encoding : {basic_encoding::plain, basic_encoding::form_encoded}) {
    auto const rejected = fuzz::error_of([&] {
      http_request const request = detail::make_token_request(test_environment(), c, encoding);
      for (auto const& field : request.headers) {
        promise(fuzz::is_printable_ascii(field.second.reveal()), "a header is one line");
      }
      promise(fuzz::is_printable_ascii(request.body.reveal()), "a body is one line");
    });
    promise(!rejected || (encoding == basic_encoding::plain && c.client_id.find(':') != std::string::npos),
            "only a colon in a plain client id is rejected");
  }
}

void check_json_file(std::string const& content) {
  fuzz::check_json(content);
  credentials found;
  auto const thrown = fuzz::error_of([&] { found = credentials_from_file(file_with(content)); });
  if (thrown) {
    check_error(*thrown);
    return;
  }
  promise(fuzz::json_grammar::is_object(content), "only a JSON object is accepted");
  promise(detail::are_equal(credentials_from_file(file_with(as_json(found))), found), "credentials are read back");
  check_request(found);
}

/// The same bytes as the file that a variable names: one line break at the end is dropped, no more.
void check_plain_file(std::string const& content) {
  setenv("CIBMTR_PASSWORD_FILE", file_with(content).c_str(), 1);
  std::string password;
  auto const thrown = fuzz::error_of([&password] { password = credentials_from_env().password.reveal(); });
  if (thrown) {
    check_error(*thrown);
    bool const has_mark = content.compare(0, 3, "\xEF\xBB\xBF") == 0 || content.compare(0, 2, "\xFF\xFE") == 0 ||
                          content.compare(0, 2, "\xFE\xFF") == 0;
    promise(content.size() > 65536 || has_mark, "only a BOM and length are rejected");
    return;
  }
  promise(password == content || password + "\n" == content || password + "\r\n" == content,
          "one line break is dropped");
  promise(password.size() < content.size() || content.empty() || content.back() != '\n', "a line break is dropped");
  promise(password + "\n" != content || password.empty() || password.back() != '\r', "with its CR");
}

void credentials_file(std::string const& input) {
  std::string const content = fuzz::replaced(input, "~", fuzz::mark);
  check_json_file(content);
  if (content.compare(0, 1, "{") != 0) {
    check_plain_file(content);
  }
}

fuzz::registered const here("credentials", credentials_file);

}  // namespace
