// SPDX-License-Identifier: MIT
// Renews ahead of need, so that no caller waits.

#ifndef CIBMTR_AUTH_BACKGROUND_RENEWER_HPP
#define CIBMTR_AUTH_BACKGROUND_RENEWER_HPP

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <cibmtr_auth/per_process.hpp>
#include <cibmtr_auth/token_cache.hpp>

namespace cibmtr_auth {

/// Owns a thread that calls `get()` every second, which costs nothing until it is time to renew. Failures are told by the
/// cache's status and observer. The destructor ends the thread, after the request it may be making. A forked child
/// has no such thread: make another one there.
class background_renewer {
 public:
  /// Starts the thread, whose first `get()` follows at once.
  explicit background_renewer(token_cache tokens)
      : tokens_(std::move(tokens)), forks_(detail::count_forks_from_now_on()) {
    own_->thread = std::thread([this] { run(); });
  }
  background_renewer(background_renewer const&) = delete;
  background_renewer& operator=(background_renewer const&) = delete;
  ~background_renewer() {
    if (forks_ != detail::count_forks()) {
      // The child of a fork has no such thread, and must wait neither for it nor for what it holds.
      static_cast<void>(own_.release());
      return;
    }
    {
      std::lock_guard<std::mutex> const lock(own_->mutex);
      own_->is_ending = true;
    }
    own_->ending.notify_one();
    own_->thread.join();
  }

 private:
  void run() {
    std::unique_lock<std::mutex> lock(own_->mutex);
    while (!own_->is_ending) {
      lock.unlock();
      try {
        tokens_.get();
      } catch (...) {
        // The cache keeps it for whoever asks.
      }
      lock.lock();
      own_->ending.wait_for(lock, std::chrono::seconds(1), [this] { return own_->is_ending; });
    }
  }

  struct owned {
    std::mutex mutex;
    std::condition_variable ending;
    bool is_ending = false;
    std::thread thread;
  };

  token_cache const tokens_;
  unsigned const forks_;
  std::unique_ptr<owned> own_{new owned};
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_BACKGROUND_RENEWER_HPP
