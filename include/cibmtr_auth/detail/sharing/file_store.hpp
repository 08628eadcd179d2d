// SPDX-License-Identifier: MIT
// A token_store in a private folder, for the processes of one user on one machine.

#ifndef CIBMTR_AUTH_DETAIL_SHARING_FILE_STORE_HPP
#define CIBMTR_AUTH_DETAIL_SHARING_FILE_STORE_HPP

#include <cibmtr_auth/detail/sharing/private_directory.hpp>
#include <cibmtr_auth/token_store.hpp>

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

struct file_descriptor {
  explicit file_descriptor(int opened) noexcept : number(opened) {}
  file_descriptor(file_descriptor const&) = delete;
  file_descriptor& operator=(file_descriptor const&) = delete;
  ~file_descriptor() { close(); }
  bool close() noexcept {
    int const open = number;
    number = -1;
    return open < 0 || close_file(open) == 0;
  }
  int number;  ///< negative if it is not open
};

/// Each record is a file `KEY` with mode 0600, replaced as a whole under a lock on `KEY.lock`, which is never deleted.
/// The folder is made with mode 0700 when the first record is written, and again if it is removed. A problem that
/// prevents sharing throws std::runtime_error, "PATH: reason"; a file that is not private or too long counts as missing
/// and is replaced.
class file_store : public token_store {
 public:
  explicit file_store(std::string const& directory) : directory_(absolute_path(directory)) {}

  secret load(std::string const& key) override { return check_directory(directory_) ? read(path_of(key)) : secret(); }

  bool replace(std::string const& key, secret const& expected, secret const& text, std::chrono::seconds) override {
    if (!check_directory(directory_)) {
      if (text.empty()) {
        return expected.empty();
      }
      make_directory(directory_);
      check_directory(directory_);  // somebody else may have made it in the meantime
    }
    file_descriptor const lock(wait_for_lock(key + ".lock"));
    secret const stored = read(path_of(key));
    if (stored.reveal() != expected.reveal()) {
      return false;
    }
    if (!text.empty()) {
      write(path_of(key), text);
    } else if (remove_file(path_of(key)) != 0 && errno != ENOENT) {
      fail_file(path_of(key), describe_errno());
    }
    return true;
  }

 private:
  int wait_for_lock(std::string const& name) const {
    std::string const path = path_of(name);
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    for (;;) {
      int const file = open_locked(path);
      if (file >= 0) {
        return file;
      }
      if (errno != EAGAIN) {
        fail_file(directory_, "lock file " + name + " cannot be opened: " + describe_errno());
      }
      if (std::chrono::steady_clock::now() > deadline) {
        fail_file(directory_, "lock file " + name + " is locked by another process");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  std::string path_of(std::string const& key) const { return directory_ + "/" + key; }

  static secret read(std::string const& path) {
    file_descriptor const file(open_to_read(path));
    if (file.number < 0 && errno != ENOENT && errno != ELOOP && errno != EACCES && errno != ENXIO) {
      fail_file(path, describe_errno());
    }
    long long const size = file.number < 0 ? -1 : size_of_private_file(file.number);
    std::string text(size > 0 && size <= 256 * 1024 ? static_cast<std::size_t>(size) : 0, '\0');
    std::size_t length = 0;
    long long got = 1;
    while (got > 0 && length < text.size()) {
      got = read_some(file.number, &text[length], text.size() - length);
      length += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    text.resize(length);
    secret content(std::move(text));
    if (got < 0) {
      fail_file(path, describe_errno());
    }
    return content;
  }

  /// Whole or not at all: a reader finds the old text or the new one, also after the writer was killed.
  static void write(std::string const& path, secret const& text) {
    std::string const& all = text.reveal();
    std::string const part = path + ".part";
    file_descriptor file(open_new(part));
    bool is_written = file.number >= 0;
    for (std::size_t length = 0; is_written && length < all.size();) {
      long long const put = write_some(file.number, all.data() + length, all.size() - length);
      is_written = put > 0;
      length += is_written ? static_cast<std::size_t>(put) : 0;
    }
    // Some file systems report a full disk only when the file is closed.
    if (!is_written || !file.close() || replace_file(part, path) != 0) {
      std::string const reason = describe_errno() + (errno == EFBIG ? " (ulimit -f, LimitFSIZE)" : "");
      file.close();
      remove_file(part);
      fail_file(path, reason);
    }
  }

  std::string const directory_;
};

}}}  // namespace cibmtr_auth::v1_0::detail

#endif  // CIBMTR_AUTH_DETAIL_SHARING_FILE_STORE_HPP
