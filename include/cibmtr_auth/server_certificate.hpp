// SPDX-License-Identifier: MIT
// What a server's certificate says, and why it is not trusted, for people.

#ifndef CIBMTR_AUTH_SERVER_CERTIFICATE_HPP
#define CIBMTR_AUTH_SERVER_CERTIFICATE_HPP

#include <cstddef>
#include <ctime>
#include <string>

#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/owned.hpp>

#if CIBMTR_AUTH_HTTPS
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace cibmtr_auth {
namespace detail {

/// What `print` writes, without control characters, which whoever made the certificate may have put there.
template <typename Print>
std::string printed(Print print) {
  owned<BIO> const memory(BIO_new(BIO_s_mem()), BIO_free_all);
  char text[256] = "";
  int length = 0;
  if (memory && print(memory.get())) {
    length = BIO_read(memory.get(), text, sizeof text);
  }
  std::string clean;
  for (int i = 0; i < length; ++i) {
    clean += text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
  }
  return clean;
}

inline std::string name_text(X509_NAME const* name) {
  return !name ? "" : printed([name](BIO* out) { return X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0; });
}

inline std::string time_text(ASN1_TIME const* time) {
  return !time ? "" : printed([time](BIO* out) { return ASN1_TIME_print(out, time) == 1; });
}

inline std::string time_text(std::time_t time) {
  owned<ASN1_TIME> const converted(ASN1_TIME_set(nullptr, time), ASN1_TIME_free);
  return time_text(converted.get());
}

/// The subjectAltName: the hosts that a certificate is for.
inline std::string names_text(X509* certificate) {
  int const place = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  X509_EXTENSION* const names = place < 0 ? nullptr : X509_get_ext(certificate, place);
  std::string const text =
      names ? printed([names](BIO* out) { return X509V3_EXT_print(out, names, 0, 0) == 1; }) : std::string();
  return text.empty() ? "no host" : text;
}

/// Why `certificate`, the server's or one of its chain, is not to be trusted by the CAs of `authorities`.
inline std::string distrust_text(int code, X509* certificate, std::string const& host, std::string const& authorities) {
  std::string const about = "the certificate of " + host + " ";
  std::string const clock = "this machine's clock says " + time_text(std::time(nullptr));
  switch (certificate ? code : X509_V_ERR_UNSPECIFIED) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return about + "(" + name_text(X509_get_subject_name(certificate)) + ") has expired on " +
             time_text(X509_get0_notAfter(certificate)) + "; " + clock +
             ": set it right, or the server needs a new certificate";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return about + "(" + name_text(X509_get_subject_name(certificate)) + ") is not yet valid, not before " +
             time_text(X509_get0_notBefore(certificate)) + "; " + clock + ": set it right";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return about + "is self-signed (" + name_text(X509_get_subject_name(certificate)) +
             "): check the URL; name it (ca_file) only if it is your own test server";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return about + "is from an unknown CA (" + name_text(X509_get_issuer_name(certificate)) +
             "); trusted CAs: " + authorities +
             ". If your network inspects TLS, its administrator has that CA (ca_file); else the server may "
             "leave out an intermediate certificate";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return about + "is for another host (" + names_text(certificate) + "): check the URL";
    default: break;
  }
  return about + "is not to be trusted: " + X509_verify_cert_error_string(code);
}

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_SERVER_CERTIFICATE_HPP
