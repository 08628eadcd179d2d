// SPDX-License-Identifier: MIT
// One renewal, agreed on with everyone who shares the store: who asks, and when nobody may.

#ifndef CIBMTR_AUTH_RENEWAL_HPP
#define CIBMTR_AUTH_RENEWAL_HPP

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <thread>
#include <utility>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/pause.hpp>
#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/token_record.hpp>
#include <cibmtr_auth/token_source.hpp>
#include <cibmtr_auth/token_store.hpp>

namespace cibmtr_auth {
namespace detail {

/// What came of a renewal. A failure may come with a token: the old one, which still lives.
struct renewal_outcome {
  token granted;
  std::exception_ptr failure;
  bool was_asked = false;                ///< a request was sent
  bool has_left_early = false;           ///< another process is asking, and the caller's patience ended
  boot_clock::time_point look_again_at;  ///< no sooner
};

/// Asks `ask` for a token unless the store has a fresh one, another process is asking, or nobody may ask yet. Of
/// all who share the store one asks at a time.
class renewal {
 public:
  renewal(token_source ask, std::shared_ptr<token_store> store, clock_function now)
      : ask_(std::move(ask)),
        store_(store ? std::move(store) : std::shared_ptr<token_store>(new memory_store)),
        now_(std::move(now)),
        last_failed_(new memory_store),
        unknown_(new error(error_kind::network, "the transport failed in a way of its own.")) {
    require(ask_ != nullptr, "token source", "is empty: give a function");
  }

  /// Gives anything but `refused`, a token that the API no longer takes; but its replacement of less than 30 seconds ago
  /// is not replaced in its turn, or an API that takes none would have all who share the store ask all the time. Another
  /// process that asks is waited for as long as `patience` says, and never longer than any exchange takes: after a minute
  /// this one asks alone. Whatever is thrown meanwhile is in the outcome.
  renewal_outcome run(token const& refused, std::chrono::milliseconds patience = std::chrono::minutes(1)) const {
    try {
      return agree(refused, patience);
    } catch (...) {
      return outcome(token(), std::current_exception(), now_());
    }
  }

 private:
  renewal_outcome agree(token const& refused, std::chrono::milliseconds patience) const {
    using std::chrono::steady_clock;
    std::chrono::milliseconds const longest = std::chrono::minutes(1);
    steady_clock::time_point const end_of_patience = steady_clock::now() + (std::min)(patience, longest);
    for (;;) {
      std::unique_ptr<token_store::lock> const lock = store_->try_lock();
      token_record const record = load();
      boot_clock::time_point const now = now_();
      bool const is_recent = record.is_replacement && now < record.granted.obtained_at() + std::chrono::seconds(30);
      bool const is_another = is_recent || record.granted.value() != refused.value();
      bool const is_usable = is_another && now < record.granted.expires_at();
      if (is_usable && now < record.granted.renew_at()) {
        return outcome(record.granted, nullptr, record.granted.renew_at());
      }
      bool const has_waited = steady_clock::now() >= end_of_patience;
      token const fallback = is_usable ? record.granted : token();
      if (lock || (has_waited && patience >= longest)) {
        return now < record.next_try_at && record.failure ? not_yet(record, fallback, now, true)
                                                          : ask(record, fallback, !refused.empty());
      }
      if (is_usable || has_waited) {
        return is_usable ? outcome(fallback, nullptr, now + std::chrono::seconds(1)) : left_early(now);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  /// What the store holds, but never less than our own last failure: a store that could not keep it (a full disk, a lost
  /// connection) must not let us ask all the time. A token granted since then ends that.
  token_record load() const {
    token_record kept = store_->load();
    token_record mine = last_failed_->load();
    bool const is_renewed = !kept.granted.empty() && kept.granted.value() != mine.granted.value();
    if (!mine.failure || is_renewed || kept.next_try_at >= mine.next_try_at) {
      return kept;
    }
    mine.granted = kept.granted;
    return mine;
  }

  static renewal_outcome outcome(token const& granted, std::exception_ptr failure,
                                 boot_clock::time_point look_again_at) {
    renewal_outcome result;
    result.granted = granted;
    result.failure = std::move(failure);
    result.look_again_at = look_again_at;
    return result;
  }

  static renewal_outcome left_early(boot_clock::time_point now) {
    error const failure(error_kind::timed_out, "another process's token request is not done yet: call again");
    renewal_outcome result = outcome(token(), std::make_exception_ptr(failure), now + std::chrono::seconds(1));
    result.has_left_early = true;
    return result;
  }

  static renewal_outcome not_yet(token_record const& record, token const& fallback, boot_clock::time_point now,
                                 bool is_earlier) {
    try {
      throw with_next_try(*record.failure, record.next_try_at - now, is_earlier);
    } catch (...) {  // or what came in its way: memory may be short
      return outcome(fallback, std::current_exception(), record.next_try_at);
    }
  }

  renewal_outcome ask(token_record const& before, token const& fallback, bool is_replacement) const {
    renewal_outcome result;
    bool was_sent = true;
    try {
      token_record record;
      record.granted = ask_();
      if (now_() >= record.granted.expires_at()) {
        throw error(
            error_kind::unavailable,
            "the token had ended before it arrived: the token server takes longer to answer than its tokens live.");
      }
      record.is_replacement = is_replacement;
      last_failed_->save(token_record());
      save(record);
      result = outcome(record.granted, nullptr, record.granted.renew_at());
    } catch (error const& failure) {
      was_sent = failure.kind() != error_kind::configuration;
      result = was_sent ? failed(before, fallback, failure) : outcome(fallback, std::current_exception(), now_());
    } catch (...) {
      result = failed(before, fallback, *unknown_);
      result.failure = std::current_exception();
    }
    result.was_asked = was_sent;
    return result;
  }

  renewal_outcome failed(token_record const& before, token const& usable_before, error const& failure) const {
    boot_clock::time_point const now = now_();
    token const fallback = now < usable_before.expires_at() ? usable_before : token();  // asking takes time
    bool const is_rejected = failure.kind() == error_kind::rejected;
    bool const is_another = before.failure && before.failure->kind() != error_kind::rejected;
    token_record record;
    record.granted = fallback;
    record.is_replacement = before.is_replacement;
    record.failure = kept(failure);
    record.rejections = before.rejections + (is_rejected ? 1 : 0);
    record.failures = is_rejected ? record.rejections : is_another ? before.failures + 1 : 1;
    record.next_try_at = now + pause_after(failure, record.failures, chance_at(now));
    save(record);
    record.granted = before.granted;
    last_failed_->save(record);
    return not_yet(record, fallback, now, false);
  }

  /// However short memory is, there is a pause.
  std::shared_ptr<error const> kept(error const& failure) const {
    try {
      return std::shared_ptr<error const>(new error(failure));
    } catch (std::bad_alloc const&) {
      return unknown_;
    }
  }

  /// What goes wrong here costs the sharing, never the token.
  void save(token_record const& record) const {
    try {
      store_->save(record);
    } catch (...) {
    }
  }

  token_source ask_;
  std::shared_ptr<token_store> store_;
  clock_function now_;
  std::shared_ptr<memory_store> last_failed_;
  std::shared_ptr<error const> unknown_;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_RENEWAL_HPP
