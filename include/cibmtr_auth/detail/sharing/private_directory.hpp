// SPDX-License-Identifier: MIT
// Files and locks in a folder that only this user can read.

#ifndef CIBMTR_AUTH_DETAIL_SHARING_PRIVATE_DIRECTORY_HPP
#define CIBMTR_AUTH_DETAIL_SHARING_PRIVATE_DIRECTORY_HPP

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#ifdef _WIN32
#include <direct.h>
#include <io.h>
#include <share.h>
#else
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

[[noreturn]] inline void fail_file(std::string const& path, std::string const& reason) {
  throw std::runtime_error(path + ": " + reason);
}
inline std::string describe_errno() { return std::generic_category().message(errno); }

#ifdef _WIN32

// Declared here as in windows.h, which our headers must not include.
extern "C" __declspec(dllimport) int __stdcall MoveFileExA(char const* from, char const* to, unsigned long flags);

// Files in the user's own folder are private on Windows, and a file that is opened with deny-all sharing is a lock.

inline std::string absolute_path(std::string const& path) {
  char whole[4096];
  std::string result = !path.empty() && _fullpath(whole, path.c_str(), sizeof whole) ? whole : path;
  result.resize(result.find_last_not_of("/\\") + 1);  // _stat64 finds no folder with a slash at its end
  return result;
}
inline bool check_directory(std::string const& path) {
  struct _stat64 found;
  bool const exists = _stat64(path.c_str(), &found) == 0;
  if (exists && (found.st_mode & _S_IFDIR) == 0) {
    fail_file(path, "is not a directory");
  }
  return exists;
}
inline void make_directory(std::string const& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find_first_of("/\\", end + 1);
    if (_mkdir(path.substr(0, end).c_str()) != 0 && end == std::string::npos && !check_directory(path)) {
      fail_file(path, describe_errno());
    }
  }
}
/// A file cannot be replaced while somebody reads it, nor read while it is being replaced; both last microseconds.
template <class Call>
int retry_for_a_moment(Call call) {
  int result = call();
  for (int i = 0; result < 0 && errno == EACCES && i < 50; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    result = call();
  }
  return result;
}
inline int open_to_read(std::string const& path) {
  return retry_for_a_moment([&] { return _open(path.c_str(), _O_RDONLY | _O_BINARY | _O_NOINHERIT); });
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
inline long long size_of_private_file(int file) { return _filelengthi64(file); }
inline long long read_some(int file, char* to, std::size_t max_size) {
  return _read(file, to, static_cast<unsigned>(max_size));
}
inline long long write_some(int file, char const* from, std::size_t size) {
  return _write(file, from, static_cast<unsigned>(size));
}
inline int close_file(int file) { return _close(file); }
inline int replace_file(std::string const& from, std::string const& to) {
  return retry_for_a_moment([&] {
    errno = EACCES;
    return MoveFileExA(from.c_str(), to.c_str(), 1) != 0 ? 0 : -1;  // MOVEFILE_REPLACE_EXISTING
  });
}
inline int remove_file(std::string const& path) { return std::remove(path.c_str()); }

#else

/// Repeats a call that a signal interrupted. On network file systems that can be any call, not only a slow one.
template <class Call>
auto retry_interrupted(Call call) -> decltype(call()) {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result;
}

/// From the root, because a program may change its working directory, and without `/` or `/.` at its end, which would
/// follow a symbolic link.
inline std::string absolute_path(std::string path) {
  char current[4096];
  if (!path.empty() && path[0] != '/' && ::getcwd(current, sizeof current)) {
    path = current + ("/" + path);
  }
  while (path.size() > 1 && (path.back() == '/' || path.compare(path.size() - 2, 2, "/.") == 0)) {
    path.pop_back();
  }
  return path;
}

inline std::string describe_owner(struct stat const& found) {
  return "belongs to " + (found.st_uid == 0 ? "root" : "uid " + std::to_string(found.st_uid));
}
inline bool is_private(struct stat const& found) { return found.st_uid == ::geteuid() && (found.st_mode & 077U) == 0; }

/// False if there is no such folder. Throws std::runtime_error, "PATH: reason", unless the folder belongs to the
/// effective user and is closed to all others.
inline bool check_directory(std::string const& path) {
  struct stat found;
  int result = retry_interrupted([&] { return ::lstat(path.c_str(), &found); });
  if (result != 0 && errno == ENOENT) {
    return false;
  }
  // With DynamicUser=, systemd's CacheDirectory= is a link that root made. Nobody else's link is followed.
  if (result == 0 && S_ISLNK(found.st_mode) && found.st_uid == 0 && ::geteuid() != 0) {
    result = retry_interrupted([&] { return ::stat(path.c_str(), &found); });
  }
  if (result != 0) {
    fail_file(path, describe_errno());
  }
  char mode[8] = "";
  std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(found.st_mode & 07777U));
  std::string const problem = S_ISLNK(found.st_mode)        ? "is a symbolic link"
                              : !S_ISDIR(found.st_mode)     ? "is not a directory"
                              : found.st_uid != ::geteuid() ? describe_owner(found)
                              : (found.st_mode & 077U) != 0 ? "has mode " + std::string(mode) + ": chmod 700"
                                                            : "";
  if (!problem.empty()) {
    fail_file(path, problem);
  }
  return true;
}

/// Makes the folder and those above it, but only in a folder of this user or of root: a program run with sudo must not
/// make folders that the user then cannot use. Never HOME itself, which would hide that there is none.
inline void make_directory(std::string const& path) {
  struct stat found;
  if (retry_interrupted([&] { return ::stat(path.c_str(), &found); }) == 0) {
    if (found.st_uid != 0 && found.st_uid != ::geteuid()) {
      fail_file(path, describe_owner(found) + ", so no folder is made in it");
    }
    return;
  }
  if (errno != ENOENT || path.compare(0, 1, "/") != 0) {
    fail_file(path, describe_errno());
  }
  char const* const home = std::getenv("HOME");
  if (home && path == absolute_path(home)) {
    fail_file(path, "is HOME, but does not exist");
  }
  make_directory(path.substr(0, (std::max)(path.rfind('/'), std::size_t{1})));
  if (retry_interrupted([&] { return ::mkdir(path.c_str(), S_IRWXU); }) != 0 && errno != EEXIST) {
    fail_file(path, describe_errno());
  }
}

inline int open_file(std::string const& path, int flags) {
  return retry_interrupted(
      [&] { return ::open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, S_IRUSR | S_IWUSR); });
}
inline int open_to_read(std::string const& path) { return open_file(path, O_RDONLY); }
inline int remove_file(std::string const& path) {
  return retry_interrupted([&] { return ::unlink(path.c_str()); });
}
inline int open_new(std::string const& path) {
  remove_file(path);
  return open_file(path, O_WRONLY | O_CREAT | O_EXCL);
}
/// Unlocks the file first, because a forked child may have a copy of the descriptor.
inline int close_file(int file) {
  ::flock(file, LOCK_UN);
  return ::close(file) == 0 || errno == EINTR ? 0 : -1;  // closed even if it was interrupted
}
/// Excludes other processes, threads and copies of this library, at most until the process ends. Uses flock(2), because
/// a lock of fcntl(2) belongs to the whole process. -1 with EAGAIN if another one has the lock.
inline int open_locked(std::string const& path) {
  int const file = open_file(path, O_RDWR | O_CREAT);
  struct stat locked;
  struct stat named;
  if (file < 0) {
    return -1;
  }
  if (retry_interrupted([&] { return ::flock(file, LOCK_EX | LOCK_NB); }) == 0 &&
      retry_interrupted([&] { return ::fstat(file, &locked); }) == 0) {
    errno = EAGAIN;  // if somebody deleted the file after it was opened: the others lock another one
    if (retry_interrupted([&] { return ::lstat(path.c_str(), &named); }) == 0 && locked.st_dev == named.st_dev &&
        locked.st_ino == named.st_ino) {
      return file;
    }
  }
  int const number = errno;
  close_file(file);
  errno = number;
  return -1;
}
/// -1 for anything that somebody else could have written or can read.
inline long long size_of_private_file(int file) {
  struct stat found;
  bool const is_found = retry_interrupted([&] { return ::fstat(file, &found); }) == 0;
  return is_found && S_ISREG(found.st_mode) && is_private(found) ? static_cast<long long>(found.st_size) : -1;
}
inline long long read_some(int file, char* to, std::size_t max_size) {
  return retry_interrupted([&] { return ::read(file, to, max_size); });
}
inline long long write_some(int file, char const* from, std::size_t size) {
  rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size) {
    errno = EFBIG;  // a write would also raise SIGXFSZ, which ends the process
    return -1;
  }
  return retry_interrupted([&] { return ::write(file, from, size); });
}
inline int replace_file(std::string const& from, std::string const& to) {
  return retry_interrupted([&] { return ::rename(from.c_str(), to.c_str()); });
}

#endif

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_SHARING_PRIVATE_DIRECTORY_HPP
