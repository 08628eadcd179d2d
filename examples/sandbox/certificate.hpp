// SPDX-License-Identifier: MIT
// A certificate for localhost and the authority that signed it, generated at run time.

#ifndef CIBMTR_AUTH_SANDBOX_CERTIFICATE_HPP
#define CIBMTR_AUTH_SANDBOX_CERTIFICATE_HPP

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sandbox {
namespace detail {

struct openssl_free {
  void operator()(BIO* it) const { BIO_free(it); }
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(EVP_PKEY_CTX* it) const { EVP_PKEY_CTX_free(it); }
  void operator()(X509* it) const { X509_free(it); }
  void operator()(X509_EXTENSION* it) const { X509_EXTENSION_free(it); }
};

template <class T>
using openssl_ptr = std::unique_ptr<T, openssl_free>;

inline void require(bool done) {
  if (!done) {
    throw std::runtime_error("the sandbox cannot generate its certificate");
  }
}

inline openssl_ptr<EVP_PKEY> new_key() {
  openssl_ptr<EVP_PKEY_CTX> maker(EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr));
  EVP_PKEY* key = nullptr;
  require(maker != nullptr && EVP_PKEY_keygen_init(maker.get()) == 1 &&
          EVP_PKEY_CTX_set_ec_paramgen_curve_nid(maker.get(), NID_X9_62_prime256v1) == 1 &&
          EVP_PKEY_keygen(maker.get(), &key) == 1);
  return openssl_ptr<EVP_PKEY>(key);
}

using extensions = std::vector<std::pair<int, std::string>>;

/// Valid for a week. Version 3, which is written as 2 (RFC 5280, section 4.1). Self-signed without an `issuer`.
inline openssl_ptr<X509> new_certificate(char const* name, EVP_PKEY* key, extensions const& extended, X509* issuer,
                                         EVP_PKEY* issuer_key) {
  long const hour = 3600;
  openssl_ptr<X509> made(X509_new());
  std::uint64_t serial = 0;
  require(made != nullptr && RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
  X509* const subject = made.get();
  issuer = issuer ? issuer : subject;
  require(X509_set_version(subject, 2) == 1 && ASN1_INTEGER_set_uint64(X509_get_serialNumber(subject), serial) == 1 &&
          X509_gmtime_adj(X509_getm_notBefore(subject), -hour) &&
          X509_gmtime_adj(X509_getm_notAfter(subject), 7 * 24 * hour) &&
          X509_NAME_add_entry_by_NID(X509_get_subject_name(subject), NID_commonName, MBSTRING_ASC,
                                     reinterpret_cast<unsigned char const*>(name), -1, -1, 0) == 1 &&
          X509_set_issuer_name(subject, X509_get_subject_name(issuer)) == 1 && X509_set_pubkey(subject, key) == 1);
  for (auto const& one : extended) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, subject, nullptr, nullptr, 0);
    openssl_ptr<X509_EXTENSION> const extension(X509V3_EXT_conf_nid(nullptr, &context, one.first, one.second.c_str()));
    require(extension != nullptr && X509_add_ext(subject, extension.get(), -1) == 1);
  }
  require(X509_sign(subject, issuer_key, EVP_sha256()) > 0);
  return made;
}

template <class Write>
std::string pem(Write write) {
  openssl_ptr<BIO> const memory(BIO_new(BIO_s_mem()));
  require(memory != nullptr && write(memory.get()) == 1);
  char* text = nullptr;
  long const size = BIO_ctrl(memory.get(), BIO_CTRL_INFO, 0, &text);
  return std::string(text, static_cast<std::size_t>(size));
}

/// A file that only its owner can read, removed by the destructor.
class temporary_file {
 public:
  explicit temporary_file(std::string const& content) {
    char const* const folder = getenv("TMPDIR");
    path_ = std::string(folder ? folder : "/tmp") + "/cibmtr-sandbox.XXXXXX";
    int const file = mkstemp(&path_[0]);  // mode 0600
    bool const is_written =
        file >= 0 && write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size());
    close(file);
    if (!is_written) {
      unlink(path_.c_str());
    }
    require(is_written);
  }
  temporary_file(temporary_file const&) = delete;
  temporary_file& operator=(temporary_file const&) = delete;
  ~temporary_file() { unlink(path_.c_str()); }

  char const* path() const { return path_.c_str(); }

 private:
  std::string path_;
};

}  // namespace detail

/// A key and its certificate for `names`, valid for a week, signed by an authority whose key is discarded. Strict
/// verifiers accept it.
class certificate {
 public:
  explicit certificate(std::string const& names) : key_(detail::new_key()) {
    auto const authority_key = detail::new_key();
    detail::extensions const for_authority = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                              {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                              {NID_subject_key_identifier, "hash"}};
    authority_ = detail::new_certificate("cibmtr_auth sandbox", authority_key.get(), for_authority, nullptr,
                                         authority_key.get());
    detail::extensions for_leaf = {{NID_basic_constraints, "critical,CA:FALSE"},
                                   {NID_key_usage, "critical,digitalSignature"},
                                   {NID_ext_key_usage, "serverAuth"},
                                   {NID_subject_key_identifier, "hash"},
                                   {NID_authority_key_identifier, "keyid:always"}};
    if (!names.empty()) {
      for_leaf.emplace_back(NID_subject_alt_name, names);
    }
    leaf_ = detail::new_certificate("localhost", key_.get(), for_leaf, authority_.get(), authority_key.get());
  }

  X509* leaf() const { return leaf_.get(); }
  EVP_PKEY* key() const { return key_.get(); }

  /// The certificate authority that a client has to trust.
  std::string ca_pem() const {
    return detail::pem([this](BIO* to) { return PEM_write_bio_X509(to, authority_.get()); });
  }
  std::string leaf_pem() const {
    return detail::pem([this](BIO* to) { return PEM_write_bio_X509(to, leaf_.get()); });
  }
  std::string key_pem() const {
    return detail::pem(
        [this](BIO* to) { return PEM_write_bio_PrivateKey(to, key_.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  }

 private:
  detail::openssl_ptr<EVP_PKEY> key_;
  detail::openssl_ptr<X509> authority_;
  detail::openssl_ptr<X509> leaf_;
};

}  // namespace sandbox

#endif  // CIBMTR_AUTH_SANDBOX_CERTIFICATE_HPP
