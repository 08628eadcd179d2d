// SPDX-License-Identifier: MIT
// A folder that goes with the test, and children that are not waited for in vain.

#ifndef CIBMTR_AUTH_TESTS_FOLDER_HPP
#define CIBMTR_AUTH_TESTS_FOLDER_HPP

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef _WIN32
#include <direct.h>
#include <io.h>
#include <process.h>
#else
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <fstream>
#include <sstream>
#include <string>

namespace tests {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;
#elif defined(__has_feature)
constexpr bool is_sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool is_sanitized = false;
#endif

#ifdef _WIN32
inline std::string make_new_folder() {
  char const* const temporary = getenv("TEMP");
  std::string path;
  for (int i = 0; path.empty() || _mkdir(path.c_str()) != 0; ++i) {
    path = std::string(temporary ? temporary : ".") + "/cibmtr_auth-" + std::to_string(_getpid()) + "-" +
           std::to_string(i);
  }
  return path;
}
inline void remove_all(std::string const& path) {
  _finddata_t found;
  intptr_t const search = _findfirst((path + "/*").c_str(), &found);
  for (bool is_found = search != -1; is_found; is_found = _findnext(search, &found) == 0) {
    std::string const name = found.name;
    if (name != "." && name != "..") {
      (found.attrib & _A_SUBDIR) != 0 ? remove_all(path + "/" + name)
                                      : static_cast<void>(remove((path + "/" + name).c_str()));
    }
  }
  _findclose(search);
  _rmdir(path.c_str());
}
#else
inline std::string make_new_folder() {
  char name[] = "/tmp/cibmtr_auth-XXXXXX";
  char const* const made = mkdtemp(name);
  return made ? made : "";
}
inline void remove_all(std::string const& path) {
  nftw(
      path.c_str(), [](char const* each, struct stat const*, int, FTW*) { return remove(each); }, 16,
      FTW_DEPTH | FTW_PHYS);
}
#endif

/// New, empty, mode 0700; removed with all that is in it.
class folder {
 public:
  folder() : path_(make_new_folder()) {}
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;
  ~folder() { remove_all(path_); }

  std::string const& path() const { return path_; }
  std::string operator/(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string text_of(std::string const& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline void write_text(std::string const& path, std::string const& text) {
  std::ofstream(path, std::ios::binary) << text;
}

#ifndef _WIN32
/// Forks a child that exits with what `work` returns, and is killed when it takes longer than 60 seconds. Nothing that
/// the test program does at its end is done by the child.
template <typename Work>
pid_t start_child(Work work) {
  fflush(nullptr);  // else the child's copy of what is not yet written may be written too
  pid_t const child = fork();
  if (child == 0) {
    alarm(60);
    int status = 99;
    try {
      status = work();
    } catch (...) {
    }
    _exit(status);
  }
  return child;
}

/// A child's exit status; 128 and the signal when it was killed.
inline int status_of(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

template <typename Work>
int in_child(Work work) {
  return status_of(start_child(work));
}

#endif

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_FOLDER_HPP
