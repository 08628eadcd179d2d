// SPDX-License-Identifier: MIT
// Renews ahead of need, so that no caller waits.

#ifndef CIBMTR_AUTH_BACKGROUND_RENEWER_HPP
#define CIBMTR_AUTH_BACKGROUND_RENEWER_HPP

#include <chrono>
#include <condition_variable>
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
  explicit background_renewer(token_cache tokens) : tokens_(std::move(tokens)) {
    worker_.get().thread = std::thread([this] { run(worker_.get()); });
  }
  background_renewer(background_renewer const&) = delete;
  background_renewer& operator=(background_renewer const&) = delete;
  ~background_renewer() {
    if (!worker_.is_of_this_process()) {
      return;  // the child of a fork has no such thread
    }
    worker& mine = worker_.get();
    {
      std::lock_guard<std::mutex> const lock(mine.mutex);
      mine.is_ending = true;
    }
    mine.ending.notify_one();
    mine.thread.join();
  }

 private:
  struct worker {
    std::mutex mutex;
    std::condition_variable ending;
    bool is_ending = false;
    std::thread thread;
  };

  void run(worker& mine) const {
    std::unique_lock<std::mutex> lock(mine.mutex);
    while (!mine.is_ending) {
      lock.unlock();
      try {
        tokens_.get();
      } catch (...) {
        // The cache keeps it for whoever asks.
      }
      lock.lock();
      mine.ending.wait_for(lock, std::chrono::seconds(1), [&mine] { return mine.is_ending; });
    }
  }

  token_cache const tokens_;
  detail::per_process<worker> worker_;
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_BACKGROUND_RENEWER_HPP
