// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <cstddef>
#include <string>

#include <doctest/doctest.h>

using cibmtr_auth::basic_auth;
using cibmtr_auth::basic_encoding;
using cibmtr_auth::error;
using cibmtr_auth::error_kind;

TEST_CASE("the Basic value gives the vectors of RFC 7617 and RFC 6749") {
  struct {
    char const* client_id;
    char const* client_secret;
    basic_encoding encoding;
    char const* value;
  } const vectors[] = {
      {"Aladdin", "open sesame", basic_encoding::plain, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
      {"test", "123\xC2\xA3", basic_encoding::plain, "Basic dGVzdDoxMjPCow=="},
      {"s6BhdRkqt3", "gX1fBat3bV", basic_encoding::plain, "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"},
      {"s6BhdRkqt3", "gX1fBat3bV", basic_encoding::form_encoded, "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"},
      {"1PpG/Q 1", "z/tZ9VwFZqApmIQ+ZH1I5pLk/uB4ud:X2/8bL+wfFTt1rFw=", basic_encoding::form_encoded,
       "Basic MVBwRyUyRlErMTp6JTJGdFo5VndGWnFBcG1JUSUyQlpIMUk1cExrJTJGdUI0dWQlM0FYMiUyRjhiTCUyQndmRlR0MXJGdyUzRA=="},
  };
  for (auto const& vector : vectors) {
    CAPTURE(vector.client_id);
    CHECK((basic_auth(vector.client_id, vector.client_secret, vector.encoding).reveal() == vector.value));
  }
}

TEST_CASE("the Basic value is plain unless asked otherwise") {
  CHECK((basic_auth("a b", "c d").reveal() == "Basic " + cibmtr_auth::base64_encode("a b:c d")));
  CHECK((basic_auth("a b", "c d", basic_encoding::form_encoded).reveal() ==
         "Basic " + cibmtr_auth::base64_encode("a+b:c+d")));
}

TEST_CASE("both encodings agree on whatever Okta generates") {
  std::string const id = "0oa1B2c3D4e5F6g7h8i9";
  std::string const client_secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  CHECK((basic_auth(id, client_secret, basic_encoding::plain).reveal() ==
         basic_auth(id, client_secret, basic_encoding::form_encoded).reveal()));
}

TEST_CASE("a plain client id with a colon is refused by name, never by value") {
  for (std::string const client_id : {"hunter2:x", ":hunter2", "hunter2:"}) {
    CAPTURE(client_id);
    std::string message;
    try {
      basic_auth(client_id, "swordfish");
    } catch (error const& e) {
      CHECK(e.kind() == error_kind::configuration);
      message = e.what();
    }
    CHECK(message.find("client_id") == 0);
    CHECK(message.find("hunter2") == std::string::npos);
    CHECK(message.find("swordfish") == std::string::npos);
  }
}

TEST_CASE("a colon is welcome in a client secret and in a form-encoded client id") {
  CHECK((basic_auth("id", "a:b:c").reveal() == "Basic " + cibmtr_auth::base64_encode("id:a:b:c")));
  CHECK((basic_auth("i:d", "a:b", basic_encoding::form_encoded).reveal() ==
         "Basic " + cibmtr_auth::base64_encode("i%3Ad:a%3Ab")));
}

TEST_CASE("the Basic value of a long id and secret stays on one line") {
  std::string const client_secret(4096, '~');
  for (std::size_t length : {20U, 57U, 76U, 1000U}) {
    CAPTURE(length);
    for (basic_encoding const encoding : {basic_encoding::plain, basic_encoding::form_encoded}) {
      auto const value = basic_auth(std::string(length, 'i'), client_secret, encoding);
      CHECK(value.reveal().find_first_of("\r\n") == std::string::npos);
      CHECK(value.reveal().find(' ') == 5);
      CHECK(value.reveal().find(' ', 6) == std::string::npos);
    }
  }
}
