/* SPDX-License-Identifier: MIT */
/* A C program with a token. Usage: c_client TOKEN_URL CA_FILE CREDENTIALS_FILE */

#include <stdio.h>
#include <string.h>

#include "cibmtr_auth_c.h"

int main(int argc, char** argv) {
  char error[1024] = "";
  char value[16 * 1024];
  if (argc != 4) {
    fputs("usage: c_client TOKEN_URL CA_FILE CREDENTIALS_FILE\n", stderr);
    return 2;
  }
  cibmtr_options options = {NULL, argv[1], argv[3], argv[2], NULL};
  cibmtr_tokens* tokens = cibmtr_tokens_create(&options, error, sizeof error);
  int status = tokens ? cibmtr_authorization(tokens, value, sizeof value, error, sizeof error) : 2;
  if (status == 0) {
    printf("got an Authorization value of %zu characters\n", strlen(value));
    if (cibmtr_rejected(tokens, value)) { /* as if the API had returned HTTP 401 */
      status = cibmtr_authorization(tokens, value, sizeof value, error, sizeof error);
    }
  }
  if (status != 0) {
    fprintf(stderr, "c_client: %s\n", error);
  }
  cibmtr_tokens_destroy(tokens);
  return status;
}
