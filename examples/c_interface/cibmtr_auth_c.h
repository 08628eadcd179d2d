/* SPDX-License-Identifier: MIT */
/* Bearer tokens for CIBMTR's Direct FHIR API, for C and for whatever can load a C library. */

#ifndef CIBMTR_AUTH_C_H
#define CIBMTR_AUTH_C_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A cache of one token. May be used from several threads. */
typedef struct cibmtr_tokens cibmtr_tokens;

/* Null and empty members select the defaults. */
typedef struct cibmtr_options {
  char const* environment;      /* test (default), external-test or production */
  char const* token_url;        /* instead of the environment's */
  char const* credentials_file; /* a JSON file; default: the variables CIBMTR_CLIENT_ID, ... */
  char const* ca_file;          /* default: the system's CAs */
  char const* cache_directory;  /* share the token with other processes; default: share nothing */
} cibmtr_options;

/* Null on failure. Sends nothing yet. `error` receives the message, cut to `error_size` bytes with the final 0. */
cibmtr_tokens* cibmtr_tokens_create(cibmtr_options const* options, char* error, size_t error_size);

/* No other call may be running. Call it before the library is unloaded. */
void cibmtr_tokens_destroy(cibmtr_tokens* tokens);

/* Writes "Bearer ..." into `value`, for the header Authorization. Takes at most twice the time-out of 30 s. Returns 0,
   or as cibmtr-token: 2 configuration (also if `value` is too short), 3 rejected, 4 unavailable, 5 network, 6 invalid
   response. */
int cibmtr_authorization(cibmtr_tokens* tokens, char* value, size_t value_size, char* error, size_t error_size);

/* After HTTP 401: drops that token. Returns 1 if the call should be repeated with another one, else 0. */
int cibmtr_rejected(cibmtr_tokens* tokens, char const* authorization);

#ifdef __cplusplus
}
#endif

#endif /* CIBMTR_AUTH_C_H */
