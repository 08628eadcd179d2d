// SPDX-License-Identifier: MIT
// Bearer tokens for CIBMTR's Direct FHIR API: asked for once, kept until just before they end.
//
//   #include <cibmtr_auth.hpp>
//
//   auto tokens = cibmtr_auth::make_token_cache(cibmtr_auth::credentials_from_env());
//   auto header = cibmtr_auth::bearer_header(tokens.get());  // {"Authorization", "Bearer ..."}
//
// The rooms below tell the story of one token; each includes only rooms above it.

#ifndef CIBMTR_AUTH_HPP
#define CIBMTR_AUTH_HPP

// The order is the story.
// clang-format off
#include <cibmtr_auth/config.hpp>             // the version and the compile-time switches
#include <cibmtr_auth/ascii.hpp>              // letters compared without their case
#include <cibmtr_auth/base64.hpp>             // bytes as text
#include <cibmtr_auth/form.hpp>               // fields as a form body
#include <cibmtr_auth/secret.hpp>             // text that is wiped when it dies and cannot be printed
#include <cibmtr_auth/error.hpp>              // the one exception
#include <cibmtr_auth/boot_clock.hpp>         // a clock that counts sleep and ignores steps
#include <cibmtr_auth/url.hpp>                // where a request goes, checked before anything is sent
#include <cibmtr_auth/environment.hpp>        // where to ask: test, production, the compiled-in default
#include <cibmtr_auth/credentials.hpp>        // who asks, by which grant, for which scope
#include <cibmtr_auth/json_object.hpp>        // the members of one JSON object, read strictly
#include <cibmtr_auth/credentials_input.hpp>  // credentials from the environment or a file
#include <cibmtr_auth/basic_auth.hpp>         // the client's Basic value
#include <cibmtr_auth/token.hpp>              // what was granted and until when
#include <cibmtr_auth/transport.hpp>          // how one request travels
#include <cibmtr_auth/token_request.hpp>      // credentials become an HTTP request
#include <cibmtr_auth/http_date.hpp>          // a date as HTTP writes it
#include <cibmtr_auth/retry_after.hpp>        // how long a server asks not to be asked again
#include <cibmtr_auth/refusal.hpp>            // what an answer without a token means
#include <cibmtr_auth/token_response.hpp>     // an HTTP response becomes a token or an error
#include <cibmtr_auth/token_source.hpp>       // ask once
#include <cibmtr_auth/per_process.hpp>        // state that a forked child starts anew, or takes over
#include <cibmtr_auth/fingerprint.hpp>        // whose token a shared record holds, without saying so
#include <cibmtr_auth/token_record.hpp>       // what renewals agree on, in memory and written down
#include <cibmtr_auth/token_store.hpp>        // where renewals are agreed on
#include <cibmtr_auth/file_system.hpp>        // what a private folder needs of the operating system
#include <cibmtr_auth/private_directory.hpp>  // files and locks that only this user can read
#include <cibmtr_auth/token_file.hpp>         // ask once per machine
#include <cibmtr_auth/pause.hpp>              // how long nobody asks after a failure
#include <cibmtr_auth/renewal.hpp>            // one renewal: who asks, and when nobody may
#include <cibmtr_auth/thread_tokens.hpp>      // each thread's own copy of a cache's token
#include <cibmtr_auth/held_token.hpp>         // the token that a cache holds
#include <cibmtr_auth/token_cache_status.hpp> // what a cache tells of itself
#include <cibmtr_auth/shared_cache.hpp>       // the state machine behind every copy of a token_cache
#include <cibmtr_auth/token_cache.hpp>        // ask rarely
#include <cibmtr_auth/background_renewer.hpp> // renews ahead of need, so that no caller waits
#include <cibmtr_auth/bearer_header.hpp>      // carry it; on a 401 renew once
#include <cibmtr_auth/owned.hpp>              // what a C library made, and must release
#include <cibmtr_auth/proxy.hpp>              // which proxy stands between this machine and a host
#include <cibmtr_auth/sigpipe_guard.hpp>      // keeps SIGPIPE from the host program
#include <cibmtr_auth/https_options.hpp>      // how the bundled transport connects
#include <cibmtr_auth/deadline.hpp>           // when an exchange must have ended
#include <cibmtr_auth/native_socket.hpp>      // what a socket is called, on POSIX and on Windows
#include <cibmtr_auth/tcp_connection.hpp>     // bytes to and from a host, until then
#include <cibmtr_auth/proxy_tunnel.hpp>       // a way through an HTTP proxy
#include <cibmtr_auth/certificate_authorities.hpp>  // where the CAs are that this machine trusts
#include <cibmtr_auth/server_certificate.hpp> // what a certificate says, and why it is not trusted
#include <cibmtr_auth/tls_context.hpp>        // whom the bundled transport trusts
#include <cibmtr_auth/tls_connection.hpp>     // TLS with the server verified
#include <cibmtr_auth/http_answer.hpp>        // one answer, read by cpp-httplib
#include <cibmtr_auth/https.hpp>              // the bundled transport
#include <cibmtr_auth/make_token_cache.hpp>   // the whole chain in one call
// clang-format on

#endif  // CIBMTR_AUTH_HPP
