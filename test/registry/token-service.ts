import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const SERVICE = 'registry';
const ISSUER = 'token-service';
const KEY_ID = 'key-1';

export interface TokenService {
  realm: string;
  /** The part of distribution's `auth.token` settings that makes it trust this service; `jwks` goes into a file. */
  settings: { realm: string; service: string; issuer: string };
  jwks: string;
  /** Scopes that tokens were asked for, oldest first. */
  asked: string[][];
  close(): Promise<void>;
}

/**
 * A token service as distribution's specification has it, whose tokens a real registry verifies: Ann (password "secret")
 * may do everything, a refresh token "refresh-ann" is hers, and everybody may pull from `public/…`.
 */
export async function startTokenService(): Promise<TokenService> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const asked: string[][] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const form = new URLSearchParams(request.method === 'POST' ? body : (request.url ?? '').split('?')[1]);
      const { authorization } = request.headers;
      const isAnn =
        authorization === `Basic ${Buffer.from('ann:secret').toString('base64')}` ||
        form.get('refresh_token') === 'refresh-ann';
      if (!isAnn && (authorization !== undefined || request.method === 'POST')) {
        response.writeHead(401).end();
        return;
      }
      const scopes = form.getAll('scope').flatMap((scope) => scope.split(' '));
      asked.push(scopes);
      const access = scopes.map((scope) => {
        const [type = '', name = '', actions = ''] = scope.split(':');
        const allowed = isAnn ? actions.split(',') : name.startsWith('public/') ? ['pull'] : [];
        return { type, name, actions: allowed };
      });
      response.end(JSON.stringify({ token: jwt(access), expires_in: 300 }));
    });
  });
  const jwt = (access: object[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: ISSUER,
      sub: 'test',
      aud: SERVICE,
      exp: now + 300,
      nbf: now - 5,
      iat: now,
      jti: randomUUID(),
      access,
    };
    const content = [{ typ: 'JWT', alg: 'ES256', kid: KEY_ID }, claims]
      .map((part) => base64url(JSON.stringify(part)))
      .join('.');
    const signature = sign('sha256', Buffer.from(content), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return `${content}.${signature.toString('base64url')}`;
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return {
    realm,
    settings: { realm, service: SERVICE, issuer: ISSUER },
    jwks: JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: KEY_ID, alg: 'ES256', use: 'sig' }] }),
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
