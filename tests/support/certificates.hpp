// SPDX-License-Identifier: MIT
// Certificates of every kind: authorities, intermediates, servers, clients, expired ones.

#ifndef CIBMTR_AUTH_TESTS_CERTIFICATES_HPP
#define CIBMTR_AUTH_TESTS_CERTIFICATES_HPP

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <functional>
#include <string>
#include <vector>

#include "../../examples/sandbox/certificate.hpp"

namespace tests {

/// A key and its certificate, signed by itself or by another.
class certified {
 public:
  /// An authority without `names`, else a server for these names (`DNS:localhost`), or a client if they are "client".
  certified(std::string const& common_name, std::string const& names, certified const* by = nullptr, int first_day = -1,
            int last_day = 7)
      : key_(sandbox::detail::new_key()),
        certificate_(sandbox::detail::new_certificate(common_name.c_str(), key_.get(), extensions_for(names),
                                                      by ? by->get() : nullptr, by ? by->key() : key_.get())) {
    long const day = 24 * 3600;
    X509_gmtime_adj(X509_getm_notBefore(get()), first_day * day);
    X509_gmtime_adj(X509_getm_notAfter(get()), last_day * day);
    X509_sign(get(), by ? by->key() : key_.get(), EVP_sha256());  // again, because the dates have changed
  }

  X509* get() const { return certificate_.get(); }
  EVP_PKEY* key() const { return key_.get(); }
  std::string ca_pem() const {
    X509* const certificate = certificate_.get();
    return sandbox::detail::pem([certificate](BIO* out) { return PEM_write_bio_X509(out, certificate); });
  }
  std::string key_pem() const {
    EVP_PKEY* const key = key_.get();
    return sandbox::detail::pem(
        [key](BIO* out) { return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
  }
  /// For a `tls_server`: shows this certificate with a chain.
  std::function<void(SSL_CTX*)> with_chain(std::vector<certified const*> const& chain) const {
    return [this, chain](SSL_CTX* context) {
      SSL_CTX_use_certificate(context, get());
      SSL_CTX_use_PrivateKey(context, key());
      for (certified const* each : chain) {
        X509_up_ref(each->get());
        SSL_CTX_add_extra_chain_cert(context, each->get());
      }
    };
  }

 private:
  static sandbox::detail::extensions extensions_for(std::string const& names) {
    if (names.empty()) {
      return {{NID_basic_constraints, "critical,CA:TRUE"},
              {NID_key_usage, "critical,keyCertSign,cRLSign"},
              {NID_subject_key_identifier, "hash"}};
    }
    sandbox::detail::extensions all = {{NID_basic_constraints, "critical,CA:FALSE"},
                                       {NID_key_usage, "critical,digitalSignature"},
                                       {NID_subject_key_identifier, "hash"}};
    if (names == "client") {
      all.emplace_back(NID_ext_key_usage, "clientAuth");
    } else {
      all.emplace_back(NID_ext_key_usage, "serverAuth");
      all.emplace_back(NID_subject_alt_name, names);
    }
    return all;
  }
  sandbox::detail::openssl_ptr<EVP_PKEY> key_;
  sandbox::detail::openssl_ptr<X509> certificate_;
};

}  // namespace tests

#endif  // CIBMTR_AUTH_TESTS_CERTIFICATES_HPP
