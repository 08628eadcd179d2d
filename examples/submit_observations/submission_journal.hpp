// SPDX-License-Identifier: MIT
// What became of each entry, in a file that survives the program.

#ifndef CIBMTR_AUTH_EXAMPLES_SUBMISSION_JOURNAL_HPP
#define CIBMTR_AUTH_EXAMPLES_SUBMISSION_JOURNAL_HPP

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

enum class fate {
  unsent,   ///< or refused: the server has not stored it
  unknown,  ///< it was sent, and no answer says what became of it
  accepted
};

struct journal_note {
  std::size_t number;  ///< of the entry; the first is 1
  std::string text;    ///< a word, and a detail behind a blank
};

inline std::vector<journal_note> notes(std::vector<std::size_t> const& numbers, std::string const& text) {
  std::vector<journal_note> made;
  for (std::size_t const number : numbers) {
    made.push_back({number, text});
  }
  return made;
}

/// A line for each change of an entry, `NUMBER WORD DETAIL`, on the disk before the next step is taken: `sending` and the entry's
/// checksum before the first byte leaves, then `accepted`, `refused` or `unsent` once that is known. So whoever dies or loses
/// an answer leaves `sending` behind.
class submission_journal {
 public:
  /// Made, or gone on with when it is there. What was sent must be what it was; what was refused may have been mended. Throws
  /// `std::runtime_error`, also while another process uses it.
  submission_journal(std::string const& path, std::string const& server, std::vector<std::string> const& checksums)
      : path_(path), checksums_(checksums), file_(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (file_ < 0) {
      throw failure("be opened");
    }
    try {
      struct stat about = {};
      if (fstat(file_, &about) != 0 || !S_ISREG(about.st_mode)) {
        throw bad("is not a file: name another one (--journal)");
      }
      go_on("journal 1 of what was sent to " + server + "\n");
    } catch (...) {
      close(file_);
      throw;
    }
  }
  submission_journal(submission_journal const&) = delete;
  submission_journal& operator=(submission_journal const&) = delete;
  ~submission_journal() { close(file_); }

  /// The numbers of the entries of that fate, at most so many.
  std::vector<std::size_t> numbers(fate wanted, std::size_t most = static_cast<std::size_t>(-1)) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < fates_.size() && found.size() < most; ++i) {
      if (fates_[i] == wanted) {
        found.push_back(i + 1);
      }
    }
    return found;
  }

  void begin(std::vector<std::size_t> const& numbers) {
    std::vector<journal_note> written;
    for (std::size_t const number : numbers) {
      written.push_back({number, "sending " + checksums_[number - 1]});
    }
    write(written);
  }

  void write(std::vector<journal_note> const& written) {
    std::string lines;
    for (journal_note const& one : written) {
      lines += std::to_string(one.number) + " " + one.text + "\n";
    }
    append(lines);
    for (journal_note const& one : written) {
      fates_[one.number - 1] = fate_of(one.text);
    }
  }

 private:
  static fate fate_of(std::string const& text) {
    std::string const word = text.substr(0, text.find(' '));
    return word == "accepted" ? fate::accepted : word == "refused" || word == "unsent" ? fate::unsent : fate::unknown;
  }

  void go_on(std::string const& first_line) {
    if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
      throw errno == EWOULDBLOCK ? bad("is in use by another process") : failure("be locked");
    }
    fates_.assign(checksums_.size(), fate::unsent);
    std::string const text = read_all();
    bool const is_begun = text.compare(0, first_line.size(), first_line) == 0;
    if (!is_begun && first_line.compare(0, text.size(), text) != 0) {
      throw bad("is of another server, or is no journal: name one for this server (--journal)");
    }
    std::size_t const whole = is_begun ? text.rfind('\n') + 1 : 0;  // what follows was cut off while it was written
    if (whole < text.size() && ftruncate(file_, static_cast<off_t>(whole)) != 0) {
      throw failure("be written");
    }
    if (is_begun) {
      read_lines(text.substr(first_line.size(), whole - first_line.size()));
    } else {
      append(first_line);
      sync_folder();
    }
  }

  void read_lines(std::string const& text) {
    std::vector<std::string> sent(checksums_.size());
    std::istringstream lines(text);
    std::size_t line_number = 1;
    for (std::string line; std::getline(lines, line);) {
      ++line_number;
      std::size_t number = 0;
      std::string word;
      std::string detail;
      std::istringstream(line) >> number >> word >> detail;
      if (line.empty()) {
        continue;
      }
      if (number < 1 || number > 1000000 || word.empty()) {
        throw bad("is damaged in line " + std::to_string(line_number) +
                  ": mend it; with another journal all would be sent again");
      }
      if (number > fates_.size()) {  // an entry that this input has no more
        sent.resize(number);
        fates_.resize(number, fate::unsent);
      }
      sent[number - 1] = word == "sending" ? detail : sent[number - 1];
      fates_[number - 1] = fate_of(word);
    }
    for (std::size_t i = 0; i < sent.size(); ++i) {
      if (fates_[i] != fate::unsent && (i >= checksums_.size() || sent[i] != checksums_[i])) {
        throw bad("says that entry " + std::to_string(i + 1) + " was sent, but " +
                  (i < checksums_.size() ? "it is another in this input" : "this input has no such entry") +
                  ": put it back; with another journal all would be sent again");
      }
    }
    fates_.resize(checksums_.size());
  }

  std::string read_all() const {
    std::string text;
    char buffer[4096];
    for (;;) {
      ssize_t const size = read(file_, buffer, sizeof buffer);
      if (size < 0) {
        throw failure("be read");
      }
      if (size == 0) {
        return text;
      }
      text.append(buffer, static_cast<std::size_t>(size));
    }
  }

  void append(std::string const& lines) const {
    off_t const before = lseek(file_, 0, SEEK_END);
    for (std::size_t done = 0; done < lines.size();) {
      ssize_t const size = ::write(file_, lines.data() + done, lines.size() - done);
      if (size < 0) {
        std::runtime_error const why = failure("be written");
        static_cast<void>(ftruncate(file_, before) == 0);  // else a line cut short would be taken for one
        throw why;
      }
      done += static_cast<std::size_t>(size);
    }
    if (fsync(file_) != 0) {
      throw failure("be written");
    }
  }

  /// So that a new file has its name after a power cut as well.
  void sync_folder() const {
    std::size_t const slash = path_.rfind('/');
    std::string const folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    int const opened = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened >= 0) {
      fsync(opened);
      close(opened);
    }
  }

  std::runtime_error bad(std::string const& problem) const {
    return std::runtime_error("the journal " + path_ + " " + problem);
  }

  std::runtime_error failure(std::string const& what) const {
    return bad("cannot " + what + " (" + std::generic_category().message(errno) + ")");
  }

  std::string const path_;
  std::vector<std::string> const checksums_;
  int const file_;
  std::vector<fate> fates_;
};

#endif  // CIBMTR_AUTH_EXAMPLES_SUBMISSION_JOURNAL_HPP
