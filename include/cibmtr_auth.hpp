// SPDX-License-Identifier: MIT
// Bearer tokens for CIBMTR's Direct FHIR API: requested once, cached until just before they expire.
//
//   #include <cibmtr_auth.hpp>
//   namespace auth = cibmtr_auth;
//
//   auto const environment = auth::default_environment();
//   auto const tokens = auth::make_token_cache(environment, auth::credentials_from_env());
//   auto const api = auth::authorized(tokens);
//   auth::http_response const response = api({"GET", environment.api_url + "/r4/metadata"});

#ifndef CIBMTR_AUTH_HPP
#define CIBMTR_AUTH_HPP

// Each header includes only headers above it.
// clang-format off
#include <cibmtr_auth/config.hpp>                           // the version and the compile-time switches
#include <cibmtr_auth/base64.hpp>                           // bytes as base64 text
#include <cibmtr_auth/form.hpp>                             // fields as a form body
#include <cibmtr_auth/secret.hpp>                           // text that is wiped and cannot be printed
#include <cibmtr_auth/error.hpp>                            // the one exception
#include <cibmtr_auth/boot_clock.hpp>                       // a clock that counts sleep and ignores steps
#include <cibmtr_auth/environment.hpp>                      // token URLs and API roots
#include <cibmtr_auth/detail/encoding/text.hpp>             // ASCII and UTF-8
#include <cibmtr_auth/detail/encoding/json_object.hpp>      // the members of one JSON object
#include <cibmtr_auth/detail/encoding/url.hpp>              // the parts of a URL
#include <cibmtr_auth/credentials.hpp>                      // client and account, from the environment or a file
#include <cibmtr_auth/token.hpp>                            // a bearer token
#include <cibmtr_auth/transport.hpp>                        // request, response, the options of the bundled transport
#include <cibmtr_auth/token_store.hpp>                      // where processes share a token
#include <cibmtr_auth/detail/oauth/attempts.hpp>            // the table of attempts
#include <cibmtr_auth/detail/oauth/token_request.hpp>       // credentials become an HTTP request
#include <cibmtr_auth/detail/oauth/retry_after.hpp>         // how long a server asks to wait
#include <cibmtr_auth/detail/oauth/token_error.hpp>         // a response without a token
#include <cibmtr_auth/detail/oauth/token_response.hpp>      // a response becomes a token or an error
#include <cibmtr_auth/detail/sharing/fingerprint.hpp>       // the key of a shared record
#include <cibmtr_auth/detail/sharing/record.hpp>            // the shared record
#include <cibmtr_auth/detail/sharing/private_directory.hpp> // a folder that only this user can read
#include <cibmtr_auth/detail/sharing/file_store.hpp>        // a token_store in such a folder
#include <cibmtr_auth/detail/cache/per_process.hpp>         // state that a forked child starts without
#include <cibmtr_auth/token_cache.hpp>                      // options, status and events of a cache, and its handle
#include <cibmtr_auth/detail/cache/renewal.hpp>             // one renewal, agreed on with other processes
#include <cibmtr_auth/detail/cache/cache_state.hpp>         // the state behind every copy of a token_cache
#include <cibmtr_auth/detail/net/signals.hpp>               // keeps signals from the host program, and from our threads
#include <cibmtr_auth/background_renewer.hpp>               // renews before a caller has to wait
#include <cibmtr_auth/bearer_header.hpp>                    // send the token; renew once after a 401
#include <cibmtr_auth/detail/net/windows.hpp>               // what Windows calls differently
#include <cibmtr_auth/detail/net/socket.hpp>                // connects to a host, sends and receives bytes
#include <cibmtr_auth/detail/net/certificates.hpp>          // which CAs are trusted, and why a certificate is not
#include <cibmtr_auth/detail/net/tls.hpp>                   // TLS with the server verified
#include <cibmtr_auth/detail/net/http_response_reader.hpp>  // one response, read strictly
#include <cibmtr_auth/detail/net/proxy.hpp>                 // which proxy to use, and a tunnel through it
#include <cibmtr_auth/detail/net/exchange.hpp>              // one exchange of the bundled transport
#include <cibmtr_auth/https.hpp>                            // the bundled transport
#include <cibmtr_auth/httplib_transport.hpp>                // a transport over cpp-httplib
#include <cibmtr_auth/make_token_cache.hpp>                 // everything together
// clang-format on

#endif  // CIBMTR_AUTH_HPP
