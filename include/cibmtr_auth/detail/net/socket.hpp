// SPDX-License-Identifier: MIT
// What a socket is called, on POSIX and on Windows.

#ifndef CIBMTR_AUTH_NATIVE_SOCKET_HPP
#define CIBMTR_AUTH_NATIVE_SOCKET_HPP

#include <cibmtr_auth/config.hpp>

#if CIBMTR_AUTH_HTTPS
#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace cibmtr_auth {
namespace detail {

#ifdef _WIN32
using native_socket = SOCKET;
constexpr native_socket no_socket = INVALID_SOCKET;
inline void close_socket(native_socket socket) {
  closesocket(socket);
}
inline int poll_socket(pollfd& watched, int milliseconds) {
  return WSAPoll(&watched, 1, milliseconds);
}
inline int socket_error() {
  return WSAGetLastError();
}
inline bool must_wait(int code) {
  return code == WSAEWOULDBLOCK;
}
inline void make_nonblocking(native_socket socket) {
  unsigned long yes = 1;
  ioctlsocket(socket, FIONBIO, &yes);
}
#else
using native_socket = int;
constexpr native_socket no_socket = -1;
inline void close_socket(native_socket socket) {
  close(socket);
}
inline int poll_socket(pollfd& watched, int milliseconds) {
  return poll(&watched, 1, milliseconds);
}
inline int socket_error() {
  return errno;
}
inline bool must_wait(int code) {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINPROGRESS || code == EINTR;
}
inline void make_nonblocking(native_socket socket) {
  fcntl(socket, F_SETFD, FD_CLOEXEC);
  fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
}
#endif

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_NATIVE_SOCKET_HPP
