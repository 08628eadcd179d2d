// SPDX-License-Identifier: MIT
// Sockets on Windows, under the names of socket.hpp. The only header that includes the Windows headers.

#ifndef CIBMTR_AUTH_DETAIL_NET_WINDOWS_HPP
#define CIBMTR_AUTH_DETAIL_NET_WINDOWS_HPP

#include <cibmtr_auth/config.hpp>

#if CIBMTR_AUTH_HTTPS && defined(_WIN32)
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <winsock2.h>
// After winsock2.h: otherwise windows.h would include the old winsock.h.
#include <windows.h>
#include <ws2tcpip.h>
#undef X509_NAME  // wincrypt.h's macro; OpenSSL's is a type

#include <cstddef>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

using native_socket = SOCKET;
using socket_chunk = int;  ///< the type of a length
constexpr native_socket no_socket = INVALID_SOCKET;
constexpr int send_flags = 0;

/// Windows requires this before sockets are used.
inline void start_sockets() {
  static WSADATA data;
  static int const result = WSAStartup(MAKEWORD(2, 2), &data);
  static_cast<void>(result);
}
/// Non-blocking, and not inherited by programs that the host starts. `no_socket` if it cannot be made.
inline native_socket make_socket(int family, int type, int protocol) {
  native_socket const made =
      WSASocketW(family, type, protocol, nullptr, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  unsigned long yes = 1;
  if (made != no_socket) {
    ioctlsocket(made, FIONBIO, &yes);
  }
  return made;
}
inline void close_socket(native_socket socket) { closesocket(socket); }
inline int poll_sockets(pollfd* watched, std::size_t count, int milliseconds) {
  return WSAPoll(watched, static_cast<unsigned long>(count), milliseconds);
}
inline int socket_error() { return WSAGetLastError(); }
inline bool must_wait(int code) { return code == WSAEWOULDBLOCK; }
/// Not `gai_strerror`, which is wide under UNICODE and shares one buffer between threads.
inline char const* describe_lookup(int code) {
  return code == WSAHOST_NOT_FOUND ? "no such host" : code == WSATRY_AGAIN ? "the name service failed" : "failed";
}

}}}  // namespace cibmtr_auth::v1_0::detail
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_WINDOWS_HPP
