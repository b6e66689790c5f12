/** A request as it came, kept for assertions. */
export interface RecordedRequest {
  method: string;
  path: string;
  /** With its question mark, as it came; empty without one. */
  query: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
}

/** What a handler wants answered, before any fault meddles with it. */
export interface Reply {
  status: number;
  headers?: Record<string, string | string[]>;
  body?: Buffer;
}

/** An error as the OCI Distribution Specification writes it. */
export function errorReply(
  status: number,
  code: string,
  message = code.toLowerCase(),
  headers: Reply['headers'] = {},
): Reply {
  const body = Buffer.from(JSON.stringify({ errors: [{ code, message }] }));
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}
