// SPDX-License-Identifier: MIT
// Where renewals are agreed on: in this process, or shared by several.

#ifndef CIBMTR_AUTH_TOKEN_STORE_HPP
#define CIBMTR_AUTH_TOKEN_STORE_HPP

#include <memory>
#include <mutex>

#include <cibmtr_auth/per_process.hpp>
#include <cibmtr_auth/token_record.hpp>

namespace cibmtr_auth {

/// Load, store, lock. A store may be shared by processes or machines. Trouble of its own (a full disk, a lost
/// connection) must not cost anybody a token, so nothing here throws: without a record one asks, without a lock one asks
/// alone.
class token_store {
 public:
  /// Held by whoever asks for a token; released when it is destroyed, or when its process dies. A lock that ends by itself must
  /// outlive the longest exchange (`https_options::timeout`), and once it has ended must not release another's. Whoever finds it
  /// held for longer than a minute asks alone.
  class lock {
   public:
    lock() = default;
    lock(lock const&) = delete;
    lock& operator=(lock const&) = delete;
    virtual ~lock() = default;
  };

  token_store() = default;
  token_store(token_store const&) = delete;
  token_store& operator=(token_store const&) = delete;
  virtual ~token_store() = default;

  /// Null while another holds it. Where locking is impossible, a lock that locks nothing.
  virtual std::unique_ptr<lock> try_lock() = 0;
  /// Empty when there is none that can be trusted. Times are `boot_clock`'s of the process that calls. `read_record` and
  /// `write_record` turn them into those of a clock that all share: a reader takes `shared_clock::now` before that clock is
  /// read and a writer after it, so that no token ever seems to live longer than it does.
  virtual token_record load() = 0;
  /// Replaces the record as a whole. Must be kept until the token's end, and after a failure for longer than until
  /// `next_try_at`: the next failure's pause doubles only if this one is found, so for twice the pause and a minute.
  virtual void save(token_record const& record) = 0;
};

/// The store of one process. It needs no lock, since a cache asks once at a time.
class memory_store : public token_store {
 public:
  std::unique_ptr<lock> try_lock() override { return std::unique_ptr<lock>(new lock); }
  token_record load() override {
    guarded& mine = state_.get();
    std::lock_guard<std::mutex> const guard(mine.mutex);
    return mine.record;
  }
  void save(token_record const& record) override {
    guarded& mine = state_.get();
    std::lock_guard<std::mutex> const guard(mine.mutex);
    mine.record = record;
  }

 private:
  struct guarded {
    std::mutex mutex;
    token_record record;
  };
  detail::per_process<guarded> state_;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_STORE_HPP
