import { request } from 'node:http';

const PORT = 8000;
const TIMEOUT_MS = 5000;

/** What the service must answer for a seed. */
export interface Answer {
  seed: number;
  label: number;
}

/** Whether the service at an address answers, and answers right. */
export async function answersCorrectly(address: string, { seed, label }: Answer): Promise<boolean> {
  const body = await predict(address, seed).catch(() => '');
  return body !== '' && (JSON.parse(body) as Answer).label === label;
}

/** Asks the service for a prediction; rejects when there is no answer of 200. */
export function predict(address: string, seed: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const url = `http://${address}:${PORT}/predict?seed=${seed}`;
    const call = request(url, { timeout: TIMEOUT_MS, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.once('error', reject);
      response.once('end', () =>
        response.statusCode === 200 ? resolve(body) : reject(new Error(`${response.statusCode}`)),
      );
    });
    call.once('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    call.once('error', reject);
    call.end();
  });
}
