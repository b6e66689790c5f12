import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { API_SERVER } from './layout.ts';
import type { Pki } from './pki.ts';

const TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** Calls the API server as admin. */
export interface ApiClient {
  /** Status and body of an answer; throws when there is none. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; body: string }>;
  /** Creates an object under a collection's path; one that is there already is left as it is. */
  create(collection: string, object: unknown): Promise<void>;
}

/** A client for the few calls that bringing up a cluster needs. */
export async function createApiClient(pki: Pki): Promise<ApiClient> {
  const [ca, cert, key] = await Promise.all([pki.ca.cert, pki.admin.cert, pki.admin.key].map((f) => readFile(f)));

  function call(method: string, path: string, body?: unknown): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const options = { method, ca, cert, key, headers, timeout: TIMEOUT_MS };
      const req = request(`${API_SERVER}${path}`, options, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_BODY_BYTES) response.destroy(new Error(`${path}: answer over ${MAX_BODY_BYTES} bytes`));
          chunks.push(chunk);
        });
        response.once('error', reject);
        response.once('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
        });
      });
      req.once('timeout', () => req.destroy(new Error(`${path}: no answer in ${TIMEOUT_MS} ms`)));
      req.once('error', reject);
      req.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async function create(collection: string, object: unknown): Promise<void> {
    const { status, body } = await call('POST', collection, object);
    if (status !== 201 && status !== 409) throw new Error(`POST ${collection}: ${status} ${body}`);
  }
  return { call, create };
}
