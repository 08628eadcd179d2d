// SPDX-License-Identifier: MIT
// Each thread's own copy of a cache's token, so that readers need no lock.

#ifndef CIBMTR_AUTH_THREAD_TOKENS_HPP
#define CIBMTR_AUTH_THREAD_TOKENS_HPP

#include <atomic>
#include <mutex>
#include <new>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/per_process.hpp>
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
  thread_tokens() : id_(new identity) {}
  thread_tokens(thread_tokens const&) = delete;
  thread_tokens& operator=(thread_tokens const&) = delete;
  /// Nobody is reading any more; but threads that live on must not keep the token.
  ~thread_tokens() {
    while (entry* const one = all_) {
      all_ = one->next_of_cache;
      one->abandon();
      release(one);
    }
    release(id_);
  }

  /// Null in a thread that is ending and has given its copies back, where there is no memory for one, and with MinGW, which
  /// frees the memory of thread_local objects before it destroys them (mingw-w64 bug 527).
  thread_token* here() noexcept {
#ifdef __MINGW32__
    return nullptr;
#else
    last_used const& last = last_of_this_thread();
    return last.owner == id_ ? last.copy : find_or_add();
#endif
  }

  unsigned long long hits() const {
    std::lock_guard<std::mutex> const lock(mutex_);
    unsigned long long sum = hits_of_ended_threads_;
    for (entry const* one = all_; one; one = one->next_of_cache) {
      sum += one->copy.hits;
    }
    return sum;
  }

 private:
  /// What several own, and the last one deletes. No shared_ptr, which calls code of the library that made it: that may be unloaded.
  template <typename T>
  static void release(T* shared) noexcept {
    if (--shared->owners == 0) {
      delete shared;
    }
  }

  /// Of a cache: an address that no other has as long as a copy remembers it.
  struct identity {
    std::atomic<long> owners{1};
  };

  struct entry {
    explicit entry(identity* of_cache) : cache(of_cache) { ++cache->owners; }
    entry(entry const&) = delete;
    entry& operator=(entry const&) = delete;
    ~entry() { release(cache); }

    /// By the thread or by the cache, which may end at the same moment.
    void abandon() {
      std::lock_guard<std::mutex> const lock(abandoning);
      copy.give_up();
      is_orphan = true;
    }

    identity* const cache;
    origin made_in;
    std::atomic<int> owners{2};  ///< the thread and the cache
    entry* next_of_thread = nullptr;
    entry* next_of_cache = nullptr;
    std::atomic<bool> is_orphan{false};
    thread_token copy;
    std::mutex abandoning;
  };

  struct entries {
    entry* first = nullptr;
    ~entries() {
      last_of_this_thread() = {nullptr, nullptr, true};
      while (entry* const one = first) {
        first = one->next_of_thread;
        if (one->made_in.is_this_process()) {  // a parent's may be half changed, and its mutex held by nobody here
          one->abandon();
          release(one);
        }
      }
    }
  };

  /// So that the usual case looks at nothing else. Made before the thread starts, which spares asking whether it was.
  struct last_used {
    identity const* owner;
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
    entry*& mine = of_this_thread().first;
    entry* found = mine;
    while (found && found->cache != id_) {
      found = found->next_of_thread;
    }
    try {
      found = found ? found : add(mine);
    } catch (std::bad_alloc const&) {
      return nullptr;
    }
    last = {id_, &found->copy, false};
    return last.copy;
  }

  entry* add(entry*& mine) {
    entry* const added = new entry(id_);
    drop_orphans(mine, &entry::next_of_thread);
    added->next_of_thread = mine;
    mine = added;
    std::lock_guard<std::mutex> const lock(mutex_);
    hits_of_ended_threads_ += drop_orphans(all_, &entry::next_of_cache);
    added->next_of_cache = all_;
    all_ = added;
    return added;
  }

  /// Gives the sum of their hits.
  static unsigned long long drop_orphans(entry*& first, entry* entry::*next) noexcept {
    unsigned long long hits = 0;
    for (entry** link = &first; *link;) {
      entry* const one = *link;
      if (one->is_orphan) {  // looked at once: a thread may end at any moment
        hits += one->copy.hits;
        *link = one->*next;
        release(one);
      } else {
        link = &(one->*next);
      }
    }
    return hits;
  }

  identity* const id_;
  mutable std::mutex mutex_;
  entry* all_ = nullptr;
  unsigned long long hits_of_ended_threads_ = 0;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_THREAD_TOKENS_HPP
