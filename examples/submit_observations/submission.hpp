// SPDX-License-Identifier: MIT
// Sends what is left of a submission, one transaction at a time, until one is not accepted.

#ifndef CIBMTR_AUTH_EXAMPLES_SUBMISSION_HPP
#define CIBMTR_AUTH_EXAMPLES_SUBMISSION_HPP

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "direct_fhir.hpp"
#include "journal.hpp"
#include "observations.hpp"

constexpr std::size_t max_bundle_size = 50;  // CIBMTR Reporting Implementation Guide, "Bundles"

/// Why the program stops, and its exit status.
struct stop : std::runtime_error {
  stop(int exit_status, std::string const& why) : std::runtime_error(why), status(exit_status) {}
  int status;
};

constexpr int exit_rejected = 7;
constexpr int exit_unknown = 8;

inline int exit_status_of_response(int http_status) {
  bool const is_about_account = http_status == 401 || http_status == 403;
  return is_about_account ? 3 : http_status == 429 || http_status >= 500 ? 4 : exit_rejected;
}

struct submission_options {
  std::string journal;          ///< path
  bool is_conditional = false;  ///< let the server skip what it has
  std::string unknown;          ///< what a person has found out about unknown entries: `accepted` or `lost`
};

/// "entry 3" or "entries 3, 7 to 50", from numbers in ascending order.
inline std::string name_entries(std::vector<std::size_t> const& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) {
      ++last;
    }
    text += (text.empty() ? "" : ", ") + std::to_string(numbers[i]);
    text += last == i ? "" : " to " + std::to_string(numbers[last]);
    i = last;
  }
  return (numbers.size() == 1 ? "entry " : "entries ") + text;
}

class submission {
 public:
  /// `api` sends authorized requests; `root` is the API's URL without a trailing slash.
  submission(submission_options options, std::vector<observation> const& observations, journal& progress,
             cibmtr_auth::transport api, std::string root)
      : options_(std::move(options)),
        observations_(observations),
        journal_(progress),
        api_(std::move(api)),
        root_(std::move(root)) {}

  void run() {
    settle_unknown_entries();
    try {
      send_all(entry_state::unknown);
      send_all(entry_state::unsent);
    } catch (...) {
      print_summary();
      throw;
    }
    print_summary();
  }

 private:
  using numbers = std::vector<std::size_t>;

  cibmtr_auth::http_response call(std::string const& method, std::string const& path, std::string const& body) const {
    return api_(
        {method,
         root_ + path,
         {{"Accept", "application/fhir+json"}, {"Content-Type", "application/fhir+json"}, {"Prefer", "return=minimal"}},
         body});
  }

  /// Unknown entries are sent again only if that does no harm, or if a person has looked.
  void settle_unknown_entries() {
    numbers const unknown = journal_.numbers(entry_state::unknown);
    if (options_.is_conditional) {
      cibmtr_auth::http_response const metadata = call("GET", "/r4/metadata", "");
      if (metadata.status != 200) {
        throw stop(exit_status_of_response(metadata.status),
                   "the server responded with HTTP " + std::to_string(metadata.status) +
                       " when asked for its CapabilityStatement; nothing was sent");
      }
      if (!creates_conditionally(metadata)) {
        throw stop(2, std::string("the server does not say that it creates conditionally (CapabilityStatement): it may "
                                  "store twice what is sent twice") +
                          (unknown.empty() ? "; continue without --if-none-exist" : ""));
      }
    }
    if (unknown.empty() || (options_.unknown.empty() && options_.is_conditional)) {
      return;
    }
    if (options_.unknown.empty()) {
      throw stop(exit_unknown,
                 "an earlier run sent " + name_entries(unknown) +
                     " and got no response: find out whether the server has them, then give --unknown "
                     "accepted or --unknown lost; or give --if-none-exist to send them again without harm");
    }
    record(lines_for(unknown, options_.unknown == "accepted" ? "accepted (--unknown)" : "unsent (--unknown)"));
  }

  void send_all(entry_state state) {
    numbers const all = journal_.numbers(state);
    for (std::size_t i = 0; i < all.size(); i += max_bundle_size) {
      std::size_t const end = (std::min)(i + max_bundle_size, all.size());
      send(numbers(all.data() + i, all.data() + end), state == entry_state::unknown);
    }
  }

  /// The rejection of a repetition says nothing about the first time.
  void send(numbers const& batch, bool is_repetition) {
    journal_.write_sending(batch);
    cibmtr_auth::http_response response;
    try {
      response = call("POST", "/r4", bundle_of(batch));
    } catch (cibmtr_auth::error const& failure) {
      record(lines_for(batch, failure.was_sent() || is_repetition ? "unknown" : "unsent"));
      if (failure.was_sent()) {
        throw stop(exit_unknown,
                   "no response to " + name_entries(batch) + " (" + failure.what() +
                       "): whether the server has stored them is unknown; run this again to see what to do");
      }
      if (is_repetition) {
        throw stop(exit_unknown, name_entries(batch) + " could not be sent again (" + failure.what() +
                                     "): whether the server has stored them is still unknown");
      }
      throw;
    }
    std::vector<verdict> const all = verdicts(response, batch.size());
    rejection const reason = rejection_in(response, batch);
    std::vector<journal_line> lines;
    numbers failed;
    bool is_unknown = false;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      bool const is_accepted = all[i].state == entry_state::accepted;
      bool const is_rejected = all[i].state == entry_state::unsent && !is_repetition;
      if (is_accepted) {
        bool const existed = options_.is_conditional && all[i].detail.compare(0, 3, "200") == 0;
        lines.push_back({batch[i], (existed ? "accepted (existed already) " : "accepted ") + all[i].detail});
        continue;
      }
      lines.push_back({batch[i], !is_rejected ? "unknown " + all[i].detail
                                 : reason.is_about_others_than(batch[i])
                                     ? "unsent (rejected with " + name_entries(reason.entries) + ")"
                                     : "rejected " + all[i].detail});
      failed.push_back(batch[i]);
      is_unknown = is_unknown || !is_rejected;
    }
    record(lines);
    if (is_unknown) {
      throw stop(exit_unknown, "HTTP " + std::to_string(response.status) + " in response to " + name_entries(failed) +
                                   " does not say whether the server has stored them" + save(response));
    }
    if (!failed.empty()) {
      bool const is_about_some = !reason.entries.empty() && reason.entries.size() < failed.size();
      throw stop(exit_status_of_response(response.status),
                 "the server rejected " +
                     (is_about_some ? name_entries(reason.entries) + ", and therefore all of " : std::string()) +
                     name_entries(failed) + " with HTTP " + std::to_string(response.status) +
                     (reason.code.empty() ? "" : " (" + reason.code + ")") + save(response));
    }
  }

  /// Saves the response for a person to read, and says where.
  std::string save(cibmtr_auth::http_response const& response) const {
    std::string const path = options_.journal + ".response";
    unlink(path.c_str());
    int const file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool const is_saved = file >= 0 && ::write(file, response.body.data(), response.body.size()) ==
                                           static_cast<ssize_t>(response.body.size());
    close(file);
    return is_saved ? "; the response, which may name patients, is in " + path : "";
  }

  std::string bundle_of(numbers const& batch) const {
    std::string text = R"({"resourceType":"Bundle","type":"transaction","entry":[)";
    for (std::size_t const number : batch) {
      observation const& one = observations_[number - 1];
      text += (number == batch.front() ? "{\"resource\":" : ",{\"resource\":") + one.text +
              R"(,"request":{"method":"POST","url":"Observation")" +
              (options_.is_conditional ? ",\"ifNoneExist\":\"" + one.query + "\"" : "") + "}}";
    }
    return text + "]}";
  }

  /// Writes to the journal first, then to standard output.
  void record(std::vector<journal_line> const& lines) {
    std::string problem;
    try {
      journal_.write(lines);
    } catch (std::exception const& failure) {
      problem = failure.what();
    }
    erase_progress();
    for (journal_line const& line : lines) {
      std::printf("%zu %s\n", line.number, line.text.c_str());
    }
    std::fflush(stdout);
    if (is_on_terminal()) {
      std::fprintf(stderr, "%s", summary().c_str());
    }
    if (!problem.empty()) {
      throw stop(exit_unknown, problem + "; the latest entries are listed on standard output only");
    }
  }

  void print_summary() const {
    erase_progress();
    std::printf("%s\n", summary().c_str());
  }
  std::string summary() const {
    return std::to_string(journal_.accepted()) + " of " + std::to_string(observations_.size()) + " accepted";
  }
  static bool is_on_terminal() { return isatty(STDERR_FILENO) == 1; }
  static void erase_progress() { std::fputs(is_on_terminal() ? "\r\033[K" : "", stderr); }

  submission_options const options_;
  std::vector<observation> const& observations_;
  journal& journal_;
  cibmtr_auth::transport const api_;
  std::string const root_;
};

#endif  // CIBMTR_AUTH_EXAMPLES_SUBMISSION_HPP
