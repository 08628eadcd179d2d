// SPDX-License-Identifier: MIT
// A token_store on Redis, for processes on many machines. Copy and adapt it.

#ifndef CIBMTR_AUTH_EXAMPLES_REDIS_STORE_HPP
#define CIBMTR_AUTH_EXAMPLES_REDIS_STORE_HPP

#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <cibmtr_auth.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// Shares one token, one renewal and one backoff through a Redis server. The records hold the token, so give only those
/// access to this Redis who may use it; AUTH and TLS (`hiredis_ssl.h`) belong in `connect()`. If Redis is down, the
/// functions throw, and the cache works alone. Forked children must not share one: make it after the fork.
class redis_store : public cibmtr_auth::token_store {
 public:
  redis_store(std::string host, int port) : host_(std::move(host)), port_(port) {}

  cibmtr_auth::secret load(std::string const& key) override {
    reply const found = command({"GET", prefix + key});
    return found->type == REDIS_REPLY_STRING ? std::string(found->str, found->len) : std::string();
  }

  bool replace(std::string const& key, cibmtr_auth::secret const& expected, cibmtr_auth::secret const& text,
               std::chrono::seconds keep_for) override {
    // Redis runs a script as one step.
    char const* const compare_and_swap =
        "if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end "
        "if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end "
        "return 1";
    std::string const seconds = std::to_string((std::max)(keep_for, std::chrono::seconds(1)).count());
    reply const done =
        command({"EVAL", compare_and_swap, "1", prefix + key, expected.reveal(), text.reveal(), seconds});
    return done->type == REDIS_REPLY_INTEGER && done->integer == 1;
  }

 private:
  struct freed {
    void operator()(redisContext* connection) const { redisFree(connection); }
    void operator()(redisReply* answer) const { freeReplyObject(answer); }
  };
  using reply = std::unique_ptr<redisReply, freed>;
  static constexpr char const* prefix = "cibmtr_auth:";

  /// Never null. Each wait lasts at most a second, because get() waits too. Tries once more if an idle connection
  /// fails: if Redis did run the script, the comparison now fails, and the cache waits until its lease ends.
  reply command(std::vector<std::string> const& words) {
    std::lock_guard<std::mutex> const lock(mutex_);
    std::vector<char const*> texts;
    std::vector<std::size_t> lengths;
    for (std::string const& word : words) {
      texts.push_back(word.data());
      lengths.push_back(word.size());
    }
    timeval const second = {1, 0};
    for (bool was_idle = connection_ != nullptr;; was_idle = false) {
      if (!connection_) {
        connection_.reset(redisConnectWithTimeout(host_.c_str(), port_, second));
      }
      redisContext* const redis = connection_.get();
      reply answer;
      if (redis && redis->err == 0 && redisSetTimeout(redis, second) == REDIS_OK) {
        answer.reset(static_cast<redisReply*>(
            redisCommandArgv(redis, static_cast<int>(texts.size()), texts.data(), lengths.data())));
      }
      if (answer && answer->type != REDIS_REPLY_ERROR) {
        return answer;
      }
      std::string const problem = answer ? answer->str : redis ? redis->errstr : "out of memory";
      connection_.reset();
      if (answer || !was_idle) {
        throw std::runtime_error("Redis at " + host_ + ": " + problem);
      }
    }
  }

  std::string const host_;
  int const port_;
  std::mutex mutex_;  ///< for the connection
  std::unique_ptr<redisContext, freed> connection_;
};

#endif  // CIBMTR_AUTH_EXAMPLES_REDIS_STORE_HPP
