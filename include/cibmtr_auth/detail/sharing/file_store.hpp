// SPDX-License-Identifier: MIT
// Ask once per machine: a store shared by processes.

#ifndef CIBMTR_AUTH_TOKEN_FILE_HPP
#define CIBMTR_AUTH_TOKEN_FILE_HPP

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include <cibmtr_auth/boot_clock.hpp>
#include <cibmtr_auth/fingerprint.hpp>
#include <cibmtr_auth/private_directory.hpp>
#include <cibmtr_auth/token_record.hpp>
#include <cibmtr_auth/token_store.hpp>

namespace cibmtr_auth {

/// `cibmtr_auth` in the user's cache folder: `$XDG_CACHE_HOME`, else `~/.cache`; on Windows `%LOCALAPPDATA%`. Empty when the environment names
/// neither, in which case nothing is shared.
inline std::string default_cache_directory() {
  auto variable = [](char const* name) {
    char const* const value = std::getenv(name);
    return std::string(value ? value : "");
  };
#ifdef _WIN32
  std::string const base = variable("LOCALAPPDATA");
  return base.empty() ? base : base + "\\cibmtr_auth";
#else
  std::string const xdg = variable("XDG_CACHE_HOME");
  std::string const home = variable("HOME");
  std::string const base = !xdg.empty() && xdg[0] == '/' ? xdg : home.empty() ? home : home + "/.cache";
  return base.empty() ? base : base + "/cibmtr_auth";
#endif
}

/// The processes of one user on one machine share one token, one renewal, one pause after failures. The file lies in a
/// folder that only the user can enter (made with mode 0700, else not used), has mode 0600, is replaced as a whole, and
/// holds no secret but the token. A file that is anybody else's, damaged, of the future or of other credentials counts as none. What the
/// file system refuses costs the sharing, never a token.
class token_file : public token_store {
 public:
  /// In `directory`, which is made if it is not there; one file for each `whose`. Throws nothing for what the file system refuses.
  token_file(std::string directory, fingerprint const& whose, clock_function now = boot_clock::now)
      : directory_(std::move(directory)), whose_(whose), now_(std::move(now)) {}

  std::unique_ptr<lock> try_lock() override {
    held* const taken = new held;
    std::unique_ptr<lock> result(taken);
    if (directory_.lock(whose_.name() + ".lock", taken->file) == detail::private_directory::lock_result::busy) {
      result.reset();
    }
    return result;
  }
  token_record load() override {
    secret const text = directory_.read(whose_.name() + ".json");
    return text.empty() ? token_record() : read_record(text.reveal(), whose_, clock());
  }
  void save(token_record const& record) override {
    is_written_ = directory_.write(whose_.name() + ".json", write_record(record, whose_, clock()));
  }

  /// Whether there is a folder to share through, and the last record could be written there.
  bool is_shared() const { return is_written_ && directory_.is_usable(); }

 private:
  struct held : lock {
    detail::private_directory::file_lock file;
  };

  /// `boot_clock`, which is one and the same for all processes until the machine starts anew. Only Linux tells when that was.
  shared_clock clock() const {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    boot_clock::time_point const now = now_();
    auto const unix_time = std::chrono::system_clock::now().time_since_epoch();
    shared_clock shown = {boot_id(), duration_cast<milliseconds>(now.time_since_epoch()).count(), now,
                          duration_cast<milliseconds>(unix_time).count()};
    return shown;
  }
  static std::string boot_id() {
    std::string id;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
    return id;
  }

  detail::private_directory directory_;
  fingerprint whose_;
  clock_function now_;
  std::atomic<bool> is_written_{true};
};

}  // namespace cibmtr_auth

#endif  // CIBMTR_AUTH_TOKEN_FILE_HPP
