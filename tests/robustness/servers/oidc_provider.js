// SPDX-License-Identifier: MIT
// oidc-provider: form-decodes the client's Basic value (RFC 6749 2.3.1) and issues signed JWTs.

import { generateKeyPairSync, randomUUID } from 'node:crypto';

import Provider, { errors } from 'oidc-provider';

import { account, serve } from './serve.js';

const api = 'https://api.example.org/';
const signing_key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

// By itself oidc-provider drops a scope that the API does not have; Okta refuses it, and so do we.
function api_for(ctx) {
  const unknown = ctx.oidc.params.scope?.split(' ').find((scope) => scope !== account.scope);
  if (unknown !== undefined) throw new errors.InvalidScope('unknown scope', unknown);
  return {
    scope: account.scope,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'ES256' } },
  };
}

async function password_grant(ctx) {
  const { client, params, provider } = ctx.oidc;
  if (params.username !== account.username || params.password !== account.password) {
    throw new errors.InvalidGrant('wrong username or password');
  }
  const token = new provider.AccessToken({
    accountId: params.username,
    client,
    resourceServer: new provider.ResourceServer(api, api_for(ctx)),
    scope: params.scope,
  });
  ctx.body = {
    access_token: await token.save(),
    expires_in: token.expiration,
    scope: token.scope,
    token_type: token.tokenType,
  };
}

// Each setting that no grant needs is here because its default writes a warning.
function listener_for(origin) {
  const provider = new Provider(origin, {
    adapter: class { async find() {} },
    clients: [{
      client_id: account.client_id,
      client_secret: account.client_secret,
      grant_types: ['client_credentials', 'password'],
      id_token_signed_response_alg: 'ES256',
      redirect_uris: [],
      response_types: [],
    }],
    cookies: { keys: [randomUUID()] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, defaultResource: () => api, getResourceServerInfo: api_for },
    },
    jwks: { keys: [signing_key.export({ format: 'jwk' })] },
    ttl: { AccessToken: 600, ClientCredentials: 600 },
  });
  provider.registerGrantType('password', password_grant, ['username', 'password', 'scope']);
  provider.on('server_error', (_ctx, error) => console.error(error));
  return provider.callback();
}

serve(listener_for);
