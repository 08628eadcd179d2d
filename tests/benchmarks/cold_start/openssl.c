// SPDX-License-Identifier: MIT
// One token by OpenSSL alone: the floor. The answer is looked at no closer than for its status.

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  char url[256];
  snprintf(url, sizeof url, "%s", getenv("TOKEN_URL"));
  char* const host = url + strlen("https://");
  char* const path = strchr(host, '/');
  *path = '\0';
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_load_verify_locations(context, NULL, getenv("SSL_CERT_DIR"));
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  BIO* const wire = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(wire, host);
  SSL* ssl = NULL;
  BIO_get_ssl(wire, &ssl);
  SSL_set1_host(ssl, "localhost");
  SSL_set_tlsext_host_name(ssl, "localhost");

  char pair[256];
  unsigned char basic[400];
  int const length = snprintf(pair, sizeof pair, "%s:%s", getenv("CIBMTR_CLIENT_ID"), getenv("CIBMTR_CLIENT_SECRET"));
  EVP_EncodeBlock(basic, (unsigned char const*)pair, length);
  char body[256];
  int const size = snprintf(body, sizeof body, "grant_type=client_credentials&scope=%s", getenv("CIBMTR_SCOPE"));
  char request[2048];
  int const all = snprintf(request, sizeof request,
                           "POST /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nAccept: application/json\r\n"
                           "Authorization: Basic %s\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                           "Content-Length: %d\r\n\r\n%s",
                           path + 1, host, basic, size, body);
  if (BIO_write(wire, request, all) != all) {
    return 1;
  }
  char answer[65536];
  int filled = 0;
  for (int got = 1; got > 0 && filled < (int)sizeof answer; filled += got > 0 ? got : 0) {
    got = BIO_read(wire, answer + filled, (int)sizeof answer - filled);
  }
  return filled > 12 && memcmp(answer + 9, "200", 3) == 0 ? 0 : 1;
}
