// SPDX-License-Identifier: MIT
// A sandbox for Okta's token endpoint and the Direct FHIR API: an HTTPS server on localhost.
// It shares no code with cibmtr_auth, so that neither can hide a mistake of the other.

#ifndef CIBMTR_AUTH_SANDBOX_HPP
#define CIBMTR_AUTH_SANDBOX_HPP

#include <httplib.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "certificate.hpp"
#include "fhir.hpp"
#include "message.hpp"
#include "okta.hpp"

namespace sandbox {

struct options {
  int port = 0;  ///< 0: any free port
  account user = {};
  std::chrono::seconds life{1800};                          ///< lifetime of a token
  std::string names = "DNS:localhost,IP:127.0.0.1,IP:::1";  ///< in the certificate's subjectAltName
  int rate_limit = 1000000;                     ///< token requests a minute; the default is no limit in practice
  std::function<void(std::string const&)> log;  ///< called with one line for each response, without secrets and tokens
};

struct recorded_request {
  std::string method;
  std::string path;
  httplib::Headers headers;  ///< a multimap that ignores the case of names
  std::string body;
};

namespace detail {

/// Responses that replace the usual ones. A response with status 0 stands for the usual one.
class script {
 public:
  /// Used once `after` more requests have had their usual response.
  void add(response const& scripted, int times, int after = 0) {
    responses_.insert(responses_.end(), static_cast<std::size_t>(after), response(0));
    responses_.insert(responses_.end(), static_cast<std::size_t>(times), scripted);
  }

  bool take(response& next) {
    if (responses_.empty()) {
      return false;
    }
    next = responses_.front();
    responses_.pop_front();
    return next.status != 0;
  }

 private:
  std::deque<response> responses_;
};

/// Through files, because no other constructor exists in all versions of cpp-httplib from 0.11.4 to 0.53.1. The
/// constructor ignores SIGPIPE for the whole process, so the program's own setting is restored.
inline std::unique_ptr<httplib::Server> new_https_server(certificate const& shown) {
  temporary_file const leaf(shown.leaf_pem());
  temporary_file const key(shown.key_pem());
  struct sigaction before;
  sigaction(SIGPIPE, nullptr, &before);
  std::unique_ptr<httplib::Server> made(new httplib::SSLServer(leaf.path(), key.path()));
  sigaction(SIGPIPE, &before, nullptr);
  require(made->is_valid());
  return made;
}

inline void block_sigpipe_in_this_thread() {
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

/// A number from a control message, limited to a sensible range.
inline int limited(double value, double min, double max) {
  return static_cast<int>((std::min)((std::max)(value, min), max));
}

}  // namespace detail

/// Serves from its construction to its destruction, which takes up to 5 s if a client has an idle connection open. Its
/// functions may be called from any thread, but not from `options::log`.
class server {
 public:
  /// Throws `std::runtime_error` if the port is taken.
  explicit server(options chosen = options())
      : options_(std::move(chosen)),
        certificate_(options_.names),
        http_(detail::new_https_server(certificate_)),
        okta_(options_.user, options_.life, options_.rate_limit) {
    httplib::Server::Handler const handler = [this](httplib::Request const& request, httplib::Response& sent) {
      serve(request, sent);
    };
    http_->Get(".*", handler).Post(".*", handler).Put(".*", handler);
    http_->Patch(".*", handler).Delete(".*", handler).Options(".*", handler);
    http_->new_task_queue = [] { return new httplib::ThreadPool(16); };
    http_->set_keep_alive_max_count(1);  // an idle connection would delay the destructor
    bind();
    listener_ = std::thread([this] {
      detail::block_sigpipe_in_this_thread();  // and in those that it starts
      http_->listen_after_bind();
    });
    while (!http_->is_running()) {
      std::this_thread::yield();
    }
  }

  server(server const&) = delete;
  server& operator=(server const&) = delete;

  ~server() {
    {
      lock_guard const lock(mutex_);
      stopping_ = true;
    }
    stop_.notify_all();
    http_->stop();
    listener_.join();
  }

  int port() const { return port_; }
  account const& user() const { return options_.user; }
  std::string ca_pem() const { return certificate_.ca_pem(); }
  std::string token_url() const { return origin() + authorization_server::path(); }
  std::string api_url() const { return origin() + fhir_server::path(); }

  /// The response to the next `times` token requests, whatever they contain.
  void respond_next(response const& scripted, int times = 1) {
    lock_guard const lock(mutex_);
    token_script_.add(scripted, times);
  }

  /// The same for API calls.
  void respond_api_next(response const& scripted, int times = 1) {
    lock_guard const lock(mutex_);
    api_script_.add(scripted, times);
  }

  /// The lifetime of tokens issued from now on.
  void life(std::chrono::seconds chosen) {
    lock_guard const lock(mutex_);
    okta_.lifetime(chosen);
  }

  /// The API rejects every token issued so far.
  void revoke_all() {
    lock_guard const lock(mutex_);
    okta_.revoke_all();
  }

  int token_requests() const {
    lock_guard const lock(mutex_);
    return token_requests_;
  }

  int api_calls() const {
    lock_guard const lock(mutex_);
    return api_calls_;
  }

  /// In a row. At 10 the account is locked, and the right password looks as wrong as any.
  int wrong_passwords() const {
    lock_guard const lock(mutex_);
    return okta_.wrong_passwords();
  }

  recorded_request last_token_request() const {
    lock_guard const lock(mutex_);
    return last_token_request_;
  }

 private:
  using lock_guard = std::lock_guard<std::mutex>;

  void bind() {
    socket_t listening = INVALID_SOCKET;
    http_->set_socket_options([&listening](socket_t socket) {
      int const yes = 1;  // no SO_REUSEPORT: two sandboxes could share a port
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      listening = socket;
    });
    std::string const host = "127.0.0.1";
    if (options_.port == 0) {
      port_ = http_->bind_to_any_port(host);
    } else if (http_->bind_to_port(host, options_.port)) {
      port_ = options_.port;
    }
    if (port_ <= 0) {
      throw std::runtime_error("cannot listen on port " + std::to_string(options_.port));
    }
    ::listen(listening, SOMAXCONN);  // cpp-httplib's queue of 5 delays many clients at once by a second
  }

  std::string origin() const { return "https://localhost:" + std::to_string(port_); }

  void serve(httplib::Request const& request, httplib::Response& sent) {
    std::unique_lock<std::mutex> lock(mutex_);
    response const reply = route(request);
    stop_.wait_for(lock, reply.delay, [this] { return stopping_; });

    sent.status = reply.status;
    sent.body = reply.body;
    for (auto const& header : reply.headers) {
      sent.set_header(header.first, header.second);
    }
    if (!sent.has_header("Date")) {
      sent.set_header("Date", detail::http_date(std::time(nullptr)));
    }
    if (!reply.content_type.empty()) {
      sent.set_header("Content-Type", reply.content_type);
    }
    if (options_.log) {
      options_.log(request.method + ' ' + request.path + ' ' + std::to_string(reply.status) +
                   (reply.note.empty() ? "" : " (" + reply.note + ')'));
    }
  }

  response route(httplib::Request const& request) {
    auto const below = [&](char const* root) { return request.path.find(root) == 0; };
    response reply;
    if (below("/oauth2/")) {
      ++token_requests_;
      last_token_request_ = {request.method, request.path, request.headers, request.body};
      return token_script_.take(reply) ? reply : okta_.reply(request);
    }
    if (below(fhir_server::path())) {
      ++api_calls_;
      if (api_script_.take(reply)) {
        return reply;
      }
      return okta_.accepts(request.get_header_value("Authorization"))
                 ? fhir_.reply(api_url(), request.method, request.path.substr(std::strlen(fhir_server::path())),
                               request.body)
                 : fhir_server::unauthorized();
    }
    return control(request.method + ' ' + request.path, parse_json(request.body));
  }

  /// The functions above over HTTP, as --help lists them. A POST needs a body, even an empty one: cpp-httplib waits for
  /// it.
  response control(std::string const& what, picojson::value const& body) {
    if (what == "POST /sandbox/revoke") {
      okta_.revoke_all();
    } else if (what == "POST /sandbox/unlock") {
      okta_.unlock();
    } else if (what == "POST /sandbox/life" && body.is<double>()) {
      okta_.lifetime(std::chrono::seconds(detail::limited(body.get<double>(), 0, 31536000)));
    } else if (what == "POST /sandbox/next" && body.is<json>()) {
      response scripted(detail::limited(member(body, "status", 200.0), 200, 599));
      scripted.content_type = member<std::string>(body, "content_type", "application/json");
      scripted.body = member<std::string>(body, "body", "");
      scripted.delay = std::chrono::milliseconds(detail::limited(member(body, "delay_ms", 0.0), 0, 3600000));
      for (auto const& header : member(body, "headers", json())) {
        scripted.headers.emplace_back(header.first, header.second.to_str());
      }
      detail::script& chosen = member<std::string>(body, "to", "token") == "api" ? api_script_ : token_script_;
      chosen.add(scripted, detail::limited(member(body, "times", 1.0), 1, 10000),
                 detail::limited(member(body, "after", 0.0), 0, 10000));
    } else if (what != "GET /sandbox") {
      return json_response(404, {{"error", text("The sandbox has no such resource.")}});
    }
    return json_response(200, {{"token_requests", number(token_requests_)},
                               {"api_calls", number(api_calls_)},
                               {"observations", number(fhir_.observations())},
                               {"wrong_passwords", number(okta_.wrong_passwords())}});
  }

  options const options_;
  certificate const certificate_;
  std::unique_ptr<httplib::Server> const http_;
  int port_ = 0;
  std::thread listener_;

  mutable std::mutex mutex_;  ///< guards all members below
  std::condition_variable stop_;
  bool stopping_ = false;
  authorization_server okta_;
  fhir_server fhir_;
  detail::script token_script_;
  detail::script api_script_;
  recorded_request last_token_request_ = {};
  int token_requests_ = 0;
  int api_calls_ = 0;
};

}  // namespace sandbox

#endif  // CIBMTR_AUTH_SANDBOX_HPP
