// SPDX-License-Identifier: MIT
// Text that is wiped when it is destroyed and cannot be printed.

#ifndef CIBMTR_AUTH_SECRET_HPP
#define CIBMTR_AUTH_SECRET_HPP

#include <cstddef>
#include <iosfwd>
#include <string>
#include <utility>

namespace cibmtr_auth { inline namespace v1_0 {
namespace detail {

/// Overwrites every byte the string owns, also those past its end, and empties it. Writes through a volatile pointer
/// because a compiler may drop writes to memory that is about to be freed.
inline void wipe(std::string& text) noexcept {
  text.resize(text.capacity());
  char volatile* const bytes = &text[0];
  for (std::size_t i = 0; i < text.size(); ++i) {
    bytes[i] = '\0';
  }
  text.clear();
}

}  // namespace detail

/// A client secret, a password, a form body, a header value or a token. The text is wiped when the object is destroyed,
/// moved from or assigned to, and can be read only through `reveal()`, which is easy to search for. Streaming a secret
/// does not compile.
class secret {
 public:
  secret() = default;
  /// Copies the text, which the caller still has to wipe. A null pointer gives an empty secret:
  /// `secret(std::getenv("NAME"))` is fine.
  secret(char const* text) : text_(text ? text : "") {}
  /// Copies the text, which the caller still has to wipe.
  secret(std::string const& text) : text_(text) {}
  /// Takes over the text, and wipes what moving a short string leaves behind in `text`.
  secret(std::string&& text) : text_(std::move(text)) { detail::wipe(text); }
  secret(secret const&) = default;
  secret(secret&& other) noexcept : text_(std::move(other.text_)) { detail::wipe(other.text_); }
  secret& operator=(secret other) noexcept {
    detail::wipe(text_);
    text_.swap(other.text_);
    return *this;
  }
  ~secret() { detail::wipe(text_); }

  bool empty() const noexcept { return text_.empty(); }
  /// The text itself.
  std::string const& reveal() const& noexcept { return text_; }
  /// A copy, because a reference into a temporary would dangle. The caller has to wipe it.
  std::string reveal() && { return text_; }

  friend std::ostream& operator<<(std::ostream&, secret const&) = delete;

 private:
  std::string text_;
};

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_SECRET_HPP
