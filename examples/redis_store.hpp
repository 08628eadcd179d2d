// SPDX-License-Identifier: MIT
// A token_store on Redis, for processes on many machines. A model to copy from.

#ifndef CIBMTR_AUTH_EXAMPLES_REDIS_STORE_HPP
#define CIBMTR_AUTH_EXAMPLES_REDIS_STORE_HPP

#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

/// Shares one token, one renewal and one pause through a Redis server. When Redis is down or slow one asks
/// alone. The record holds the token, so let only those into this Redis who may use it; AUTH and TLS (`hiredis_ssl.h`)
/// belong into `connect()`. Make one after a fork, not before.
class redis_store : public cibmtr_auth::token_store {
 public:
  redis_store(std::string host, int port, cibmtr_auth::fingerprint const& whose,
              cibmtr_auth::clock_function now = cibmtr_auth::boot_clock::now)
      : host_(std::move(host)), port_(port), key_("cibmtr_auth:" + whose.name()), whose_(whose), now_(std::move(now)) {}

  /// It ends by itself after 40 seconds, more than the 30 that a token request may take (`https_options::timeout`).
  std::unique_ptr<lock> try_lock() override {
    std::string const owner = random_name();
    reply const answer = command({"SET", key_ + ":lock", owner, "NX", "PX", "40000"});
    bool const is_busy = answer && answer->type == REDIS_REPLY_NIL;
    return std::unique_ptr<lock>(is_busy ? nullptr : new held(*this, owner));
  }

  cibmtr_auth::token_record load() override {
    // Read before Redis looks at its clock, so that a token never seems younger than it is.
    auto const now = now_();
    reply const time = command({"TIME"});
    reply const text = command({"GET", key_ + ":record"});
    if (!is_time(time) || !text || text->type != REDIS_REPLY_STRING) {
      return cibmtr_auth::token_record();
    }
    return cibmtr_auth::read_record(std::string(text->str, text->len), whose_, clock(time, now));
  }

  void save(cibmtr_auth::token_record const& record) override {
    reply const time = command({"TIME"});
    auto const now = now_();  // and here after it, for the same reason
    if (is_time(time)) {
      std::string const life = std::to_string(milliseconds_needed(record, now));
      cibmtr_auth::secret const text = cibmtr_auth::write_record(record, whose_, clock(time, now));
      command({"SET", key_ + ":record", text.reveal(), "PX", life});
    }
  }

 private:
  struct freed {
    void operator()(redisContext* connection) const { redisFree(connection); }
    void operator()(redisReply* answer) const { freeReplyObject(answer); }
  };
  using reply = std::unique_ptr<redisReply, freed>;

  struct held : lock {
    held(redis_store& in, std::string name) : store(in), owner(std::move(name)) {}
    /// Not another's, who may have taken it when it had ended by itself.
    ~held() override {
      store.command({"EVAL",
                     "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
                     "1", store.key_ + ":lock", owner});
    }
    redis_store& store;
    std::string const owner;
  };

  /// Null when Redis is down or slow, and then for five seconds without trying again.
  reply command(std::initializer_list<std::string> words) {
    std::lock_guard<std::mutex> const guard(mutex_);
    std::vector<char const*> texts;
    std::vector<std::size_t> lengths;
    for (std::string const& word : words) {
      texts.push_back(word.data());
      lengths.push_back(word.size());
    }
    bool const was_connected = connection_ != nullptr;
    for (int attempt = was_connected ? 0 : 1; attempt < 2; ++attempt) {
      if (!connection_ && !connect()) {
        return nullptr;
      }
      reply answer(static_cast<redisReply*>(
          redisCommandArgv(connection_.get(), static_cast<int>(texts.size()), texts.data(), lengths.data())));
      bool const is_closed = !answer && connection_->err == REDIS_ERR_EOF;  // an idle connection: once more
      if (!is_closed) {
        if (!answer) {
          give_up();
        }
        return answer;
      }
      connection_.reset();
    }
    return nullptr;
  }

  bool connect() {
    if (std::chrono::steady_clock::now() < try_again_at_) {
      return false;
    }
    timeval const second = {1, 0};
    connection_.reset(redisConnectWithTimeout(host_.c_str(), port_, second));
    bool const is_up = connection_ && connection_->err == 0 && redisSetTimeout(connection_.get(), second) == REDIS_OK;
    if (!is_up) {
      give_up();
    }
    return is_up;
  }
  void give_up() {
    connection_.reset();
    try_again_at_ = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  }

  static bool is_time(reply const& time) { return time && time->type == REDIS_REPLY_ARRAY && time->elements == 2; }
  /// Redis's own clock, the same for all, whatever their machines' clocks show.
  static cibmtr_auth::shared_clock clock(reply const& time, cibmtr_auth::boot_clock::time_point now) {
    std::int64_t const unix_ms =
        std::int64_t{1000} * std::atoll(time->element[0]->str) + std::atoll(time->element[1]->str) / 1000;
    return cibmtr_auth::shared_clock{"redis", unix_ms, now, unix_ms};
  }

  /// A token until its end; a failure for twice its pause and a minute, so that the next one in a row finds it.
  static std::int64_t milliseconds_needed(cibmtr_auth::token_record const& record,
                                          cibmtr_auth::boot_clock::time_point now) {
    std::chrono::nanoseconds needed = record.granted.expires_at() - now;
    if (record.failure) {
      needed = (std::max)(needed, 2 * (record.next_try_at - now) + std::chrono::minutes(1));
    }
    return (std::max)(std::int64_t{1},
                      std::int64_t{std::chrono::duration_cast<std::chrono::milliseconds>(needed).count()});
  }

  static std::string random_name() {
    std::random_device random;
    std::string name;
    for (int i = 0; i < 4; ++i) {
      name += std::to_string(random()) + ".";
    }
    return name;
  }

  std::string const host_;
  int const port_;
  std::string const key_;
  cibmtr_auth::fingerprint const whose_;
  cibmtr_auth::clock_function const now_;
  std::mutex mutex_;  ///< over all that follows
  std::unique_ptr<redisContext, freed> connection_;
  std::chrono::steady_clock::time_point try_again_at_;
};

#endif  // CIBMTR_AUTH_EXAMPLES_REDIS_STORE_HPP
