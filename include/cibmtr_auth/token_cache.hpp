// SPDX-License-Identifier: MIT
// The token cache: its options, what it reports, and the handle that programs hold.

#ifndef CIBMTR_AUTH_TOKEN_CACHE_HPP
#define CIBMTR_AUTH_TOKEN_CACHE_HPP

#include <cibmtr_auth/credentials.hpp>
#include <cibmtr_auth/environment.hpp>
#include <cibmtr_auth/token.hpp>
#include <cibmtr_auth/token_store.hpp>
#include <cibmtr_auth/transport.hpp>

namespace cibmtr_auth { inline namespace v1_0 {

/// A snapshot for a log or a health check; never contains the token. Durations are rounded up to seconds and never
/// negative.
struct token_cache_status {
  bool has_token = false;                   ///< one that has not expired
  std::chrono::seconds expires_in{0};       ///< zero without a token
  std::chrono::seconds renews_in{0};        ///< until the next `get()` renews; zero if it would now
  std::chrono::seconds retry_in{0};         ///< what is left of the backoff
  std::shared_ptr<error const> last_error;  ///< of the last attempt; null after a success
  bool is_shared = false;                   ///< the store worked when it was last used
  std::string sharing_problem;  ///< why not, such as `/x/.cache: Read-only file system`; empty without a store
  std::uint64_t gets = 0;       ///< calls of `get()`
  std::uint64_t hits = 0;       ///< of these, served from the cache
  std::uint64_t waits = 0;      ///< of these, waited for the request of another thread
  std::uint64_t requests = 0;   ///< token requests sent
  std::uint64_t failures = 0;   ///< failed attempts, including those that failed before anything was sent
};

/// What an observer is called for.
enum class token_event_kind {
  renewed,          ///< this process requested a token and got it
  loaded,           ///< another process requested it
  failed,           ///< an attempt of this process failed
  sharing_failed,   ///< the store failed: this process works alone
  sharing_restored  ///< the store works again
};

/// The name of the enumerator: `"renewed"`.
inline std::string to_string(token_event_kind kind) {
  switch (kind) {
    case token_event_kind::renewed: return "renewed";
    case token_event_kind::loaded: return "loaded";
    case token_event_kind::failed: return "failed";
    case token_event_kind::sharing_failed: return "sharing_failed";
    case token_event_kind::sharing_restored: break;
  }
  return "sharing_restored";
}

/// What an observer receives.
struct token_event {
  token_event_kind kind = token_event_kind::renewed;
  std::string message;  ///< one line for a log; contains no secret
  token_cache_status status;
};

/// Everything but the environment and the credentials. By default nothing is shared and the bundled transport is used.
struct token_cache_options {
  std::string cache_directory{};         ///< share the token and the backoff with other processes through this folder
  std::shared_ptr<token_store> store{};  ///< or through this store; setting both is a `configuration` error
  cibmtr_auth::https_options https{};    ///< for the bundled transport; `timeout` and `is_cancelled` apply to any
  cibmtr_auth::transport transport{};    ///< empty: the bundled transport
  basic_encoding encoding = basic_encoding::plain;
  std::function<void(token_event const&)> observer{};  ///< called once per event, outside all locks; may throw
  std::function<boot_clock::time_point()> clock{};     ///< empty: `boot_clock`; shared records use its time since epoch
};

namespace detail {

/// What is behind every copy of a `token_cache`; `cache_state` implements it. The members are documented at
/// `token_cache`.
class cache_interface {
 public:
  cache_interface() = default;
  cache_interface(cache_interface const&) = delete;
  cache_interface& operator=(cache_interface const&) = delete;
  virtual ~cache_interface() = default;

  virtual token get() = 0;
  virtual token try_get() = 0;
  virtual bool invalidate(token const& refused) = 0;
  virtual bool set_credentials(credentials const& next) = 0;
  virtual bool retry_now() = 0;
  virtual token_cache_status status() = 0;
  /// Like `get()`, but not counted as a call by the program.
  virtual void renew_if_due() = 0;
  virtual std::string const& api_url() const noexcept = 0;
  virtual transport const& api_transport() const noexcept = 0;
};

}  // namespace detail

/// Caches one token and requests the next one before it expires. A handle: copies share one cache, and a moved-from
/// handle still works. Every member may be called from any thread. A forked child starts with an empty cache.
class token_cache {
 public:
  explicit token_cache(std::shared_ptr<detail::cache_interface> cache) : cache_(std::move(cache)) {}
  token_cache(token_cache const&) = default;             // no move constructor: a moved-from handle still works
  token_cache& operator=(token_cache const&) = default;  // likewise

  /// A token that has not expired. If it is due for renewal (`min(5 min, lifetime / 6)` before expiry, with jitter),
  /// one caller renews it, and the others use the old one. Without a token they wait and share the result, even a
  /// failure. Of all processes that share a store, one sends the request. Sends at most one request, and takes at most
  /// twice `https.timeout` plus name look-ups. Throws `error` if there is no token; until the backoff ends, the same
  /// failure is thrown again without a request.
  token get() const { return cache_->get(); }
  /// The cached token, or an empty one if it has expired. Never waits for I/O or for another thread's request, and
  /// never renews.
  token try_get() const { return cache_->try_get(); }
  /// Drops `refused`, and only that token: for a 401 from the API. Returns whether it makes sense to repeat the call
  /// with the token of another `get()`, which is also the case if another thread has already renewed. False for 30 s
  /// after a replacement.
  bool invalidate(token const& refused) const { return cache_->invalidate(refused); }
  /// Continues with other credentials: a renewal is due at once, and attempts are counted from zero. If token URL,
  /// client id, username and scope are the same, the old token is used until the renewal succeeds. Returns false,
  /// without any effect, if the credentials are unchanged. Throws `configuration` for invalid credentials.
  bool set_credentials(credentials const& next) const { return cache_->set_credentials(next); }
  /// Ends the backoff, so that the next `get()` sends a request, for example after an account was unlocked. Returns
  /// false if there is no backoff, or if anyone who shares the store did this in the last 15 minutes.
  bool retry_now() const { return cache_->retry_now(); }
  /// May be called as often as you like.
  token_cache_status status() const { return cache_->status(); }

 private:
  friend class background_renewer;
  friend transport authorized(token_cache const& tokens, transport const& send);
  friend transport authorized(token_cache const& tokens);

  std::shared_ptr<detail::cache_interface> cache_;
};

}}  // namespace cibmtr_auth::v1_0

#endif  // CIBMTR_AUTH_TOKEN_CACHE_HPP
