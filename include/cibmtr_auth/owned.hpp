// SPDX-License-Identifier: MIT
// What a C library made, and must release.

#ifndef CIBMTR_AUTH_OWNED_HPP
#define CIBMTR_AUTH_OWNED_HPP

#include <cibmtr_auth/config.hpp>

#if CIBMTR_AUTH_HTTPS
namespace cibmtr_auth {
namespace detail {

/// A std::unique_ptr that compiles in a tenth of the time; eight types of it would be a quarter of what the transport costs to include.
template <typename T>
class owned {
 public:
  /// `made` may be null.
  owned(T* made, void (*release)(T*)) noexcept : made_(made), release_(release) {}
  owned(owned&& other) noexcept : made_(other.made_), release_(other.release_) { other.made_ = nullptr; }
  owned(owned const&) = delete;
  owned& operator=(owned const&) = delete;
  ~owned() {
    if (made_) {
      release_(made_);
    }
  }

  T* get() const noexcept { return made_; }
  explicit operator bool() const noexcept { return made_ != nullptr; }

 private:
  T* made_;
  void (*const release_)(T*);
};

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_OWNED_HPP
