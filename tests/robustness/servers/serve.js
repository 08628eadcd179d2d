// SPDX-License-Identifier: MIT
// What both servers share: the account they know, and HTTPS on a free loopback port.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { parseArgs } from 'node:util';

export const account = JSON.parse(readFileSync(new URL('account.json', import.meta.url), 'utf8'));

const ten_minutes = 10 * 60 * 1000;

// Answers with the request listener that `listener_for(origin)` returns, and says so in the ready file.
// Command line: --cert FILE --key FILE --ready FILE
export function serve(listener_for) {
  const file = { type: 'string' };
  const { cert, key, ready } = parseArgs({ options: { cert: file, key: file, ready: file } }).values;

  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) });
  server.listen(0, '127.0.0.1', () => {
    const origin = `https://127.0.0.1:${server.address().port}`;
    server.on('request', listener_for(origin));
    // Renamed into place: whoever waits for the file never reads half of it.
    writeFileSync(`${ready}.part`, `${origin}/token`);
    renameSync(`${ready}.part`, ready);
  });

  const stop = () => process.exit(0);
  process.on('SIGTERM', stop);
  // Standard input ends when the parent dies, even by SIGKILL.
  process.stdin.on('end', stop).on('error', stop).resume();
  setTimeout(stop, ten_minutes);
}
