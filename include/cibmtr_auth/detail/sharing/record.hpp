// SPDX-License-Identifier: MIT
// What renewals agree on, and how it is written down for other processes.

#ifndef CIBMTR_AUTH_TOKEN_RECORD_HPP
#define CIBMTR_AUTH_TOKEN_RECORD_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <picojson.h>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/fingerprint.hpp>
#include <cibmtr_auth/json_object.hpp>
#include <cibmtr_auth/secret.hpp>
#include <cibmtr_auth/token.hpp>

namespace cibmtr_auth {

/// The last token granted, and after failures why there is no newer one and when to ask again.
struct token_record {
  token granted;                         ///< empty for none
  bool is_replacement = false;           ///< `granted` stands for one that the API refused
  int failures = 0;                      ///< of the same sort (rejections, or others), in a row
  int rejections = 0;                    ///< since the last grant
  std::shared_ptr<error const> failure;  ///< the last of them; null for none
  boot_clock::time_point next_try_at;    ///< nobody asks before
};

/// A clock that all who share a record can read, and what it shows at a moment of this process's own; when to read which first is
/// said at `token_store`.
struct shared_clock {
  std::string id;  ///< the same for all who read the same clock; empty where a restarted clock cannot be told apart
  std::int64_t shows_ms;       ///< at `now`
  boot_clock::time_point now;  ///< that moment
  std::int64_t unix_ms;        ///< the wall clock at `now`: only for the wait that outlives `id`
};

namespace detail {

constexpr int record_version = 1;

inline std::int64_t to_ms(shared_clock const& clock, boot_clock::time_point time) {
  return clock.shows_ms + std::chrono::duration_cast<std::chrono::milliseconds>(time - clock.now).count();
}

inline std::string quoted(std::string const& text) {
  return picojson::value(text).serialize();
}

/// A whole number from 0 to 2^53; -1 when there is none.
inline std::int64_t number_of(json_object const& object, char const* name) {
  json_member const* const member = object.find(name);
  bool const is_whole = member && member->is == json_member::type::number && member->number >= 0 &&
                        member->number <= 9007199254740992.0 && std::floor(member->number) == member->number;
  return is_whole ? static_cast<std::int64_t>(member->number) : -1;
}

/// From 0 to 1000.
inline int count_of(json_object const& object, char const* name) {
  return static_cast<int>((std::max)(std::int64_t{0}, (std::min)(number_of(object, name), std::int64_t{1000})));
}

inline std::string text_of(json_object const& object, char const* name) {
  std::string const* const text = object.find_string(name);
  return text ? *text : std::string();
}

/// 53 bits of the first `length` bytes, against damage, not against forgers: a flipped bit of a token is a token too.
inline std::int64_t sum_of(std::string const& text, std::size_t length) {
  std::uint64_t sum = length;
  for (std::size_t i = 0; i < length; ++i) {
    sum = mix(sum ^ static_cast<unsigned char>(text[i]));
  }
  return static_cast<std::int64_t>(sum >> 11U);
}

/// Whether `text`, which is `object`, ends with the sum of all that stands before it.
inline bool is_undamaged(std::string const& text, json_object const& object) {
  std::size_t const end = text.rfind(",\"sum\":");
  return end != std::string::npos && number_of(object, "sum") == sum_of(text, end);
}

}  // namespace detail

/// One JSON object. It holds no secret but the token.
inline secret write_record(token_record const& record, fingerprint const& whose, shared_clock const& clock) {
  std::string text;
  text.reserve(2048 + record.granted.value().size() + 2 * record.granted.scope().size());
  auto add = [&text](char const* name, std::string const& value) {
    text += text.empty() ? "{\"" : ",\"";
    text += name;
    text += "\":";
    text += value;
  };
  add("version", std::to_string(detail::record_version));
  add("check", std::to_string(whose.check()));
  add("clock", detail::quoted(clock.id));
  add("written_ms", std::to_string(clock.shows_ms));
  add("written_unix_ms", std::to_string(clock.unix_ms));
  if (!record.granted.empty()) {
    add("obtained_ms", std::to_string(detail::to_ms(clock, record.granted.obtained_at())));
    add("expires_ms", std::to_string(detail::to_ms(clock, record.granted.expires_at())));
    add("scope", detail::quoted(record.granted.scope()));
    add("replacement", record.is_replacement ? "1" : "0");
    add("access_token", "\"");
    text += record.granted.value();
    text += '"';
  }
  if (record.failure) {
    add("failures", std::to_string(record.failures));
    add("rejections", std::to_string(record.rejections));
    add("next_try_ms", std::to_string(detail::to_ms(clock, record.next_try_at)));
    add("kind", detail::quoted(to_string(record.failure->kind())));
    add("http_status", std::to_string(record.failure->http_status()));
    add("oauth_error", detail::quoted(record.failure->oauth_error()));
    add("message", detail::quoted(record.failure->what()));
  }
  add("sum", std::to_string(detail::sum_of(text, text.size())));
  text += "}\n";
  return secret(std::move(text));
}

/// An empty record for a text that is not `whose`, not of this version, from the future, or damaged. By another clock (the machine was
/// started anew) the token is not taken, but a wait still is, counted by the wall clock. Where that cannot be told, the record is as
/// old as either clock says.
inline token_record read_record(std::string const& text, fingerprint const& whose, shared_clock const& clock) {
  using std::chrono::milliseconds;
  detail::json_object object;
  bool const is_object = object.read(text);
  std::int64_t const written = detail::number_of(object, "written_ms");
  std::int64_t const written_unix = detail::number_of(object, "written_unix_ms");
  bool const is_ours = is_object && detail::is_undamaged(text, object) &&
                       detail::number_of(object, "version") == detail::record_version && written >= 0 &&
                       detail::number_of(object, "check") == whose.check();
  std::int64_t const by_clock = clock.shows_ms - written;
  std::int64_t const by_wall = clock.unix_ms - written_unix;
  bool const was_restarted = clock.id.empty() && by_clock < -1000;
  bool const same_clock = detail::text_of(object, "clock") == clock.id && !was_restarted;
  std::int64_t const since = !same_clock ? by_wall : clock.id.empty() ? (std::max)(by_clock, by_wall) : by_clock;
  if (!is_ours || since < -1000) {
    return token_record();
  }

  token_record record;
  std::int64_t const age = (std::max)(since, std::int64_t{0});
  auto time_of = [&](char const* name) {
    return clock.now + milliseconds(detail::number_of(object, name) - written - age);
  };
  std::string const* const value = object.find_string("access_token");
  std::int64_t const obtained = detail::number_of(object, "obtained_ms");
  std::int64_t const life = detail::number_of(object, "expires_ms") - obtained;
  bool const is_sound = value && detail::is_b64token(*value) && obtained >= 0 && obtained <= written && life >= 0 &&
                        life <= 366LL * 86400 * 1000;
  if (same_clock && is_sound) {
    record.is_replacement = detail::number_of(object, "replacement") == 1;
    record.granted = token(*value, detail::text_of(object, "scope"), time_of("obtained_ms"), time_of("expires_ms"));
  }
  std::int64_t const wait = detail::number_of(object, "next_try_ms") - written;
  for (error_kind kind : {error_kind::rejected, error_kind::rate_limited, error_kind::unavailable, error_kind::network,
                          error_kind::tls, error_kind::timed_out, error_kind::malformed}) {
    if (detail::text_of(object, "kind") == to_string(kind) && wait >= 0 && wait <= 2 * 86400 * 1000) {
      record.failures = (std::max)(1, detail::count_of(object, "failures"));
      record.rejections = detail::count_of(object, "rejections");
      std::int64_t const status = (std::max)(std::int64_t{0}, detail::number_of(object, "http_status"));
      record.failure.reset(new error(kind, detail::text_of(object, "message"), static_cast<int>(status % 1000),
                                     detail::text_of(object, "oauth_error")));
      record.next_try_at = time_of("next_try_ms");
    }
  }
  return record;
}

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_RECORD_HPP
