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
      : tokens_(std::move(tokens)), forks_(detail::count_forks_from_now_on()), thread_([this] { run(); }) {}
  background_renewer(background_renewer const&) = delete;
  background_renewer& operator=(background_renewer const&) = delete;
  ~background_renewer() {
    if (forks_ != detail::count_forks()) {
      thread_.detach();   // the child of a fork has no such thread,
      signal_.release();  // and must not wait for it to leave the condition variable
      return;
    }
    {
      std::lock_guard<std::mutex> const lock(signal_->mutex);
      signal_->is_ending = true;
    }
    signal_->ending.notify_one();
    thread_.join();
  }

 private:
  void run() {
    std::unique_lock<std::mutex> lock(signal_->mutex);
    while (!signal_->is_ending) {
      lock.unlock();
      try {
        tokens_.get();
      } catch (...) {
        // The cache keeps it for whoever asks.
      }
      lock.lock();
      signal_->ending.wait_for(lock, std::chrono::seconds(1), [this] { return signal_->is_ending; });
    }
  }

  struct signal {
    std::mutex mutex;
    std::condition_variable ending;
    bool is_ending = false;
  };

  token_cache const tokens_;
  unsigned const forks_;
  std::unique_ptr<signal> signal_{new signal};
  std::thread thread_;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_BACKGROUND_RENEWER_HPP
