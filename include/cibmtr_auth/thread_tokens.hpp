// SPDX-License-Identifier: MIT
// Each thread's own copy of a cache's token, so that readers need no lock.

#ifndef CIBMTR_AUTH_THREAD_TOKENS_HPP
#define CIBMTR_AUTH_THREAD_TOKENS_HPP

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <new>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/token.hpp>

namespace cibmtr_auth {
namespace detail {

/// Read and written by its thread alone, but for the count.
struct thread_token {
  unsigned long long edition = 0;  ///< of the cache's token that these are copies of; zero when there are none
  token_supply tokens;
  boot_clock::time_point renew_at;
  std::atomic<unsigned long long> hits{0};

  bool serves(unsigned long long latest_edition, boot_clock::time_point now) const noexcept {
    return edition == latest_edition && now < renew_at;
  }
  token hit() noexcept {
    hits.store(hits.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return tokens.next();
  }
  void give_up() noexcept {
    edition = 0;
    tokens.clear();
  }
};

/// The copies of one cache. Each ends with its thread or with the cache, whichever comes first.
class thread_tokens {
 public:
  thread_tokens() : id_(new char()) {}
  thread_tokens(thread_tokens const&) = delete;
  thread_tokens& operator=(thread_tokens const&) = delete;
  /// Nobody is reading any more; but threads that live on must not keep the token.
  ~thread_tokens() {
    for (std::shared_ptr<entry> const& one : all_) {
      one->abandon();
    }
  }

  /// Null in a thread that is ending and has given its copies back, where there is no memory for one, and with MinGW, which
  /// frees the memory of thread_local objects before it destroys them (mingw-w64 bug 527).
  thread_token* here() noexcept {
#ifdef __MINGW32__
    return nullptr;
#else
    last_used const& last = last_of_this_thread();
    return last.owner == id_.get() ? last.copy : find_or_add();
#endif
  }

  unsigned long long hits() const {
    std::lock_guard<std::mutex> const lock(mutex_);
    unsigned long long sum = hits_of_ended_threads_;
    for (std::shared_ptr<entry> const& one : all_) {
      sum += one->copy.hits;
    }
    return sum;
  }

 private:
  struct entry {
    std::shared_ptr<char const> owner;
    std::atomic<bool> is_orphan{false};
    thread_token copy;
    std::mutex abandoning;

    /// By the thread or by the cache, which may end at the same moment.
    void abandon() {
      std::lock_guard<std::mutex> const lock(abandoning);
      copy.give_up();
      is_orphan = true;
    }
  };
  using entry_list = std::list<std::shared_ptr<entry>>;
  struct entries : entry_list {
    ~entries() {
      last_of_this_thread() = {nullptr, nullptr, true};
      for (std::shared_ptr<entry> const& mine : *this) {
        mine->abandon();
      }
    }
  };

  /// So that the usual case looks at nothing else. Made before the thread starts, which spares asking whether it was.
  struct last_used {
    char const* owner;
    thread_token* copy;
    bool has_ended;  ///< the thread
  };
  static last_used& last_of_this_thread() noexcept {
    static thread_local last_used last = {nullptr, nullptr, false};
    return last;
  }
  static entries& of_this_thread() {
    static thread_local entries mine;
    return mine;
  }

  thread_token* find_or_add() noexcept {
    last_used& last = last_of_this_thread();
    if (last.has_ended) {
      return nullptr;
    }
    try {
      last = {id_.get(), find_or_add(of_this_thread()), false};
      return last.copy;
    } catch (std::bad_alloc const&) {
      return nullptr;
    }
  }

  thread_token* find_or_add(entry_list& mine) {
    for (std::shared_ptr<entry> const& one : mine) {
      if (one->owner == id_) {
        return &one->copy;
      }
    }
    std::shared_ptr<entry> const added(new entry);
    added->owner = id_;
    entry_list for_thread(1, added);
    entry_list for_cache(1, added);
    drop_orphans(mine);
    mine.splice(mine.end(), for_thread);
    std::lock_guard<std::mutex> const lock(mutex_);
    hits_of_ended_threads_ += drop_orphans(all_);
    all_.splice(all_.end(), for_cache);
    return &added->copy;
  }

  /// Gives the sum of their hits.
  static unsigned long long drop_orphans(entry_list& entries) {
    unsigned long long hits = 0;
    for (auto one = entries.begin(); one != entries.end();) {
      bool const is_orphan = (*one)->is_orphan;  // looked at once: a thread may end at any moment
      hits += is_orphan ? (*one)->copy.hits.load() : 0;
      one = is_orphan ? entries.erase(one) : std::next(one);
    }
    return hits;
  }

  std::shared_ptr<char const> const id_;  ///< an address that nobody else has, as long as a copy remembers it
  mutable std::mutex mutex_;
  entry_list all_;
  unsigned long long hits_of_ended_threads_ = 0;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_THREAD_TOKENS_HPP
