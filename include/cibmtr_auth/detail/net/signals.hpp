// SPDX-License-Identifier: MIT
// Keeps signals from the host program, and from our threads.

#ifndef CIBMTR_AUTH_DETAIL_NET_SIGNALS_HPP
#define CIBMTR_AUTH_DETAIL_NET_SIGNALS_HPP

#include <initializer_list>

#ifndef _WIN32
#include <signal.h>
#include <time.h>
#endif

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

#ifdef _WIN32
struct sigpipe_guard {
  ~sigpipe_guard() {}
};
struct all_signals_blocked {
  ~all_signals_blocked() {}
};
#else
/// Blocks signals for this thread while it lives.
class signals_blocked {
 public:
  explicit signals_blocked(sigset_t const& which) { pthread_sigmask(SIG_BLOCK, &which, &mask_before_); }
  ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr); }
  signals_blocked(signals_blocked const&) = delete;
  signals_blocked& operator=(signals_blocked const&) = delete;

 private:
  sigset_t mask_before_;
};

/// OpenSSL writes to sockets that the peer may have closed, and the signal would end the program. Removes a SIGPIPE
/// that arrived meanwhile, and restores the mask; the program's handler is not touched.
class sigpipe_guard {
 public:
  ~sigpipe_guard() {
    if (!was_pending_ && is_pending()) {
      sigset_t const only_sigpipe = sigpipe();
#ifdef __APPLE__
      int taken = 0;
      sigwait(&only_sigpipe, &taken);
#else
      timespec const at_once = {0, 0};
      sigtimedwait(&only_sigpipe, nullptr, &at_once);  // not sigwait: another thread may have taken it
#endif
    }
  }

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

  bool const was_pending_ = is_pending();
  signals_blocked const blocked_{sigpipe()};
};

/// Used while one of our threads is started: it inherits the mask, so that the program's own threads get the signals.
class all_signals_blocked : signals_blocked {
 public:
  all_signals_blocked() : signals_blocked(asynchronous()) {}

 private:
  static sigset_t asynchronous() {
    sigset_t set;
    sigfillset(&set);
    for (int const synchronous : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP}) {
      sigdelset(&set, synchronous);
    }
    return set;
  }
};
#endif

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_NET_SIGNALS_HPP
