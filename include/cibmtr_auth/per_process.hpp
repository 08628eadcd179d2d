// SPDX-License-Identifier: MIT
// State that a forked child starts anew, or takes over.

#ifndef CIBMTR_AUTH_PER_PROCESS_HPP
#define CIBMTR_AUTH_PER_PROCESS_HPP

#include <atomic>
#include <utility>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace cibmtr_auth {
namespace detail {

inline std::atomic<unsigned>& fork_counter() noexcept {
  static std::atomic<unsigned> forks{0};
  return forks;
}

/// How many forks lie between this process and the first that made a `per_process`.
inline unsigned count_forks() noexcept {
  return fork_counter().load(std::memory_order_relaxed);
}

inline unsigned count_forks_from_now_on() noexcept {
#ifndef _WIN32
  static int const registered = pthread_atfork(nullptr, nullptr, [] { ++fork_counter(); });
  static_cast<void>(registered);
#endif
  return count_forks();
}

/// A value of which a forked child gets a new one. The parent's may be half changed and its mutex held by a
/// thread that the child does not have, so the child must not even destroy it.
template <typename T>
class per_process {
 public:
  per_process() : current_(new entry) {}
  ~per_process() {
    entry* const last = current_.load();
    if (last->forks == count_forks()) {
      delete last;
    }
  }
  per_process(per_process const&) = delete;
  per_process& operator=(per_process const&) = delete;

  T& get() const {
    entry* const found = current_.load(std::memory_order_acquire);
    return found->forks == count_forks() ? found->value : renewed(found);
  }

 private:
  struct entry {
    unsigned const forks = count_forks_from_now_on();
    T value{};
  };

  T& renewed(entry* parents) const {
    entry* const fresh = new entry;
    if (current_.compare_exchange_strong(parents, fresh)) {
      return fresh->value;
    }
    delete fresh;
    return parents->value;  // now the one that another thread put there
  }

  mutable std::atomic<entry*> current_;
};

/// A value that a forked child takes over as it was set last, whole even when another thread was just setting it. Within one process
/// the caller sees to it that nobody reads while one sets.
template <typename T>
class inherited {
 public:
  explicit inherited(T value) : current_(new T(std::move(value))) {}
  ~inherited() { delete current_.load(); }
  inherited(inherited const&) = delete;
  inherited& operator=(inherited const&) = delete;

  T const& get() const { return *current_.load(); }
  /// Gives back what it was, for the caller to destroy.
  T set(T value) {
    T* const before = current_.exchange(new T(std::move(value)));
    T was = std::move(*before);
    delete before;
    return was;
  }

 private:
  std::atomic<T*> current_;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_PER_PROCESS_HPP
