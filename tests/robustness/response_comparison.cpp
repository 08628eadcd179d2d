// SPDX-License-Identifier: MIT
// Thousands of generated responses, read by the library, by curl and by cpp-httplib: where another reader accepts what the library
// accepts, both must have read the same. cpp-httplib runs in children with a time limit: 0.11.4 crashes or hangs at some responses.
// CIBMTR_AUTH_RESPONSES=N for another number than 2000.

#include <doctest/doctest.h>
#include <httplib.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cibmtr_auth.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/exchange.hpp"
#include "support/folder.hpp"
#include "support/raw_server.hpp"

using namespace cibmtr_auth;

namespace {

std::size_t how_many() {
  char const* const number = std::getenv("CIBMTR_AUTH_RESPONSES");
  return number ? std::stoul(number) : 2000;
}

/// What one reader made of a response.
struct reading {
  bool is_accepted = false;
  int status = 0;
  std::multiset<std::pair<std::string, std::string>> fields;  ///< names in lower case
  std::string body;
};

void add_field(reading& to, std::string const& name, std::string const& value) {
  to.fields.emplace(detail::to_lower(name), detail::trim(value));
}

/// Responses with odd but valid parts, a fifth of them with something wrong.
class generator {
 public:
  explicit generator(unsigned seed) : random_(seed) {}

  std::string operator()() {
    std::string response;
    while (one_in(6)) {
      response +=
          pick({"HTTP/1.1 100 Continue\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n", "HTTP/1.1 102 \r\n"}) +
          "\r\n";
    }
    std::string const status = pick({"200", "200", "200", "200", "201", "202", "204", "206", "299", "301", "302",
                                     "304", "400", "401", "403", "404", "407", "408", "429", "500", "503", "599"});
    response += pick({"HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.0 "}) + status +
                pick({" OK", " ", "", " A long reason " + std::string(300, 'x'), " K\xF6ln", " a\tb"}) + "\r\n";
    for (unsigned i = upto(5); i > 0; --i) {
      response += field();
    }
    std::string const content = body();
    switch (upto(4)) {
      case 0:
        response += pick({"Content-Length: ", "content-length:", "CONTENT-LENGTH:\t"}) + pick({"", "", "00"}) +
                    std::to_string(content.size()) + pick({"", "", " ", "\t"}) + "\r\n";
        if (one_in(10)) {
          response += "Content-Length: " + std::to_string(content.size() + (one_in(2) ? 0 : 1)) + "\r\n";
        }
        response += field() + "\r\n" + content + pick({"", "", "", "more"});
        break;
      case 1:
      case 2:
        response +=
            pick({"Transfer-Encoding: chunked\r\n", "transfer-encoding:Chunked\r\n"}) + "\r\n" + chunks(content);
        break;
      case 3: response += "\r\n" + content; break;
      default: response += "Content-Length: " + std::to_string(content.size() + upto(20)) + "\r\n\r\n" + content; break;
    }
    return one_in(5) ? damaged(response) : response;
  }

 private:
  unsigned upto(std::size_t largest) { return static_cast<unsigned>(random_() % (largest + 1)); }
  bool one_in(unsigned n) { return random_() % n == 0; }
  std::string pick(std::vector<std::string> const& from) { return from[upto(from.size() - 1)]; }

  std::string field() {
    return pick({"Content-Type: application/json",
                 "X-Empty:",
                 "X-Empty: ",
                 "Set-Cookie: a=b; Path=/",
                 "Set-Cookie: c=d",
                 "Server:nginx",
                 "X-Spaces: \t a b \t",
                 "Cache-Control: no-store, max-age=0",
                 "x-lower: y",
                 "X-Colon: a:b:c",
                 "X-Latin: K\xF6ln",
                 "X-Percent: a%20b%2Fc%",
                 "!#$%&'*+-.^_`|~: token",
                 "Date: Sun, 06 Nov 1994 08:49:37 GMT",
                 "Retry-After: 600",
                 "Connection: close",
                 "Connection: keep-alive",
                 "Keep-Alive: timeout=5",
                 "X-Long: " + std::string(upto(6000), 'x'),
                 "Trailer: X-Checksum"}) +
           "\r\n";
  }
  std::string body() {
    std::string content = pick({"", "{}", "{\"access_token\":\"abc\",\"token_type\":\"Bearer\",\"expires_in\":1800}",
                                std::string(upto(40000), 'y'), "\r\n\r\n", "0\r\n\r\n", std::string("\0\xFF\r\n", 4)});
    return content;
  }
  std::string chunks(std::string const& content) {
    std::string all;
    for (std::size_t at = 0; at < content.size();) {
      std::size_t const size = (std::min)(content.size() - at, std::size_t{1} + upto(one_in(2) ? 5000 : 20));
      std::ostringstream head;
      head << pick({"", "", "0", "000"}) << std::hex << (one_in(2) ? std::uppercase : std::nouppercase) << size
           << pick({"", "", "", ";a=b", " ; a=\"b\"", ";c"});
      all += head.str() + "\r\n" + content.substr(at, size) + "\r\n";
      at += size;
    }
    return all + pick({"0\r\n", "0\r\n", "00;x\r\n"}) + pick({"", "", "X-Checksum: abc\r\n"}) + "\r\n";
  }
  std::string damaged(std::string text) {
    std::size_t const at =
        upto(text.size() - 1) % (one_in(2) ? (std::min<std::size_t>)(text.size(), 200) : text.size());
    std::size_t const line_end = text.find("\r\n", at);
    switch (upto(6)) {
      case 0: return text.substr(0, at);
      case 1: return text.erase(at, 1);
      case 2: return text.insert(at, pick({" ", ":", "\r", "\n", "\r\n", "0", "x", std::string(1, '\0'), "\t", ";"}));
      case 3: text[at] = static_cast<char>(upto(255)); return text;
      case 4: return line_end == std::string::npos ? text : text.erase(line_end, 1);
      case 5:
        return line_end == std::string::npos
                   ? text
                   : text.insert(line_end + 2, pick({" folded\r\n", "nonsense\r\n", "X : y\r\n"}));
      default:
        return text.insert(text.find("\r\n") + 2,
                           pick({"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n",
                                 "Transfer-Encoding: gzip\r\n", "Content-Length: -1\r\n", "Content-Length:\r\n"}));
    }
  }

  std::mt19937 random_;
};

/// Sends the N-th response to GET /N.
class server {
 public:
  explicit server(std::vector<std::string> const& responses)
      : server_([&responses](tests::connection const& peer) {
          std::string const head = peer.receive_head();
          if (head.compare(0, 5, "GET /") == 0) {
            peer.send(responses[std::stoul(head.substr(5))]);
            shutdown(peer.socket(), SHUT_WR);
            peer.wait_for_close();
          }
        }) {}
  std::string url(std::size_t i) const {
    return "http://127.0.0.1:" + std::to_string(port()) + "/" + std::to_string(i);
  }
  int port() const { return server_.port(); }

 private:
  tests::raw_server server_;
};

reading read_by_library(server const& from, std::size_t i) {
  reading read;
  try {
    http_response const response = https_transport(tests::direct())({"GET", from.url(i), {}, ""});
    read.is_accepted = true;
    read.status = response.status;
    read.body = response.body;
    for (auto const& field : response.headers) {
      add_field(read, field.first, field.second);
    }
  } catch (error const& failure) {
    CHECK((failure.kind() == error_kind::network || failure.kind() == error_kind::invalid_response));
  }
  return read;
}

/// 250 in one run of curl, fewer if it ends early: a CR in a trailer is to it a fault of its own.
std::vector<reading> read_by_curl(server const& from, std::size_t count) {
  tests::folder const folder;
  std::vector<reading> all(count);
  for (std::size_t start = 0; start < count;) {
    std::string config;
    for (std::size_t i = start; i < (std::min)(start + 250, count); ++i) {
      std::string const path = folder / std::to_string(i);
      config += (i == start ? "" : "next\n") + ("url = " + from.url(i)) +
                "\nmax-time = 5\nnoproxy = *\nsilent\noutput = " + path + ".body\ndump-header = " + path +
                ".head\nwrite-out = \"%{exitcode}\\n\"\n";
    }
    tests::write_text(folder / "config", config);
    std::string const command = "timeout 60 curl -q -K " + folder / "config" + " >" + folder / "exits";
    static_cast<void>(std::system(command.c_str()));
    std::ifstream exits(folder / "exits");
    std::size_t const before = start;
    for (int exit = 0; start < count && exits >> exit; ++start) {
      all[start].is_accepted = exit == 0;
    }
    REQUIRE(start > before);
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::string heads = tests::text_of(folder / (std::to_string(i) + ".head"));
    std::size_t start = 0;  // of the last head, behind interim ones
    for (std::size_t next = 0; (next = heads.find("\r\n\r\nHTTP/", next)) != std::string::npos;) {
      start = next += 4;
    }
    heads = heads.substr(start, heads.find("\r\n\r\n", start) - start);
    std::istringstream lines(heads);
    std::string line;
    std::getline(lines, line);
    all[i].status = line.size() > 9 ? std::atoi(line.c_str() + 9) : 0;
    while (std::getline(lines, line)) {
      add_field(all[i], line.substr(0, line.find(':')), line.substr((std::min)(line.find(':'), line.size() - 1) + 1));
    }
    all[i].body = tests::text_of(folder / (std::to_string(i) + ".body"));
  }
  return all;
}

/// Length and bytes.
void write_text(std::ostream& to, std::string const& text) { to << text.size() << ' ' << text; }
std::string read_text(std::istream& from) {
  std::size_t size = 0;
  from >> size;
  from.ignore(1);
  std::string text(size, '\0');
  from.read(&text[0], static_cast<std::streamsize>(size));
  return text;
}

/// A child for as many as it survives.
std::vector<reading> read_by_httplib(server const& from, std::size_t count, std::size_t& lost) {
  tests::folder const folder;
  std::vector<reading> all(count);
  for (std::size_t start = 0; start < count;) {
    std::string const path = folder / "readings";
    tests::in_child([&] {
      signal(SIGSEGV, SIG_DFL);  // doctest's would report it
      signal(SIGALRM, SIG_DFL);
      for (std::size_t i = start; i < count; ++i) {
        alarm(2);
        httplib::Client client("127.0.0.1", from.port());
        client.set_read_timeout(1);
        auto const result = client.Get("/" + std::to_string(i));
        std::ofstream to(path, std::ios::binary | std::ios::app);
        to << (result ? result->status : 0) << ' ' << (result ? result->headers.size() : 0) << ' ';
        if (result) {
          for (auto const& field : result->headers) {
            write_text(to, field.first);
            write_text(to, field.second);
          }
          write_text(to, result->body);
        }
        to << '\n';
      }
      return 0;
    });
    std::ifstream readings(path, std::ios::binary);
    std::size_t fields = 0;
    for (int status = 0; start < count && readings >> status >> fields; ++start) {
      all[start].is_accepted = status != 0;
      all[start].status = status;
      for (; fields > 0; --fields) {
        std::string const name = read_text(readings);
        add_field(all[start], name, read_text(readings));
      }
      all[start].body = status != 0 ? read_text(readings) : "";
    }
    std::remove(path.c_str());
    if (start < count) {
      ++start;  // it crashed or hung
      ++lost;
    }
  }
  return all;
}

/// Differences that are meant. `other` is empty for every reader.
struct exception {
  char const* other;
  char const* reason;
  bool (*applies)(reading const& ours, reading const& theirs);
};
exception const exceptions[] = {
    {"", "of a failure the library returns what arrived before a malformed part; the others accept that part",
     [](reading const& ours, reading const& theirs) {
       return ours.status >= 300 && ours.status == theirs.status &&
              theirs.body.compare(0, ours.body.size(), ours.body) == 0 &&
              std::includes(theirs.fields.begin(), theirs.fields.end(), ours.fields.begin(), ours.fields.end());
     }},
    {"cpp-httplib", "0.11.4 takes an interim response other than 100 for the final one",
     [](reading const&, reading const& theirs) { return theirs.status < 200; }},
};

/// A reading as cpp-httplib can have it: it drops fields without a value, and decodes the % in values.
reading without_odd_fields(reading all) {
  for (auto field = all.fields.begin(); field != all.fields.end();) {
    field = field->second.empty() || field->first == "x-percent" ? all.fields.erase(field) : std::next(field);
  }
  return all;
}

bool are_equal(reading const& a, reading const& b) {
  return a.status == b.status && a.fields == b.fields && a.body == b.body;
}

void compare(std::string const& other, std::string const& response, reading const& ours, reading const& theirs) {
  bool is_expected = are_equal(ours, theirs);
  for (exception const& each : exceptions) {
    is_expected = is_expected || ((*each.other == '\0' || each.other == other) && each.applies(ours, theirs));
  }
  CAPTURE(other);
  CAPTURE(response);
  CAPTURE(ours.status);
  CAPTURE(theirs.status);
  CAPTURE(ours.body.size());
  CAPTURE(theirs.body.size());
  CHECK(is_expected);
}

}  // namespace

TEST_CASE("where curl or cpp-httplib accepts what the library accepts, they have read the same") {
  generator generate(20261130);
  std::vector<std::string> responses(how_many());
  std::generate(responses.begin(), responses.end(), std::ref(generate));
  server const from(responses);
  std::size_t lost = 0;
  bool const has_curl = std::system("curl --version >/dev/null 2>&1") == 0;
  auto const by_curl = has_curl ? read_by_curl(from, responses.size()) : std::vector<reading>(responses.size());
  auto const by_httplib = read_by_httplib(from, responses.size(), lost);
  std::size_t with_curl = 0;
  std::size_t with_httplib = 0;
  for (std::size_t i = 0; i < responses.size(); ++i) {
    reading const ours = read_by_library(from, i);
    if (ours.is_accepted && by_curl[i].is_accepted) {
      compare("curl", responses[i], ours, by_curl[i]);
      ++with_curl;
    }
    if (ours.is_accepted && by_httplib[i].is_accepted) {
      compare("cpp-httplib", responses[i], without_odd_fields(ours), without_odd_fields(by_httplib[i]));
      ++with_httplib;
    }
  }
  MESSAGE(responses.size() << " responses; accepted by both with curl " << with_curl << ", with cpp-httplib "
                           << with_httplib << ", which crashed or hung at " << lost);
  CHECK((!has_curl || with_curl > responses.size() / 2));
  CHECK(with_httplib > responses.size() / 2);
}
