// SPDX-License-Identifier: MIT
// A stand-in for Okta's token endpoint and the Direct FHIR API, over TLS on loopback.
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

#include "sandbox_certificate.hpp"
#include "sandbox_fhir.hpp"
#include "sandbox_message.hpp"
#include "sandbox_okta.hpp"

namespace sandbox {

struct options {
  int port = 0;  ///< 0: any that is free
  account user = {};
  std::chrono::seconds life{1800};
  std::string names = "DNS:localhost,IP:127.0.0.1,IP:::1";  ///< in the certificate's subjectAltName
  int newest_tls = 0;                                       ///< for instance TLS1_1_VERSION; 0: what OpenSSL has
  int rate_limit = 1000000;  ///< token requests a minute; the default is no limit in practice

  /// Told of each answer in words; never a secret, never a token.
  std::function<void(std::string const&)> log;
};

struct recorded_request {
  std::string method;
  std::string path;
  httplib::Headers headers;  ///< a multimap that ignores the case of names
  std::string body;
};

namespace detail {

/// Answers to give before any other.
class script {
 public:
  /// Once `after` more have been answered as usual.
  void add(answer const& scripted, int times, int after = 0) {
    answers_.insert(answers_.end(), static_cast<std::size_t>(after), answer(as_usual));
    answers_.insert(answers_.end(), static_cast<std::size_t>(times), scripted);
  }

  bool take(answer& next) {
    if (answers_.empty()) {
      return false;
    }
    bool const is_scripted = answers_.front().status != as_usual;
    if (is_scripted) {
      next = answers_.front();
    }
    answers_.pop_front();
    return is_scripted;
  }

 private:
  static constexpr int as_usual = 0;  ///< no HTTP status

  std::deque<answer> answers_;
};

/// cpp-httplib's constructor ignores SIGPIPE for the whole process: put back what was there.
/// Its newest versions deprecate this constructor, the only one in memory that all of them have.
inline std::unique_ptr<httplib::Server> new_https_server(certificate const& shown, int newest_tls) {
  struct sigaction before;
  sigaction(SIGPIPE, nullptr, &before);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  std::unique_ptr<httplib::SSLServer> made(new httplib::SSLServer(shown.leaf(), shown.key()));
  SSL_CTX_set_max_proto_version(made->ssl_context(), newest_tls);
#pragma GCC diagnostic pop
  sigaction(SIGPIPE, &before, nullptr);
  return made;
}

inline void block_sigpipe_in_this_thread() {
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

/// A number of a control message, kept within what makes sense.
inline int whole(double value, double least, double most) {
  return static_cast<int>((std::min)((std::max)(value, least), most));
}

}  // namespace detail

/// Serves from its construction to its destruction, which is immediate unless a client holds a silent
/// connection: then it takes up to 5 s. Its functions may be called from any thread, but not from
/// `options::log`.
class server {
 public:
  /// Throws `std::runtime_error` if the port is taken.
  explicit server(options chosen = options())
      : options_(std::move(chosen)),
        certificate_(options_.names),
        http_(detail::new_https_server(certificate_, options_.newest_tls)),
        okta_(options_.user, options_.life, options_.rate_limit) {
    httplib::Server::Handler const handler = [this](httplib::Request const& request, httplib::Response& response) {
      serve(request, response);
    };
    http_->Get(".*", handler).Post(".*", handler).Put(".*", handler);
    http_->Patch(".*", handler).Delete(".*", handler).Options(".*", handler);
    http_->new_task_queue = [] { return new httplib::ThreadPool(16); };
    http_->set_keep_alive_max_count(1);  // an idle connection would hold up the destructor
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

  /// The next `times` token requests get exactly this, whatever they ask.
  void answer_next(answer const& scripted, int times = 1) {
    lock_guard const lock(mutex_);
    token_script_.add(scripted, times);
  }

  /// The same for calls of the API.
  void answer_api_next(answer const& scripted, int times = 1) {
    lock_guard const lock(mutex_);
    api_script_.add(scripted, times);
  }

  /// Of the tokens issued from now on.
  void life(std::chrono::seconds chosen) {
    lock_guard const lock(mutex_);
    okta_.life(chosen);
  }

  /// The API refuses every token issued so far.
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
      int const yes = 1;  // but no SO_REUSEPORT, with which two sandboxes could share a port
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
    ::listen(listening, SOMAXCONN);  // in cpp-httplib's own queue of 5 a crowd waits for a second
  }

  std::string origin() const { return "https://localhost:" + std::to_string(port_); }

  void serve(httplib::Request const& request, httplib::Response& response) {
    std::unique_lock<std::mutex> lock(mutex_);
    answer const reply = route(request);
    stop_.wait_for(lock, reply.delay, [this] { return stopping_; });

    response.status = reply.status;
    response.body = reply.body;
    for (auto const& header : reply.headers) {
      response.set_header(header.first, header.second);
    }
    if (!response.has_header("Date")) {
      response.set_header("Date", detail::http_date(std::time(nullptr)));
    }
    if (!reply.content_type.empty()) {
      response.set_header("Content-Type", reply.content_type);
    }
    if (options_.log) {
      options_.log(request.method + ' ' + request.path + ' ' + std::to_string(reply.status) +
                   (reply.note.empty() ? "" : " (" + reply.note + ')'));
    }
  }

  answer route(httplib::Request const& request) {
    auto const below = [&](char const* root) { return request.path.find(root) == 0; };
    answer reply;
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

  /// The functions above over HTTP, for programs, as the footer of --help tells. Post a body, be it empty: cpp-httplib
  /// waits for it.
  answer control(std::string const& what, picojson::value const& body) {
    if (what == "POST /sandbox/revoke") {
      okta_.revoke_all();
    } else if (what == "POST /sandbox/unlock") {
      okta_.unlock();
    } else if (what == "POST /sandbox/life" && body.is<double>()) {
      okta_.life(std::chrono::seconds(detail::whole(body.get<double>(), 0, 31536000)));
    } else if (what == "POST /sandbox/next" && body.is<json>()) {
      answer scripted(detail::whole(member(body, "status", 200.0), 200, 599));
      scripted.content_type = member<std::string>(body, "content_type", "application/json");
      scripted.body = member<std::string>(body, "body", "");
      scripted.delay = std::chrono::milliseconds(detail::whole(member(body, "delay_ms", 0.0), 0, 3600000));
      for (auto const& header : member(body, "headers", json())) {
        scripted.headers.emplace_back(header.first, header.second.to_str());
      }
      detail::script& chosen = member<std::string>(body, "to", "token") == "api" ? api_script_ : token_script_;
      chosen.add(scripted, detail::whole(member(body, "times", 1.0), 1, 10000),
                 detail::whole(member(body, "after", 0.0), 0, 10000));
    } else if (what != "GET /sandbox") {
      return json_answer(404, {{"error", text("The sandbox does not know this.")}});
    }
    return json_answer(200, {{"token_requests", number(token_requests_)},
                             {"api_calls", number(api_calls_)},
                             {"observations", number(fhir_.observations())},
                             {"wrong_passwords", number(okta_.wrong_passwords())}});
  }

  options const options_;
  certificate const certificate_;
  std::unique_ptr<httplib::Server> const http_;
  int port_ = 0;
  std::thread listener_;

  mutable std::mutex mutex_;  ///< over all that follows
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
