// SPDX-License-Identifier: MIT
// Sends what is left of a submission, a transaction at a time, until the first that is not accepted.

#ifndef CIBMTR_AUTH_EXAMPLES_SUBMISSION_HPP
#define CIBMTR_AUTH_EXAMPLES_SUBMISSION_HPP

#include <fcntl.h>
#include <unistd.h>

#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "direct_fhir.hpp"
#include "observations.hpp"
#include "submission_journal.hpp"

constexpr std::size_t longest_bundle = 50;  // CIBMTR Reporting Implementation Guide, "Bundles"

/// Why the program stops, and its exit status.
struct stop : std::runtime_error {
  stop(int status_, std::string const& why) : std::runtime_error(why), status(status_) {}
  int status;
};

constexpr int exit_refused = 7;
constexpr int exit_unknown = 8;

struct submission_options {
  std::string journal;         ///< its path
  bool conditionally = false;  ///< skip what the server has
  std::string unknown;         ///< `accepted` or `lost`: what a person has found out about entries of unknown fate
};

/// Of what the API answered.
inline int exit_status_of(int http_status) {
  bool const is_account = http_status == 401 || http_status == 403;
  return is_account ? 3 : http_status == 429 || http_status >= 500 ? 4 : exit_refused;
}

/// "entry 3" or "entries 3, 7 to 50", from numbers in ascending order.
inline std::string named(std::vector<std::size_t> const& numbers) {
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
  submission(submission_options const& given, std::vector<observation> const& observations, submission_journal& journal,
             direct_fhir_api& api)
      : given_(given), observations_(observations), journal_(journal), api_(api) {}

  void run() {
    settle_unknown();
    try {
      for (fate const next : {fate::unknown, fate::unsent}) {
        for (auto batch = journal_.numbers(next, longest_bundle); !batch.empty();
             batch = journal_.numbers(next, longest_bundle)) {
          send(batch, next);
        }
      }
    } catch (...) {
      summarize();
      throw;
    }
    summarize();
  }

 private:
  /// Nothing of unknown fate is sent again unless that does no harm, or a person has looked.
  void settle_unknown() {
    std::vector<std::size_t> const numbers = journal_.numbers(fate::unknown);
    if (given_.conditionally) {
      cibmtr_auth::http_response const told = api_.call("GET", "/r4/metadata", "");
      if (told.status != 200) {
        throw stop(exit_status_of(told.status),
                   "the server answered HTTP " + std::to_string(told.status) +
                       " to the question whether it creates conditionally; nothing was sent");
      }
      if (!creates_conditionally(told)) {
        throw stop(2, std::string("the server does not say that it creates conditionally (CapabilityStatement): it may "
                                  "store twice what is sent twice") +
                          (numbers.empty() ? "; go on without --if-none-exist" : ""));
      }
    }
    if (numbers.empty() || (given_.unknown.empty() && given_.conditionally)) {
      return;
    }
    if (given_.unknown.empty()) {
      throw stop(exit_unknown,
                 "an earlier run sent " + named(numbers) +
                     " and got no answer: find out whether the server has them, then say --unknown accepted "
                     "or --unknown lost; or --if-none-exist, to send them without harm");
    }
    record(notes(numbers, given_.unknown == "accepted" ? "accepted (--unknown)" : "unsent (--unknown)"));
  }

  void send(std::vector<std::size_t> const& batch, fate before) {
    bool const is_repetition = before == fate::unknown;  // refused, it tells nothing of the first time
    journal_.begin(batch);
    cibmtr_auth::http_response answer;
    try {
      answer = api_.call("POST", "/r4", bundle_of(batch));
    } catch (cibmtr_auth::error const& failure) {
      bool const is_lost = api_.may_have_arrived();
      record(notes(batch, is_lost || is_repetition ? "unknown" : "unsent"));
      if (!is_lost && is_repetition) {
        throw stop(exit_unknown, named(batch) + " could not be sent again (" + failure.what() +
                                     "): whether the server has stored them is still unknown");
      }
      if (!is_lost) {
        throw;
      }
      throw stop(exit_unknown, "no answer came to " + named(batch) + " (" + failure.what() +
                                   "): whether the server has stored them is unknown; run this again for what to do");
    }
    std::vector<verdict> const made = verdicts(answer, batch.size());
    reason const why = reason_of(answer, batch);
    std::vector<journal_note> outcome;
    std::vector<std::size_t> others;
    bool is_unknown = false;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      bool const is_accepted = made[i].is == fate::accepted;
      bool const is_refused = made[i].is == fate::unsent && !is_repetition;
      bool const was_there = given_.conditionally && is_accepted && made[i].detail.compare(0, 3, "200") == 0;
      char const* const word = was_there     ? "accepted (was there already) "
                               : is_accepted ? "accepted "
                               : is_refused  ? "refused "
                                             : "unknown ";
      outcome.push_back({batch[i], is_refused && why.spares(batch[i])
                                       ? "unsent (refused with " + named(why.entries) + ")"
                                       : word + made[i].detail});
      if (!is_accepted) {
        others.push_back(batch[i]);
      }
      is_unknown = is_unknown || made[i].is == fate::unknown || (is_repetition && !is_accepted);
    }
    record(outcome);
    if (!others.empty()) {
      throw refusal(answer, why, others, is_unknown);
    }
  }

  stop refusal(cibmtr_auth::http_response const& answer, reason const& why, std::vector<std::size_t> const& others,
               bool is_unknown) const {
    std::string const status = "HTTP " + std::to_string(answer.status);
    if (is_unknown) {
      return stop(exit_unknown, status + " came back to " + named(others) +
                                    " and does not tell whether the server has stored them" + keep(answer));
    }
    bool const spares_some = !why.entries.empty() && why.entries.size() < others.size();
    return stop(exit_status_of(answer.status),
                "the server refused " + (spares_some ? named(why.entries) + ", and so all of " : std::string()) +
                    named(others) + " with " + status + (why.code.empty() ? "" : " (" + why.code + ")") + keep(answer));
  }

  /// Keeps the answer for a person, and says where.
  std::string keep(cibmtr_auth::http_response const& answer) const {
    std::string const path = given_.journal + ".answer";
    unlink(path.c_str());
    int const file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    std::string const& body = answer.body.reveal();
    bool const is_kept = file >= 0 && ::write(file, body.data(), body.size()) == static_cast<ssize_t>(body.size());
    close(file);
    return is_kept ? "; its answer, which may name patients, is in " + path : "";
  }

  std::string bundle_of(std::vector<std::size_t> const& batch) const {
    std::string text = R"({"resourceType":"Bundle","type":"transaction","entry":[)";
    for (std::size_t const number : batch) {
      observation const& one = observations_[number - 1];
      text += (number == batch.front() ? "{\"resource\":" : ",{\"resource\":") + one.text +
              R"(,"request":{"method":"POST","url":"Observation")" +
              (given_.conditionally ? ",\"ifNoneExist\":\"" + one.query + "\"" : "") + "}}";
    }
    return text + "]}";
  }

  /// On the disk, and then for whoever watches.
  void record(std::vector<journal_note> const& outcome) {
    std::string problem;
    try {
      journal_.write(outcome);
    } catch (std::exception const& failure) {
      problem = failure.what();
    }
    erase_progress();
    for (journal_note const& one : outcome) {
      std::printf("%zu %s\n", one.number, one.text.c_str());
    }
    std::fflush(stdout);
    if (is_watched()) {
      std::fprintf(stderr, "%s", progress().c_str());
    }
    if (!problem.empty()) {
      throw stop(exit_unknown, problem + "; what is told of the last entries stands on standard output alone");
    }
  }

  void summarize() const {
    erase_progress();
    std::printf("%s\n", progress().c_str());
  }

  std::string progress() const {
    return std::to_string(journal_.numbers(fate::accepted).size()) + " of " + std::to_string(observations_.size()) +
           " accepted";
  }

  static bool is_watched() { return isatty(STDERR_FILENO) == 1; }
  static void erase_progress() { std::fputs(is_watched() ? "\r\033[K" : "", stderr); }

  submission_options const& given_;
  std::vector<observation> const& observations_;
  submission_journal& journal_;
  direct_fhir_api& api_;
};

#endif  // CIBMTR_AUTH_EXAMPLES_SUBMISSION_HPP
