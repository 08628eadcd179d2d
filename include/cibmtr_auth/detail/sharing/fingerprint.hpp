// SPDX-License-Identifier: MIT
// Whose token a shared record holds, without saying so.

#ifndef CIBMTR_AUTH_FINGERPRINT_HPP
#define CIBMTR_AUTH_FINGERPRINT_HPP

#include <cstdint>
#include <string>

#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/environment.hpp>

namespace cibmtr_auth {
namespace detail {

/// The finalizer of SplitMix64: every bit of the result depends on every bit given.
inline std::uint64_t mix(std::uint64_t bits) noexcept {
  bits = (bits ^ bits >> 30U) * 0xBF58476D1CE4E5B9U;
  bits = (bits ^ bits >> 27U) * 0x94D049BB133111EBU;
  return bits ^ bits >> 31U;
}

}  // namespace detail

/// Tells records of different credentials apart. Shared records hold `name()` and `check()`, 16 bits of a hash that is salted and
/// changes when a password does, but fits one in 65,536 wrong guesses too: nobody can confirm a password with it. The
/// salt is always the same, since another one each time would give away another 16 bits each time.
class fingerprint {
 public:
  /// Of what a token depends on: token URL, client, scope, user and secrets.
  fingerprint(environment const& where, credentials const& who) {
    std::string const token_url =
        who.uses_password_grant() ? where.password_token_url : where.client_credentials_token_url;
    for (std::string const* field : {&token_url, &who.client_id, &who.scope, &who.username}) {
      add(*field);
    }
    salt_ = detail::mix(hash_);
    add(who.client_secret.reveal());
    add(who.password.reveal());
  }

  /// 16 hexadecimal digits for a token URL, a client, a scope and a user, and 4 for `check()`: a file's name or a key. An old
  /// password that is still in use somewhere has a record and a pause of its own.
  std::string name() const { return digits(salt_, 64) + digits(check(), 16); }
  /// 0 to 65535, of everything, secrets included.
  unsigned check() const noexcept { return static_cast<unsigned>(detail::mix(hash_ ^ salt_) >> 48U); }

 private:
  static std::string digits(std::uint64_t bits, unsigned count) {
    std::string text;
    for (unsigned shift = count; shift > 0; shift -= 4) {
      text += "0123456789abcdef"[bits >> (shift - 4) & 15U];
    }
    return text;
  }

  /// FNV-1a, with the length after each field, so that no two fields can be shifted into each other.
  void add(std::string const& field) noexcept {
    for (char const byte : field) {
      hash_ = (hash_ ^ static_cast<unsigned char>(byte)) * 0x100000001B3U;
    }
    hash_ = detail::mix(hash_ ^ field.size());
  }

  std::uint64_t hash_ = 0xCBF29CE484222325U;
  std::uint64_t salt_ = 0;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_FINGERPRINT_HPP
