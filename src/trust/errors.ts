/** A key cannot be used. The message says which and why, and holds nothing of it. */
export class KeyError extends Error {
  override name = 'KeyError';
}
