// SPDX-License-Identifier: MIT
// What happened to each entry, in a file that survives the program.

#ifndef CIBMTR_AUTH_EXAMPLES_JOURNAL_HPP
#define CIBMTR_AUTH_EXAMPLES_JOURNAL_HPP

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

enum class entry_state {
  unsent,   ///< not stored: never sent, or rejected
  unknown,  ///< sent, and no response says whether the server stored it
  accepted
};

struct journal_line {
  std::size_t number;  ///< of the entry, from 1
  std::string text;    ///< a word, and after a space a detail
};

inline std::vector<journal_line> lines_for(std::vector<std::size_t> const& numbers, std::string const& text) {
  std::vector<journal_line> lines;
  for (std::size_t const number : numbers) {
    lines.push_back({number, text});
  }
  return lines;
}

/// One line for each change of an entry, `NUMBER WORD DETAIL`, written to disk before the next step: `sending` with the
/// entry's checksum before the request, then `accepted`, `rejected`, `unsent` or `unknown`. A program that is killed
/// before the response leaves `sending`, which counts as unknown.
class journal {
 public:
  /// Creates the file, or continues it. What was sent must be in the input unchanged; what was rejected may have been
  /// fixed or removed. Throws `std::runtime_error`, for example if another process is using the file.
  journal(std::string const& path, std::string const& server, std::vector<std::string> const& checksums)
      : path_(path), checksums_(checksums), file_(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (file_ < 0) {
      throw failed_to("be opened");
    }
    try {
      start("journal 1 of what was sent to " + server + "\n");
    } catch (...) {
      close(file_);
      throw;
    }
  }
  journal(journal const&) = delete;
  journal& operator=(journal const&) = delete;
  ~journal() { close(file_); }

  /// The numbers of all entries in that state.
  std::vector<std::size_t> numbers(entry_state wanted) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (states_[i] == wanted) {
        found.push_back(i + 1);
      }
    }
    return found;
  }
  std::size_t accepted() const { return accepted_; }

  void write_sending(std::vector<std::size_t> const& numbers) {
    std::vector<journal_line> lines;
    for (std::size_t const number : numbers) {
      lines.push_back({number, "sending " + checksums_[number - 1]});
    }
    write(lines);
  }

  void write(std::vector<journal_line> const& lines) {
    std::string text;
    for (journal_line const& line : lines) {
      text += std::to_string(line.number) + " " + line.text + "\n";
    }
    append(text);
    for (journal_line const& line : lines) {
      entry_state& state = states_[line.number - 1];
      entry_state const next = state_after(line.text.substr(0, line.text.find(' ')));
      accepted_ = accepted_ + (next == entry_state::accepted) - (state == entry_state::accepted);
      state = next;
    }
  }

 private:
  static entry_state state_after(std::string const& word) {
    return word == "accepted"                       ? entry_state::accepted
           : word == "rejected" || word == "unsent" ? entry_state::unsent
                                                    : entry_state::unknown;
  }

  void start(std::string const& first_line) {
    struct stat status = {};
    if (fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) {
      throw problem("is not a file: name another one (--journal)");
    }
    if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
      throw errno == EWOULDBLOCK ? problem("is in use by another process") : failed_to("be locked");
    }
    std::string const text = read_all();
    bool const is_complete = text.compare(0, first_line.size(), first_line) == 0;
    if (!is_complete && first_line.compare(0, text.size(), text) != 0) {
      throw problem("is not a journal, or belongs to another server: name one for this server (--journal)");
    }
    std::size_t const end = is_complete ? text.rfind('\n') + 1 : 0;  // what follows is an interrupted write
    if (end < text.size() && ftruncate(file_, static_cast<off_t>(end)) != 0) {
      throw failed_to("be written");
    }
    if (!is_complete) {
      append(first_line);
      sync_folder();
    }
    read_lines(text.substr(0, end), first_line.size());
  }

  void read_lines(std::string const& text, std::size_t begin) {
    struct entry {
      entry_state state = entry_state::unsent;
      bool is_in_input = true;  // unchanged, if it was sent
    };
    std::vector<entry> entries(checksums_.size());
    std::map<std::size_t, entry> others;  // no longer in the input
    for (std::size_t line_number = 2; begin < text.size(); ++line_number) {
      std::string const line = text.substr(begin, text.find('\n', begin) - begin);
      begin += line.size() + 1;
      if (line.empty()) {
        continue;
      }
      char* rest = nullptr;
      std::size_t const number = std::strtoul(line.c_str(), &rest, 10);
      std::string const words = *rest == ' ' ? rest + 1 : "";
      if (number == 0 || words.empty()) {
        throw problem("is damaged in line " + std::to_string(line_number) +
                      ": repair it; with another journal everything would be sent again");
      }
      std::string const word = words.substr(0, words.find(' '));
      entry& changed = number <= entries.size() ? entries[number - 1] : others[number];
      changed.state = state_after(word);
      if (word == "sending") {
        changed.is_in_input = number <= entries.size() && words == word + " " + checksums_[number - 1];
      }
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
      check(i + 1, entries[i].state, entries[i].is_in_input, "differs in this input");
      states_.push_back(entries[i].state);
    }
    for (auto const& other : others) {
      check(other.first, other.second.state, false, "is missing in this input");
    }
    accepted_ = static_cast<std::size_t>(std::count(states_.begin(), states_.end(), entry_state::accepted));
  }

  void check(std::size_t number, entry_state state, bool is_in_input, std::string const& difference) const {
    if (state != entry_state::unsent && !is_in_input) {
      throw problem("says that entry " + std::to_string(number) + " was sent, but it " + difference +
                    ": restore it; with another journal everything would be sent again");
    }
  }

  std::string read_all() const {
    std::string text;
    std::vector<char> buffer(64 * 1024);
    ssize_t size = 0;
    while ((size = read(file_, buffer.data(), buffer.size())) > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    if (size < 0) {
      throw failed_to("be read");
    }
    return text;
  }

  void append(std::string const& text) const {
    off_t const before = lseek(file_, 0, SEEK_END);
    for (std::size_t done = 0; done < text.size();) {
      ssize_t const size = ::write(file_, text.data() + done, text.size() - done);
      if (size < 0) {
        std::runtime_error const failure = failed_to("be written");
        static_cast<void>(ftruncate(file_, before) == 0);  // a shortened line could be read as another one
        throw failure;
      }
      done += static_cast<std::size_t>(size);
    }
    if (fsync(file_) != 0) {
      throw failed_to("be written");
    }
  }

  /// Makes the name of a new file survive a power failure.
  void sync_folder() const {
    std::size_t const slash = path_.rfind('/');
    std::string const folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    int const opened = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened >= 0) {
      fsync(opened);
      close(opened);
    }
  }

  std::runtime_error problem(std::string const& text) const {
    return std::runtime_error("the journal " + path_ + " " + text);
  }
  std::runtime_error failed_to(std::string const& action) const {
    return problem("cannot " + action + " (" + std::generic_category().message(errno) + ")");
  }

  std::string const path_;
  std::vector<std::string> const checksums_;
  int const file_;
  std::vector<entry_state> states_;
  std::size_t accepted_ = 0;
};

#endif  // CIBMTR_AUTH_EXAMPLES_JOURNAL_HPP
