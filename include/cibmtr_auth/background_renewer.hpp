// SPDX-License-Identifier: MIT
// A thread that renews the token before a caller has to wait.

#ifndef CIBMTR_AUTH_BACKGROUND_RENEWER_HPP
#define CIBMTR_AUTH_BACKGROUND_RENEWER_HPP

#include <condition_variable>
#include <mutex>
#include <thread>

#include <cibmtr_auth/detail/cache/per_process.hpp>
#include <cibmtr_auth/detail/net/signals.hpp>
#include <cibmtr_auth/token_cache.hpp>

namespace cibmtr_auth { inline namespace v1_0 {

/// Owns a thread that checks at once, and then every second, whether a renewal is due. The thread blocks all
/// asynchronous signals. Failures show in the cache's status and events. The destructor waits for a request in flight
/// and ends the thread. A forked child has no such thread: make another renewer there.
class background_renewer {
 public:
  explicit background_renewer(token_cache tokens) : tokens_(tokens) {  // NOLINT(performance-unnecessary-value-param)
    detail::all_signals_blocked const inherited_by_the_thread;
    worker& own = worker_.get();
    own.thread = std::thread([this, &own] { run(own); });
  }
  background_renewer(background_renewer const&) = delete;
  background_renewer& operator=(background_renewer const&) = delete;
  ~background_renewer() {
    if (!worker_.is_of_this_process()) {
      return;
    }
    worker& own = worker_.get();
    {
      std::lock_guard<std::mutex> const lock(own.mutex);
      own.is_ending = true;
    }
    own.ending.notify_one();
    own.thread.join();
  }

 private:
  struct worker {
    std::mutex mutex;
    std::condition_variable ending;
    bool is_ending = false;
    std::thread thread;
  };

  void run(worker& own) const {
    std::unique_lock<std::mutex> lock(own.mutex);
    while (!own.is_ending) {
      lock.unlock();
      try {
        tokens_.cache_->renew_if_due();
      } catch (...) {
        // Callers get the failure from the cache.
      }
      lock.lock();
      own.ending.wait_for(lock, std::chrono::seconds(1), [&own] { return own.is_ending; });
    }
  }

  token_cache const tokens_;
  detail::per_process<worker> worker_;
};

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_BACKGROUND_RENEWER_HPP
