// SPDX-License-Identifier: MIT
// Text that is wiped when it dies and cannot be printed.

#ifndef CIBMTR_AUTH_SECRET_HPP
#define CIBMTR_AUTH_SECRET_HPP

#include <cstddef>
#include <iosfwd>
#include <string>
#include <utility>

namespace cibmtr_auth {

/// Overwrites every byte the string owns, those past its end too, and empties it. Written through a
/// volatile pointer because a compiler may drop writes to memory that is about to be freed.
inline void wipe(std::string& text) noexcept {
  text.resize(text.capacity());
  char volatile* const bytes = &text[0];
  for (std::size_t i = 0; i < text.size(); ++i) {
    bytes[i] = '\0';
  }
  text.clear();
}

/// A client secret, a password, a form body, a header value or a token. Made from text, read back only
/// through `reveal()`, which is easy to search for; streaming it does not compile.
class secret {
 public:
  secret() = default;
  /// Copies the text, which stays the caller's to wipe.
  secret(char const* text) : text_(text) {}
  /// The same.
  secret(std::string const& text) : text_(text) {}
  /// Takes the text over and wipes what a small string leaves behind in `text`.
  secret(std::string&& text) : text_(std::move(text)) { wipe(text); }
  /// A copy is wiped when it dies, as each is.
  secret(secret const&) = default;
  /// Leaves nothing in `other`.
  secret(secret&& other) noexcept : text_(std::move(other.text_)) { wipe(other.text_); }
  /// Wipes what was there.
  secret& operator=(secret other) noexcept {
    wipe(text_);
    text_.swap(other.text_);
    return *this;
  }
  ~secret() { wipe(text_); }

  /// Whether there is nothing to hide.
  bool empty() const noexcept { return text_.empty(); }
  /// The text itself; a copy of it is the caller's to wipe.
  std::string const& reveal() const noexcept { return text_; }

  friend std::ostream& operator<<(std::ostream&, secret const&) = delete;

 private:
  std::string text_;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_SECRET_HPP
