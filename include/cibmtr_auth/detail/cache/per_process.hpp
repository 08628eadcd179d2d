// SPDX-License-Identifier: MIT
// State that a forked child starts without.

#ifndef CIBMTR_AUTH_DETAIL_CACHE_PER_PROCESS_HPP
#define CIBMTR_AUTH_DETAIL_CACHE_PER_PROCESS_HPP

#include <atomic>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// Counts the forks between this process and the first that called this. Each shared library with hidden symbols has a
/// separate count.
inline std::atomic<unsigned> const& fork_count() noexcept {
  static std::atomic<unsigned> forks{0};
#ifndef _WIN32
  // No std::call_once: a forked child would wait for a parent's thread that was inside it. Counting a fork twice does
  // no harm.
  static std::atomic<bool> is_counting{false};
  if (!is_counting) {
    is_counting = pthread_atfork(nullptr, nullptr, [] { ++forks; }) == 0;
  }
#endif
  return forks;
}

/// A value that a forked child replaces with a new one. The parent's value may be half changed, and its mutex locked by
/// a thread that the child does not have, so the child must not even destroy it.
template <typename T>
class per_process {
 public:
  per_process() : current_(new entry) {}
  ~per_process() {
    if (is_of_this_process()) {
      delete current_.load();
    }
  }
  per_process(per_process const&) = delete;
  per_process& operator=(per_process const&) = delete;

  T& get() const {
    entry* found = current_.load(std::memory_order_acquire);
    if (!found->is_of_this_process()) {
      entry* const fresh = new entry;
      if (current_.compare_exchange_strong(found, fresh)) {
        found = fresh;
      } else {
        delete fresh;  // another thread of the child was faster: `found` is its entry now
      }
    }
    return found->value;
  }
  /// False in a forked child until it calls `get()`.
  bool is_of_this_process() const noexcept { return current_.load(std::memory_order_acquire)->is_of_this_process(); }

 private:
  struct entry {
    bool is_of_this_process() const noexcept { return forks.load(std::memory_order_relaxed) == forks_when_made; }

    std::atomic<unsigned> const& forks = fork_count();  // of the library that made this, whichever library reads it
    unsigned const forks_when_made = forks;
    T value{};
  };

  mutable std::atomic<entry*> current_;
};

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_CACHE_PER_PROCESS_HPP
