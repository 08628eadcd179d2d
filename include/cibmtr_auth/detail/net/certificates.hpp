// SPDX-License-Identifier: MIT
// Which certificate authorities are trusted, and why a certificate is not.

#ifndef CIBMTR_AUTH_DETAIL_NET_CERTIFICATES_HPP
#define CIBMTR_AUTH_DETAIL_NET_CERTIFICATES_HPP

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <initializer_list>
#include <sstream>

#include <cibmtr_auth/detail/net/windows.hpp>
#include <cibmtr_auth/transport.hpp>

#if CIBMTR_AUTH_HTTPS
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <sys/stat.h>
#include <sys/types.h>
#ifndef _WIN32
#include <dirent.h>
#endif

namespace cibmtr_auth { inline namespace v1_0 { namespace detail {

/// A PEM file, a directory as `openssl rehash` makes it, or both; empty for none.
struct certificate_authorities {
  std::string file;
  std::string directory;
  std::string text;  ///< for messages
};

inline bool can_read(std::string const& file) {
  return std::ifstream(file).peek() != std::ifstream::traits_type::eof();
}

/// Whether OpenSSL could find a CA there: it looks for `<8 hex digits>.<number>`.
inline bool is_hashed_directory(std::string const& path) {
#ifdef _WIN32
  static_cast<void>(path);
  return false;
#else
  std::unique_ptr<DIR, int (*)(DIR*)> const directory(opendir(path.c_str()), closedir);
  while (dirent const* const entry = directory ? readdir(directory.get()) : nullptr) {
    std::string const name = entry->d_name;
    if (name.size() >= 10 && name[8] == '.' && name.find_first_not_of("0123456789abcdef") == 8 &&
        name.find_first_not_of("0123456789", 9) == std::string::npos) {
      return true;
    }
  }
  return false;
#endif
}

/// What SSL_CERT_FILE and SSL_CERT_DIR name. If only one is set, the other has its default, as in OpenSSL.
inline certificate_authorities authorities_from_env(char const* file, char const* directory) {
  certificate_authorities named = {file ? file : X509_get_default_cert_file(),
                                   directory ? directory : X509_get_default_cert_dir(), ""};
  bool const has_file = can_read(named.file);
  bool has_directory = false;
  std::istringstream directories(named.directory);  // SSL_CERT_DIR may be several
  for (std::string one; !has_directory && std::getline(directories, one, ':');) {
    has_directory = is_hashed_directory(one);
  }
  named.text = has_file && has_directory ? named.file + " and " + named.directory
               : has_file                ? named.file
               : has_directory           ? named.directory
                                         : "none found in " + named.file + " " + named.directory;
  if (file && !has_file) {
    named.text += " (the file that SSL_CERT_FILE names, " + named.file + ", does not exist or cannot be read)";
  }
  named.file = has_file ? named.file : "";
  named.directory = has_directory ? named.directory : "";
  return named;
}

/// Those that the options name. Else those that SSL_CERT_FILE and SSL_CERT_DIR name. Else this system's: from a hashed
/// directory OpenSSL reads only the CA that it needs, from a bundle all of them (24 ms on Debian), so directories come
/// first.
inline certificate_authorities find_authorities(https_options const& options) {
  if (!options.ca_file.empty() || !options.ca_directory.empty()) {
    bool const are_both = !options.ca_file.empty() && !options.ca_directory.empty();
    return {options.ca_file, options.ca_directory, options.ca_file + (are_both ? " and " : "") + options.ca_directory};
  }
  char const* const file_variable = std::getenv(X509_get_default_cert_file_env());
  char const* const directory_variable = std::getenv(X509_get_default_cert_dir_env());
  if (file_variable || directory_variable) {
    return authorities_from_env(file_variable, directory_variable);
  }
  std::string tried = "none found in";
  for (std::string const& directory : {std::string(X509_get_default_cert_dir()), std::string("/etc/ssl/certs")}) {
    tried += " " + directory;
    if (is_hashed_directory(directory)) {
      return {"", directory, directory};
    }
  }
  for (std::string const& file :
       {std::string(X509_get_default_cert_file()), std::string("/etc/ssl/certs/ca-certificates.crt"),
        std::string("/etc/pki/tls/certs/ca-bundle.crt"), std::string("/etc/ssl/cert.pem")}) {
    tried += " " + file;
    if (can_read(file)) {
      return {file, "", file};
    }
  }
  return {"", "", tried + "; install this system's (ca-certificates), or name them (ca_file)"};
}

/// Differs after one of the files has been replaced or rewritten.
inline std::string stamp_of(std::vector<std::string> const& files) {
  std::string stamp;
  for (std::string const& file : files) {
    struct stat facts;
    if (!file.empty() && stat(file.c_str(), &facts) == 0) {
#ifdef __linux__
      stamp += std::to_string(facts.st_mtim.tv_nsec) + " ";
#endif
      stamp += std::to_string(facts.st_mtime) + " " + std::to_string(facts.st_size) + " " +
               std::to_string(facts.st_ino) + " ";
    }
    stamp += "\n";
  }
  return stamp;
}

/// What `print` writes, without control characters, which whoever made the certificate may have put there.
template <typename Print>
std::string print_to_string(Print print) {
  std::unique_ptr<BIO, void (*)(BIO*)> const memory(BIO_new(BIO_s_mem()), BIO_free_all);
  char text[256] = "";
  int const length = memory && print(memory.get()) ? BIO_read(memory.get(), text, sizeof text) : 0;
  std::string clean;
  for (int i = 0; i < length; ++i) {
    clean += text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
  }
  return clean;
}

inline std::string describe(X509_NAME const* name) {
  return print_to_string([name](BIO* out) { return name && X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0; });
}

inline std::string describe(ASN1_TIME const* time) {
  return print_to_string([time](BIO* out) { return time && ASN1_TIME_print(out, time) == 1; });
}

/// The subjectAltName: the hosts that a certificate is for.
inline std::string describe_hosts(X509* certificate) {
  int const place = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  X509_EXTENSION* const names = place < 0 ? nullptr : X509_get_ext(certificate, place);
  std::string const text =
      print_to_string([names](BIO* out) { return names && X509V3_EXT_print(out, names, 0, 0) == 1; });
  return text.empty() ? "no host" : text;
}

/// Why the current certificate of `chain`, the server's or one above it, is not trusted by the CAs of `authorities`.
/// `host` is what errors call the server.
inline std::string describe_distrust(X509_STORE_CTX* chain, std::string const& host, std::string const& authorities) {
  int const code = X509_STORE_CTX_get_error(chain);
  X509* const certificate = X509_STORE_CTX_get_current_cert(chain);
  int const depth = X509_STORE_CTX_get_error_depth(chain);
  bool const is_root = depth > 0 && depth == sk_X509_num(X509_STORE_CTX_get0_chain(chain)) - 1;
  std::string const about = "the certificate of " + host + " ";
  std::unique_ptr<ASN1_TIME, void (*)(ASN1_TIME*)> const now(ASN1_TIME_set(nullptr, std::time(nullptr)),
                                                             ASN1_TIME_free);
  std::string const clock = "this machine's clock says " + describe(now.get());
  std::string const subject = certificate ? "(" + describe(X509_get_subject_name(certificate)) + ") " : "";
  switch (certificate ? code : X509_V_ERR_UNSPECIFIED) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      if (is_root) {  // a chain is checked for trust before it is checked for dates
        return about + "leads to a CA " + subject + "that this machine trusts (" + authorities +
               ") but that expired on " + describe(X509_get0_notAfter(certificate)) + "; " + clock +
               ": update this machine's CA certificates";
      }
      return about + subject + "expired on " + describe(X509_get0_notAfter(certificate)) + "; " + clock +
             ": correct the clock, or the server needs a new certificate";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return about + subject + "is not valid before " + describe(X509_get0_notBefore(certificate)) + "; " + clock +
             ": correct the clock";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return about + subject + "is self-signed: check the URL; trust it (ca_file) only if it is your own test server";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return about + "is from an unknown CA (" + describe(X509_get_issuer_name(certificate)) +
             "); trusted CAs: " + authorities +
             ". If your network inspects TLS, its administrator has that CA (ca_file); else the server may leave out "
             "an "
             "intermediate certificate";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return about + "is for another host (" + describe_hosts(certificate) + "): check the URL";
    default: break;
  }
  return about + "is not trusted: " + X509_verify_cert_error_string(code);
}

}}}  // namespace cibmtr_auth::v1_0::detail
#endif

#endif  // CIBMTR_AUTH_DETAIL_NET_CERTIFICATES_HPP
