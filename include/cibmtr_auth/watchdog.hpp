// SPDX-License-Identifier: MIT
// Ends an exchange when its time is up, whatever the peer does.

#ifndef CIBMTR_AUTH_WATCHDOG_HPP
#define CIBMTR_AUTH_WATCHDOG_HPP

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace cibmtr_auth {
namespace detail {

/// Shuts a socket down at a point in time: an HTTP client's own timeouts start anew with every read. It holds a duplicate,
/// since the original's number may belong to another file by then. On Windows it only keeps the time.
class watchdog {
 public:
  explicit watchdog(std::chrono::milliseconds timeout)
      : end_(std::chrono::steady_clock::now() + (std::min<std::chrono::milliseconds>)(timeout, std::chrono::hours(24))),
        thread_([this] { run(); }) {}
  ~watchdog() {
    {
      std::lock_guard<std::mutex> const lock(mutex_);
      is_done_ = true;
    }
    done_.notify_one();
    thread_.join();
    release();
  }
  watchdog(watchdog const&) = delete;
  watchdog& operator=(watchdog const&) = delete;

  template <typename Socket>
  void watch(Socket socket) {
    std::lock_guard<std::mutex> const lock(mutex_);
    release();
#ifndef _WIN32
    socket_ = fcntl(socket, F_DUPFD_CLOEXEC, 0);
#else
    static_cast<void>(socket);
#endif
  }

  bool time_is_up() const {
    return std::chrono::steady_clock::now() >= end_;
  }

 private:
  void run() {
    std::unique_lock<std::mutex> lock(mutex_);
    auto bite_at = end_;
    while (!done_.wait_until(lock, bite_at, [this] { return is_done_; })) {
#ifndef _WIN32
      if (socket_ >= 0) {
        shutdown(socket_, SHUT_RDWR);
      }
#endif
      bite_at = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);  // a socket may be made after the end
    }
  }

  void release() {
#ifndef _WIN32
    if (socket_ >= 0) {
      close(socket_);
    }
#endif
    socket_ = -1;
  }

  std::chrono::steady_clock::time_point const end_;
  std::mutex mutex_;
  std::condition_variable done_;
  bool is_done_ = false;
  int socket_ = -1;
  std::thread thread_;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_WATCHDOG_HPP
