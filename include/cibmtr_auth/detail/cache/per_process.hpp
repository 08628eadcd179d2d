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

/// How many forks lie between this process and the first that asked. Shared libraries that hide their symbols have a count each.
inline std::atomic<unsigned> const& fork_count() noexcept {
  static std::atomic<unsigned> forks{0};
#ifndef _WIN32
  // Not once: a forked child would wait for a parent's thread that was just about to. A fork that is counted twice is one all the same.
  static std::atomic<bool> is_counting{false};
  if (!is_counting) {
    is_counting = pthread_atfork(nullptr, nullptr, [] { ++forks; }) == 0;
  }
#endif
  return forks;
}

/// Made in one process, and told from its copy in a forked child.
class origin {
 public:
  bool is_this_process() const noexcept { return forks_.load(std::memory_order_relaxed) == forks_then_; }

 private:
  std::atomic<unsigned> const& forks_ = fork_count();  ///< of the library that made this, whichever asks
  unsigned const forks_then_ = forks_;
};

/// A value of which a forked child gets a new one. The parent's may be half changed and its mutex held by a
/// thread that the child does not have, so the child must not even destroy it.
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
    entry* const found = current_.load(std::memory_order_acquire);
    return found->made_in.is_this_process() ? found->value : renewed(found);
  }
  /// False in a forked child that has not asked for its own yet.
  bool is_of_this_process() const noexcept {
    return current_.load(std::memory_order_acquire)->made_in.is_this_process();
  }

 private:
  struct entry {
    origin made_in;
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
