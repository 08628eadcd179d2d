// SPDX-License-Identifier: MIT
// Whom the bundled transport trusts, and as whom it comes.

#ifndef CIBMTR_AUTH_TLS_CONTEXT_HPP
#define CIBMTR_AUTH_TLS_CONTEXT_HPP

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <cibmtr_auth/certificate_authorities.hpp>
#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/error.hpp>
#include <cibmtr_auth/https_options.hpp>
#include <cibmtr_auth/owned.hpp>
#include <cibmtr_auth/per_process.hpp>

#if CIBMTR_AUTH_HTTPS
#include <openssl/ssl.h>

namespace cibmtr_auth {
namespace detail {

inline error bad_option(std::string const& name, std::string const& path, std::string const& problem) {
  return error(error_kind::configuration, name + " " + path + " " + problem);
}

/// TLS 1.2 or newer, and a server whose certificate is verified: there is no switch to turn that off. Made once and used
/// for many exchanges, since reading a bundle of CAs takes longer than a handshake.
class tls_context {
 public:
  /// Throws `configuration` for files that are no certificates or keys.
  explicit tls_context(https_options const& options) : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    if (!context_ || SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION) != 1) {
      throw error(error_kind::configuration, "OpenSSL cannot be set up: check its configuration file (openssl.cnf)");
    }
    trust(options);
    if (!options.client_certificate.empty() || !options.client_key.empty()) {
      identify(options);
    }
  }

  SSL_CTX* get() const { return context_.get(); }
  /// Where the trusted CAs come from, for people.
  std::string const& authorities() const { return authorities_; }

 private:
  void trust(https_options const& options) {
    std::vector<std::string> tried;
    certificate_authorities const found = find_authorities(options, tried);
    authorities_ = found.text();
    if (authorities_.empty()) {
      authorities_ = "none found in";
      for (std::string const& place : tried) {
        authorities_ += " " + place;
      }
      authorities_ += "; install the system's (ca-certificates), or name them";
      return;
    }
    bool const are_named = !options.ca_file.empty() || !options.ca_directory.empty();
    if (!found.file.empty() && (are_named || can_read(found.file)) &&
        SSL_CTX_load_verify_locations(context_.get(), found.file.c_str(), nullptr) != 1) {
      throw bad_option("the CA file", found.file, "cannot be read or holds no PEM certificate");
    }
    if (!found.directory.empty() &&
        SSL_CTX_load_verify_locations(context_.get(), nullptr, found.directory.c_str()) != 1) {
      throw bad_option("the CA directory", found.directory, "cannot be used");
    }
  }

  void identify(https_options const& options) {
    SSL_CTX_set_default_passwd_cb(context_.get(),
                                  [](char*, int, int, void*) { return 0; });  // else it asks the terminal
    if (SSL_CTX_use_certificate_chain_file(context_.get(), options.client_certificate.c_str()) != 1) {
      throw bad_option("client_certificate", options.client_certificate, "cannot be read or holds no PEM certificate");
    }
    if (SSL_CTX_use_PrivateKey_file(context_.get(), options.client_key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context_.get()) != 1) {
      throw bad_option("client_key", options.client_key,
                       "cannot be read, is protected by a passphrase, or does not belong to client_certificate");
    }
  }

  owned<SSL_CTX> const context_;
  std::string authorities_;
};

/// The context that the exchanges of one transport share. A server that is not trusted may be so because the CAs
/// have changed since, so the next exchange reads them again.
class shared_tls_context {
 public:
  std::shared_ptr<tls_context const> get(https_options const& options) const {
    entry& mine = entry_.get();
    std::lock_guard<std::mutex> const lock(mine.mutex);
    if (!mine.context) {
      mine.context = std::make_shared<tls_context const>(options);
    }
    return mine.context;
  }

  void forget() const {
    entry& mine = entry_.get();
    std::lock_guard<std::mutex> const lock(mine.mutex);
    mine.context = nullptr;
  }

 private:
  struct entry {
    std::mutex mutex;
    std::shared_ptr<tls_context const> context;
  };
  per_process<entry> entry_;
};

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_TLS_CONTEXT_HPP
