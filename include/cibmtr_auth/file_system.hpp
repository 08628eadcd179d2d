// SPDX-License-Identifier: MIT
// What a private folder needs of the operating system.

#ifndef CIBMTR_AUTH_FILE_SYSTEM_HPP
#define CIBMTR_AUTH_FILE_SYSTEM_HPP

#include <chrono>
#include <cstddef>
#include <string>
#include <thread>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#ifdef _WIN32
#include <direct.h>
#include <io.h>
#include <share.h>
#include <stdlib.h>
#else
#include <unistd.h>
#endif

namespace cibmtr_auth {
namespace detail {

#ifdef _WIN32
// Files below the user's own folder are the user's own there, and a file that is opened with deny-all sharing is a lock.
// windows.h is not for a header to include; this is what it says.
extern "C" __declspec(dllimport) int __stdcall MoveFileExA(char const* from, char const* to, unsigned long flags);

inline void make_directory(std::string const& path) {
  _mkdir(path.c_str());
}
inline bool is_directory(std::string const& path) {
  struct _stat64 found;
  return _stat64(path.c_str(), &found) == 0 && (found.st_mode & _S_IFDIR) != 0;
}
inline bool is_private_directory(std::string const& path) {
  return is_directory(path);
}
/// A file cannot be replaced while somebody reads it, nor read while it is being replaced; both are over in a moment.
template <typename Attempt>
bool succeeds_soon(std::string const& path, Attempt attempt) {
  bool is_done = attempt();
  for (int i = 0; !is_done && i < 50 && !is_directory(path); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    is_done = attempt();
  }
  return is_done;
}
inline int open_to_read(std::string const& path) {
  int file = -1;
  succeeds_soon(path, [&] {
    file = _open(path.c_str(), _O_RDONLY | _O_BINARY | _O_NOINHERIT);
    return file >= 0 || errno != EACCES;
  });
  return file;
}
inline int open_new(std::string const& path) {
  return _open(path.c_str(), _O_WRONLY | _O_CREAT | _O_TRUNC | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE);
}
inline int open_locked(std::string const& path) {
  int file = -1;
  _sopen_s(&file, path.c_str(), _O_RDWR | _O_CREAT | _O_NOINHERIT, _SH_DENYRW, _S_IREAD | _S_IWRITE);
  if (file < 0 && _doserrno == 32) {  // ERROR_SHARING_VIOLATION; other reasons for EACCES do not go away
    errno = EAGAIN;
  }
  return file;
}
inline bool is_private_file(int) {
  return true;
}
inline void close_file(int file) {
  _close(file);
}
inline bool replace_file(std::string const& from, std::string const& to) {
  return succeeds_soon(to, [&] { return MoveFileExA(from.c_str(), to.c_str(), 1) != 0; });  // MOVEFILE_REPLACE_EXISTING
}
inline long long read_some(int file, char* into, std::size_t most) {
  return _read(file, into, static_cast<unsigned>(most));
}
inline long long write_some(int file, char const* from, std::size_t most) {
  return _write(file, from, static_cast<unsigned>(most));
}
#else
inline void make_directory(std::string const& path) {
  mkdir(path.c_str(), 0700);
}
inline bool is_private(struct stat const& found) {
  return found.st_uid == geteuid() && (found.st_mode & 077U) == 0;
}
inline bool is_private_directory(std::string const& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && is_private(found);
}
inline int open_to_read(std::string const& path) {
  return open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}
inline int open_new(std::string const& path) {
  unlink(path.c_str());
  return open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}
/// Released by the kernel when the process dies, however it dies; not inherited by a forked child.
inline int open_locked(std::string const& path) {
  int const file = open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (file >= 0 && fcntl(file, F_SETLK, &whole) != 0) {
    int const why = errno == EACCES ? EAGAIN : errno;  // unlike EACCES of open(), which nobody's end will change
    close(file);
    errno = why;
    return -1;
  }
  return file;
}
inline bool is_private_file(int file) {
  struct stat found;
  return fstat(file, &found) == 0 && S_ISREG(found.st_mode) && is_private(found);
}
inline void close_file(int file) {
  close(file);
}
inline bool replace_file(std::string const& from, std::string const& to) {
  return rename(from.c_str(), to.c_str()) == 0;
}
inline long long read_some(int file, char* into, std::size_t most) {
  return read(file, into, most);
}
inline long long write_some(int file, char const* from, std::size_t most) {
  return write(file, from, most);
}
#endif

/// Whether that is why `open_locked` failed.
inline bool is_held_by_another(int error_number) {
  return error_number == EAGAIN;
}

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_FILE_SYSTEM_HPP
