// SPDX-License-Identifier: MIT
// The key of a shared record: distinguishes credentials without revealing them.

#ifndef CIBMTR_AUTH_DETAIL_SHARING_FINGERPRINT_HPP
#define CIBMTR_AUTH_DETAIL_SHARING_FINGERPRINT_HPP

#include <cibmtr_auth/detail/oauth/token_request.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// The finalizer of SplitMix64: every bit of the result depends on every bit of the argument.
inline std::uint64_t mix(std::uint64_t bits) noexcept {
  bits = (bits ^ bits >> 30U) * 0xBF58476D1CE4E5B9U;
  bits = (bits ^ bits >> 27U) * 0x94D049BB133111EBU;
  return bits ^ bits >> 31U;
}

/// FNV-1a of `field`, continued from `hash`. Its length follows, so that no text can be shifted into the next field.
inline std::uint64_t hash_field(std::uint64_t hash, std::string const& field) noexcept {
  for (char const byte : field) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3U;
  }
  return mix(hash ^ field.size());
}

/// 16 bits of a hash that changes with the secrets. Only 16, because everybody who can read a record sees them: one
/// wrong guess in 65,536 matches too, so nobody can confirm a guessed password. `public_hash` is the salt. It is always
/// the same for one account, because each further salt would reveal 16 more bits.
inline unsigned short_hash(std::uint64_t public_hash, credentials const& secrets) noexcept {
  std::uint64_t const hash = hash_field(public_hash, secrets.client_secret.reveal());
  return static_cast<unsigned>(mix(hash_field(hash, secrets.password.reveal()) ^ mix(public_hash)) >> 48U);
}

/// 16 hexadecimal digits for what a token depends on (token URL, client, scope and user), 4 for the secrets, and the
/// version of the record's format: a file name or a key. An old password that is still in use somewhere has its own
/// record and backoff, and so has a version of the library that writes another format.
inline std::string record_key(environment const& target, credentials const& account) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (std::string const* field :
       {&token_url(target, account), &account.client_id, &account.scope, &account.username}) {
    hash = hash_field(hash, *field);
  }
  char key[32];
  std::snprintf(key, sizeof key, "%016llx%04x_1", static_cast<unsigned long long>(mix(hash)),
                short_hash(hash, account));
  return key;
}

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_SHARING_FINGERPRINT_HPP
