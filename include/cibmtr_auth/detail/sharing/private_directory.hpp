// SPDX-License-Identifier: MIT
// Small files and locks in a folder that only this user can read.

#ifndef CIBMTR_AUTH_PRIVATE_DIRECTORY_HPP
#define CIBMTR_AUTH_PRIVATE_DIRECTORY_HPP

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <errno.h>

#include <cibmtr_auth/file_system.hpp>
#include <cibmtr_auth/per_process.hpp>
#include <cibmtr_auth/secret.hpp>

namespace cibmtr_auth {
namespace detail {

/// The locks that this process holds: to the system a second one on the same file would look like the first.
struct held_locks {
  std::mutex mutex;
  std::vector<std::string> paths;

  static held_locks& here() {
    static auto const* const held = new per_process<held_locks>;  // never destroyed: a static cache may outlive it
    return held->get();
  }
};

/// Nothing here throws for what the file system does: without a file there is no text, without a lock no file.
class private_directory {
 public:
  enum class lock_result { held, busy, impossible };

  struct file_lock {
    file_lock() = default;
    file_lock(file_lock const&) = delete;
    file_lock& operator=(file_lock const&) = delete;
    ~file_lock() {
      if (file >= 0) {
        held_locks& held = held_locks::here();
        std::lock_guard<std::mutex> const guard(held.mutex);
        // A forked child has its parent's locks, and a list without them.
        held.paths.erase(std::remove(held.paths.begin(), held.paths.end(), path), held.paths.end());
        close_file(file);
      }
    }

    std::string path;
    int file = -1;
  };

  /// Made if it is not there, with the folders above it.
  explicit private_directory(std::string path) : path_(std::move(path)) {
    while (path_.size() > 1 && (path_.back() == '/' || path_.back() == '\\')) {
      path_.pop_back();  // else a symbolic link would be followed, and one folder have two locks
    }
    for (std::size_t end = path_.find_first_of("/\\", 1); end != std::string::npos;
         end = path_.find_first_of("/\\", end + 1)) {
      make_directory(path_.substr(0, end));
    }
    make_directory(path_);
  }

  /// Whether it is a folder of this user's that nobody else can enter. Nothing is read or written else.
  bool is_usable() const { return is_private_directory(path_); }

  /// Empty when there is none, when somebody else could have written it or can read it, or when it is longer than 256 KiB.
  secret read(std::string const& name) const {
    std::string text(256 * 1024 + 1, '\0');  // nothing is allocated while a file is open, or it might never be closed
    int const file = is_usable() ? open_to_read(path_ + "/" + name) : -1;
    if (file < 0) {
      return secret();
    }
    std::size_t length = 0;
    for (long long got = 1; got > 0 && length < text.size() && is_private_file(file);
         length += static_cast<std::size_t>(got)) {
      got = (std::max)(read_some(file, &text[length], text.size() - length), 0LL);
    }
    close_file(file);
    text.resize(length <= 256 * 1024 ? length : 0);
    return secret(std::move(text));
  }

  /// Whole or not at all: a reader finds the old text or the new one. False when it could not be written.
  bool write(std::string const& name, secret const& text) const {
    std::string const whole = path_ + "/" + name;
    std::string const part = whole + ".part";
    int const file = is_usable() ? open_new(part) : -1;
    if (file < 0) {
      return false;
    }
    std::string const& all = text.reveal();
    std::size_t length = 0;
    for (long long put = 1; put > 0 && length < all.size(); length += static_cast<std::size_t>(put)) {
      put = (std::max)(write_some(file, all.data() + length, all.size() - length), 0LL);
    }
    close_file(file);
    bool const is_written = length == all.size() && replace_file(part, whole);
    if (!is_written) {
      remove(part.c_str());
    }
    return is_written;
  }

  /// Held until `taken` is destroyed.
  lock_result lock(std::string const& name, file_lock& taken) const {
    if (!is_usable()) {
      return lock_result::impossible;
    }
    taken.path = path_ + "/" + name;
    held_locks& held = held_locks::here();
    std::lock_guard<std::mutex> const guard(held.mutex);
    if (std::find(held.paths.begin(), held.paths.end(), taken.path) != held.paths.end()) {
      return lock_result::busy;
    }
    held.paths.push_back(taken.path);
    errno = 0;
    taken.file = open_locked(taken.path);
    if (taken.file < 0) {
      int const why = errno;
      held.paths.pop_back();
      return is_held_by_another(why) ? lock_result::busy : lock_result::impossible;
    }
    return lock_result::held;
  }

 private:
  std::string path_;
};

}  // namespace detail
}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_PRIVATE_DIRECTORY_HPP
