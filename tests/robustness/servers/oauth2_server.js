// SPDX-License-Identifier: MIT
// @node-oauth/oauth2-server: takes the client's Basic value as it is, without form-decoding.

import OAuthServer from '@node-oauth/express-oauth-server';
import express from 'express';

import { account, serve } from './serve.js';

const client = { id: account.client_id, grants: ['client_credentials', 'password'] };
const user = { name: account.username };

const model = {
  getClient: (id, secret) => id === account.client_id && secret === account.client_secret && client,
  getUser: (name, password) => name === account.username && password === account.password && user,
  getUserFromClient: () => user,
  validateScope: (_user, _client, scopes = [account.scope]) =>
    scopes.every((scope) => scope === account.scope) && scopes,
  saveToken: (token) => ({ ...token, client, user }),
};

const oauth = new OAuthServer({ model, accessTokenLifetime: 600 });
const app = express().post('/token', express.urlencoded({ extended: false }), oauth.token());

serve(() => app);
