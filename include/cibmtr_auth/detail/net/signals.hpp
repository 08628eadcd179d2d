// SPDX-License-Identifier: MIT
// Keeps signals from the host program, and from our threads.

#ifndef CIBMTR_AUTH_DETAIL_NET_SIGNALS_HPP
#define CIBMTR_AUTH_DETAIL_NET_SIGNALS_HPP

#ifndef _WIN32
#include <initializer_list>

#include <signal.h>
#include <time.h>
#endif

namespace cibmtr_auth {
inline namespace v1_0 {
namespace detail {

#ifdef _WIN32
class sigpipe_guard {
 public:
  sigpipe_guard() {}
  ~sigpipe_guard() {}
};

class all_signals_blocked {
 public:
  all_signals_blocked() {}
  ~all_signals_blocked() {}
};
#else
/// Blocks a signal that one's own write raises, SIGPIPE or SIGXFSZ, for this thread, so that the write fails with an
/// error instead. Takes away one that came meanwhile; the program's handler and mask are as before afterwards.
class write_signal_guard {
 public:
  explicit write_signal_guard(int number) : number_(number), was_pending_(is_pending()) {
    sigset_t const only_this = set();
    pthread_sigmask(SIG_BLOCK, &only_this, &mask_before_);
  }
  ~write_signal_guard() {
    if (!was_pending_ && is_pending()) {
      sigset_t const only_this = set();
#ifdef __APPLE__
      int taken = 0;
      sigwait(&only_this, &taken);
#else
      timespec const at_once = {0, 0};
      sigtimedwait(&only_this, nullptr, &at_once);  // not sigwait: another thread may have taken it
#endif
    }
    pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
  }
  write_signal_guard(write_signal_guard const&) = delete;
  write_signal_guard& operator=(write_signal_guard const&) = delete;

 private:
  sigset_t set() const {
    sigset_t only_this;
    sigemptyset(&only_this);
    sigaddset(&only_this, number_);
    return only_this;
  }
  bool is_pending() const {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, number_) == 1;
  }

  int const number_;
  bool const was_pending_;
  sigset_t mask_before_;
};

/// For OpenSSL, which writes to sockets that the peer may have closed.
class sigpipe_guard : write_signal_guard {
 public:
  sigpipe_guard() : write_signal_guard(SIGPIPE) {}
};

/// Blocks all asynchronous signals for this thread, so that a thread that it starts inherits the mask and leaves the
/// signals to the program's own threads.
class all_signals_blocked {
 public:
  all_signals_blocked() {
    sigset_t asynchronous;
    sigfillset(&asynchronous);
    for (int const synchronous : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP}) {
      sigdelset(&asynchronous, synchronous);
    }
    pthread_sigmask(SIG_BLOCK, &asynchronous, &mask_before_);
  }
  ~all_signals_blocked() { pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr); }
  all_signals_blocked(all_signals_blocked const&) = delete;
  all_signals_blocked& operator=(all_signals_blocked const&) = delete;

 private:
  sigset_t mask_before_;
};
#endif

}  // namespace detail
}  // namespace v1_0
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_DETAIL_NET_SIGNALS_HPP
