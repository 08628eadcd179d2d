// SPDX-License-Identifier: MIT
// Where the certificate authorities are that this machine trusts.

#ifndef CIBMTR_AUTH_CERTIFICATE_AUTHORITIES_HPP
#define CIBMTR_AUTH_CERTIFICATE_AUTHORITIES_HPP

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <cibmtr_auth/config.hpp>
#include <cibmtr_auth/https_options.hpp>

#if CIBMTR_AUTH_HTTPS
#include <openssl/x509.h>
#ifndef _WIN32
#include <dirent.h>
#endif

namespace cibmtr_auth {
namespace detail {

/// A PEM file, a directory as `openssl rehash` makes it, or both; empty for none.
struct certificate_authorities {
  std::string file;
  std::string directory;

  /// For people.
  std::string text() const { return file + (file.empty() || directory.empty() ? "" : " and ") + directory; }
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
  DIR* const directory = opendir(path.c_str());
  bool is_hashed = false;
  while (dirent const* const entry = directory && !is_hashed ? readdir(directory) : nullptr) {
    std::string const name = entry->d_name;
    is_hashed = name.size() >= 10 && name[8] == '.' && name.find_first_not_of("0123456789abcdef") == 8 &&
                name.find_first_not_of("0123456789", 9) == std::string::npos;
  }
  if (directory) {
    closedir(directory);
  }
  return is_hashed;
#endif
}

/// Those that the options name. Else, as OpenSSL has it, those that SSL_CERT_FILE and SSL_CERT_DIR name, each beside the
/// other's default. Else this system's: of a hashed directory OpenSSL reads the one CA that it needs, of a bundle all
/// of them (Debian's: 24 ms), so the first comes first. Neither, when the usual places, added to `tried`, have none.
inline certificate_authorities find_authorities(https_options const& options, std::vector<std::string>& tried) {
  if (!options.ca_file.empty() || !options.ca_directory.empty()) {
    return {options.ca_file, options.ca_directory};
  }
  char const* const file_variable = std::getenv(X509_get_default_cert_file_env());
  char const* const directory_variable = std::getenv(X509_get_default_cert_dir_env());
  if (file_variable || directory_variable) {
    certificate_authorities const named = {file_variable ? file_variable : X509_get_default_cert_file(),
                                           directory_variable ? directory_variable : X509_get_default_cert_dir()};
    tried = {named.file, named.directory};
    bool are_there = can_read(named.file);
    std::istringstream directories(named.directory);  // SSL_CERT_DIR may be several
    for (std::string one; !are_there && std::getline(directories, one, ':');) {
      are_there = is_hashed_directory(one);
    }
    return are_there ? named : certificate_authorities{"", ""};
  }
  for (std::string const& directory : {std::string(X509_get_default_cert_dir()), std::string("/etc/ssl/certs")}) {
    tried.push_back(directory);
    if (is_hashed_directory(directory)) {
      return {"", directory};
    }
  }
  for (std::string const& file :
       {std::string(X509_get_default_cert_file()), std::string("/etc/ssl/certs/ca-certificates.crt"),
        std::string("/etc/pki/tls/certs/ca-bundle.crt"), std::string("/etc/ssl/cert.pem")}) {
    tried.push_back(file);
    if (can_read(file)) {
      return {file, ""};
    }
  }
  return {"", ""};
}

}  // namespace detail
}  // namespace cibmtr_auth
#endif

#endif  // CIBMTR_AUTH_CERTIFICATE_AUTHORITIES_HPP
