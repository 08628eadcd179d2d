// SPDX-License-Identifier: MIT
// Each thread's own copy of a cache's token, so that readers need no lock.

#ifndef CIBMTR_AUTH_THREAD_TOKENS_HPP
#define CIBMTR_AUTH_THREAD_TOKENS_HPP

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

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
  thread_tokens() : id_(next_number()) {}
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
    return last.owner == id_ ? last.copy : find_or_add();
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

  /// Different from every number given before, also by the parent of a forked child.
  static unsigned long long next_number() noexcept {
    static std::atomic<unsigned long long> last{0};
    return ++last;
  }

 private:
  struct entry {
    unsigned long long owner = 0;
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
  struct entries : std::vector<std::shared_ptr<entry>> {
    ~entries() {
      last_of_this_thread() = {0, nullptr, true};
      for (std::shared_ptr<entry> const& mine : *this) {
        mine->abandon();
      }
    }
  };

  /// So that the usual case looks at nothing else. Made before the thread starts, which spares asking whether it was.
  struct last_used {
    unsigned long long owner;
    thread_token* copy;
    bool has_ended;  ///< the thread
  };
  static last_used& last_of_this_thread() noexcept {
    static thread_local last_used last = {0, nullptr, false};
    return last;
  }
  static entries& of_this_thread() {
    static thread_local entries mine;
    return mine;
  }
  static bool is_orphan(std::shared_ptr<entry> const& one) {
    return one->is_orphan;
  }

  thread_token* find_or_add() noexcept {
    last_used& last = last_of_this_thread();
    if (last.has_ended) {
      return nullptr;
    }
    entries& mine = of_this_thread();
    auto const found =
        std::find_if(mine.begin(), mine.end(), [this](std::shared_ptr<entry> const& one) { return one->owner == id_; });
    try {
      thread_token* const copy = found == mine.end() ? add(mine) : &(*found)->copy;
      last = {id_, copy, false};
      return copy;
    } catch (std::bad_alloc const&) {
      return nullptr;
    }
  }

  thread_token* add(entries& mine) {
    mine.erase(std::remove_if(mine.begin(), mine.end(), is_orphan), mine.end());
    std::shared_ptr<entry> const added(new entry);
    added->owner = id_;
    mine.reserve(mine.size() + 1);
    std::lock_guard<std::mutex> const lock(mutex_);
    // Looked at once: a thread may end at any moment.
    auto const has_gone = [this](std::shared_ptr<entry> const& one) {
      bool const is_gone = one->is_orphan;
      hits_of_ended_threads_ += is_gone ? one->copy.hits.load() : 0;
      return is_gone;
    };
    all_.erase(std::remove_if(all_.begin(), all_.end(), has_gone), all_.end());
    all_.push_back(added);
    mine.push_back(added);
    return &added->copy;
  }

  unsigned long long const id_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<entry>> all_;
  unsigned long long hits_of_ended_threads_ = 0;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_THREAD_TOKENS_HPP
