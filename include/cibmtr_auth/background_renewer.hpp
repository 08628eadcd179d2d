// SPDX-License-Identifier: MIT
// Renews ahead of need, so that no caller waits.

#ifndef CIBMTR_AUTH_BACKGROUND_RENEWER_HPP
#define CIBMTR_AUTH_BACKGROUND_RENEWER_HPP

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <cibmtr_auth/token_cache.hpp>

namespace cibmtr_auth {

/// Owns a thread that calls `get()` every second, which costs nothing until it is time to renew. Failures are told by the
/// cache's status and observer. The destructor ends the thread, after the request it may be making. Make one after a fork, not before.
class background_renewer {
 public:
  explicit background_renewer(token_cache tokens) : tokens_(std::move(tokens)), thread_([this] { run(); }) {}
  background_renewer(background_renewer const&) = delete;
  background_renewer& operator=(background_renewer const&) = delete;
  ~background_renewer() {
    {
      std::lock_guard<std::mutex> const lock(mutex_);
      is_ending_ = true;
    }
    ending_.notify_one();
    thread_.join();
  }

 private:
  void run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!is_ending_) {
      lock.unlock();
      try {
        tokens_.get();
      } catch (...) {
        // The cache keeps it for whoever asks.
      }
      lock.lock();
      ending_.wait_for(lock, std::chrono::seconds(1), [this] { return is_ending_; });
    }
  }

  token_cache const tokens_;
  std::mutex mutex_;
  std::condition_variable ending_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_BACKGROUND_RENEWER_HPP
