import type { ServerResponse } from 'node:http';
import { sha256 } from './content.ts';
import { errorReply } from './http.ts';
import type { RecordedRequest, Reply } from './http.ts';

/**
 * What goes wrong with a request:
 * - an `answer` instead of the right one; with `code`, its body is a JSON error of the Distribution API;
 * - `hang`: no answer; `reset`: the connection is cut; `takeBytes`: cut after that many bytes of an upload's chunk arrived;
 * - `slowLoris`: headers, then now and then a byte; `stall`: half of the body, and no more; `truncate`: half of the body, then
 *   the connection is cut;
 * - `without`: lacks a header;
 * - `corrupt`: a byte of the body is another; `append`: a byte more than there should be, without a Content-Length;
 * - `lieAboutDigest`, `lieAboutLength`: in the headers; `oversize`: a body of 5 MiB; `ignoreRange`: the whole blob;
 * - `redirectToStorage`: to the same content at another host, by a signed URL; `redirectLoop`: there and back for ever;
 * - `redirect`: to a URL;
 * - `meanwhile`: the right answer, after something else happened.
 */
export type Fault =
  | { answer: number; code?: string; headers?: Record<string, string> }
  | { redirect: string }
  | { takeBytes: number }
  | { without: string }
  | { meanwhile: () => void }
  | 'hang'
  | 'reset'
  | 'slowLoris'
  | 'stall'
  | 'truncate'
  | 'corrupt'
  | 'append'
  | 'lieAboutDigest'
  | 'lieAboutLength'
  | 'oversize'
  | 'ignoreRange'
  | 'redirectToStorage'
  | 'redirectLoop';

/** Which requests go wrong, and how. */
export interface FaultRule {
  fault: Fault;
  method?: string;
  /** Matched against the path. */
  path?: RegExp;
  /** How many requests; all when absent. */
  times?: number;
}

const SLOW_BYTE_MS = 20;

/** The rules in force. The newest that matches decides. */
export class Faults {
  #rules: (FaultRule & { left: number })[] = [];

  add(rule: FaultRule): void {
    this.#rules.unshift({ ...rule, left: rule.times ?? Infinity });
  }

  clear(): void {
    this.#rules = [];
  }

  /** The fault that this request meets, which uses it up by one. */
  take(request: RecordedRequest): Fault | undefined {
    const rule = this.#rules.find(
      ({ method, path, left }) =>
        left > 0 &&
        (method === undefined || method === request.method) &&
        (path === undefined || path.test(request.path)),
    );
    if (rule !== undefined) {
      rule.left -= 1;
    }
    return rule?.fault;
  }
}

/** The answer that replaces the right one, if the fault is such. */
export function replacement(fault: Fault | undefined, request: RecordedRequest, storage: string): Reply | undefined {
  if (typeof fault === 'object' && 'answer' in fault) {
    const { answer: status, code, headers = {} } = fault;
    return code === undefined ? { status, headers } : errorReply(status, code, undefined, headers);
  }
  if (typeof fault === 'object' && 'redirect' in fault) {
    return { status: 307, headers: { location: fault.redirect } };
  }
  if (fault === 'redirectToStorage' || fault === 'redirectLoop') {
    const path = fault === 'redirectLoop' ? `/loop${request.path}` : request.path;
    return { status: 307, headers: { location: `${storage}${path}?X-Signature=signed-secret` } };
  }
  return undefined;
}

/** Sends a reply as far as the fault lets it. */
export function sendReply(
  response: ServerResponse,
  request: RecordedRequest,
  reply: Reply,
  fault: Fault | undefined,
): void {
  if (fault === 'hang') {
    return;
  }
  if (fault === 'reset' || (typeof fault === 'object' && 'takeBytes' in fault)) {
    response.destroy();
    return;
  }
  const { status } = reply;
  const headers = { ...reply.headers };
  let body = reply.body ?? Buffer.alloc(0);
  let length: number | undefined = body.length;
  if (fault === 'corrupt') {
    body = Buffer.from(body);
    body.writeUInt8(body.readUInt8(0) ^ 1, 0);
  } else if (fault === 'append') {
    body = Buffer.concat([body, Buffer.from('!')]);
    length = undefined;
  } else if (fault === 'oversize') {
    body = Buffer.alloc(5 * 1024 * 1024, ' ');
    length = undefined;
  } else if (fault === 'lieAboutDigest') {
    headers['docker-content-digest'] = sha256(Buffer.from('something else'));
  } else if (fault === 'lieAboutLength') {
    length += 1;
  }
  if (length !== undefined) {
    headers['content-length'] = String(length);
  }
  if (typeof fault === 'object' && 'without' in fault) {
    delete headers[fault.without];
  }
  response.writeHead(status, headers);
  if (request.method === 'HEAD') {
    response.end();
  } else if (fault === 'truncate') {
    response.write(body.subarray(0, body.length / 2), () => response.destroy());
  } else if (fault === 'stall') {
    response.write(body.subarray(0, body.length / 2));
  } else if (fault === 'slowLoris') {
    drip(response, body);
  } else {
    response.end(body);
  }
}

function drip(response: ServerResponse, body: Buffer): void {
  let sent = 0;
  const timer = setInterval(() => {
    response.write(body.subarray(sent, sent + 1));
    sent += 1;
    if (sent >= body.length) {
      response.end();
    }
  }, SLOW_BYTE_MS);
  response.on('close', () => clearInterval(timer));
}
