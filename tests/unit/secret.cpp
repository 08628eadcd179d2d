// SPDX-License-Identifier: MIT

#include <cibmtr_auth.hpp>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

namespace {

using cibmtr_auth::secret;

template <typename T, typename = void>
struct is_streamable : std::false_type {};
template <typename T>
struct is_streamable<T, decltype(void(std::declval<std::ostream&>() << std::declval<T const&>()))> : std::true_type {};

static_assert(is_streamable<std::string>::value, "the check itself works");
static_assert(!is_streamable<secret>::value, "a secret cannot be printed");
static_assert(!std::is_convertible<secret, std::string>::value, "a secret becomes text through reveal() alone");
static_assert(std::is_nothrow_move_constructible<secret>::value, "a vector of secrets moves them");
static_assert(std::is_same<decltype(std::declval<secret const&>().reveal()), std::string const&>::value,
              "no copy is made that somebody would have to wipe");
static_assert(std::is_same<decltype(std::declval<secret>().reveal()), std::string>::value,
              "a reference into a temporary would dangle");

/// Short enough to live inside a string, and too long for that.
char const small_text[] = "hunter2";
char const large_text[] = "hunter2, hunter2, hunter2, hunter2, hunter2, hunter2, hunter2";

/// Through a volatile pointer, because a compiler may assume what hidden bytes or those of a destroyed object contain.
bool is_zero(void const* memory, std::size_t size) {
  auto const bytes = static_cast<unsigned char const volatile*>(memory);
  for (std::size_t i = 0; i < size; ++i) {
    if (bytes[i] != 0) {
      return false;
    }
  }
  return true;
}

/// Whether the memory of an object, without its heap, contains four characters of `hunter2` in a row.
bool holds_hunter2(void const* memory, std::size_t size) {
  std::string copy;
  auto const bytes = static_cast<unsigned char const volatile*>(memory);
  for (std::size_t i = 0; i < size; ++i) {
    copy += static_cast<char>(bytes[i]);
  }
  return copy.find("hunt") != std::string::npos || copy.find("nter") != std::string::npos ||
         copy.find("ter2") != std::string::npos;
}

}  // namespace

TEST_CASE("wipe overwrites every byte that a string owns, also those past its end") {
  for (std::string text : {small_text, large_text}) {
    CAPTURE(text.size());
    text.resize(3);  // what follows the third character is still in the buffer
    std::size_t const owned = text.capacity();
    char const* const buffer = text.data();
    REQUIRE_FALSE(is_zero(buffer, owned));

    cibmtr_auth::detail::wipe(text);

    CHECK(text.empty());
    REQUIRE(text.data() == buffer);
    CHECK(is_zero(buffer, owned));
  }
}

TEST_CASE("wiping an empty string does nothing, and a wiped string can be used again") {
  std::string text;
  cibmtr_auth::detail::wipe(text);
  CHECK(text.empty());
  text = "new";
  CHECK(text == "new");
}

TEST_CASE("a secret gives back what it was made from, NUL bytes included") {
  CHECK(secret().empty());
  CHECK(secret("").empty());
  CHECK_FALSE(secret(small_text).empty());
  CHECK((secret(large_text).reveal() == large_text));
  std::string const bytes("a\0b", 3);
  CHECK((secret(bytes).reveal() == bytes));
  CHECK((secret(std::string(bytes)).reveal() == bytes));
}

TEST_CASE("a secret made from a null pointer is empty, such as from an environment variable that is not set") {
  char const* const null = nullptr;
  CHECK(secret(null).empty());
  CHECK(secret(nullptr).empty());
  CHECK(secret(std::getenv("CIBMTR_AUTH_TESTS_UNSET")).empty());
}

TEST_CASE("the text of a temporary secret may be used after it") {
  auto const& text = secret(large_text).reveal();
  CHECK((text == large_text));
}

TEST_CASE("a secret that is destroyed leaves nothing behind") {
  alignas(secret) unsigned char memory[sizeof(secret)];
  auto* const small = new (memory) secret(small_text);
  REQUIRE(holds_hunter2(memory, sizeof memory));
  small->~secret();
  CHECK_FALSE(holds_hunter2(memory, sizeof memory));
}

TEST_CASE("a secret made from a moved string leaves nothing in it") {
  std::string text = small_text;
  secret const taken(std::move(text));
  CHECK((taken.reveal() == small_text));
  CHECK(text.empty());
  CHECK(is_zero(text.data(), text.capacity()));
}

TEST_CASE("a moved-from secret is empty and contains nothing of its text") {
  for (char const* const text : {small_text, large_text}) {
    secret from = text;
    secret const to(std::move(from));
    CHECK((to.reveal() == text));
    CHECK(from.empty());
    CHECK_FALSE(holds_hunter2(&from, sizeof from));

    secret assigned_from = text;
    secret assigned_to = "other";
    assigned_to = std::move(assigned_from);
    CHECK((assigned_to.reveal() == text));
    CHECK(assigned_from.empty());
    CHECK_FALSE(holds_hunter2(&assigned_from, sizeof assigned_from));
  }
}

TEST_CASE("a secret that is assigned to contains nothing of its old text") {
  secret held = small_text;
  held = secret("x");
  CHECK((held.reveal() == "x"));
  CHECK_FALSE(holds_hunter2(&held, sizeof held));
}

TEST_CASE("a copy of a secret is independent of the original") {
  for (char const* const text : {small_text, large_text}) {
    secret first = text;
    secret const copy = first;
    CHECK(copy.reveal().data() != first.reveal().data());
    first = secret("other");
    CHECK((copy.reveal() == text));
    CHECK((first.reveal() == "other"));
  }
}

TEST_CASE("a secret can be assigned to itself") {
  secret text = large_text;
  secret const& same = text;
  text = same;
  CHECK((text.reveal() == large_text));
}
