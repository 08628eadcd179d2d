// SPDX-License-Identifier: MIT
// Keeps SIGPIPE from the host program while a thread writes to a socket.

#ifndef CIBMTR_AUTH_SIGPIPE_GUARD_HPP
#define CIBMTR_AUTH_SIGPIPE_GUARD_HPP

#ifndef _WIN32
#include <signal.h>
#include <time.h>
#endif

namespace cibmtr_auth {
namespace detail {

/// OpenSSL writes to sockets that the peer may have closed, and the signal would end the program. Blocks it for this thread
/// and takes away one that came meanwhile; the host's disposition and mask are as before afterwards.
class sigpipe_guard {
#ifndef _WIN32
 public:
  sigpipe_guard() : was_pending_(is_pending()) {
    sigset_t const only_sigpipe = sigpipe();
    pthread_sigmask(SIG_BLOCK, &only_sigpipe, &mask_before_);
  }
  ~sigpipe_guard() {
    if (!was_pending_ && is_pending()) {
      sigset_t const only_sigpipe = sigpipe();
#ifdef __APPLE__
      int taken = 0;
      sigwait(&only_sigpipe, &taken);
#else
      timespec const at_once = {0, 0};
      sigtimedwait(&only_sigpipe, nullptr, &at_once);  // another thread may have taken it meanwhile
#endif
    }
    pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
  }
  sigpipe_guard(sigpipe_guard const&) = delete;
  sigpipe_guard& operator=(sigpipe_guard const&) = delete;

 private:
  static sigset_t sigpipe() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
  }
  static bool is_pending() {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
  }

  bool was_pending_;
  sigset_t mask_before_;
#endif
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_SIGPIPE_GUARD_HPP
