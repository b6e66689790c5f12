function numberIn(error: unknown, property: string): number | undefined {
  if (typeof error !== 'object' || error === null) {
    return undefined;
  }
  const value: unknown = Reflect.get(error, property);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The HTTP status in `error.code`; undefined for anything that is not an answer of the API server, such as a lost connection. */
export function statusOf(error: unknown): number | undefined {
  return numberIn(error, 'code');
}

/** How long the far side asked to be left alone, `error.retryAfter`, in milliseconds. */
export function retryAfterOf(error: unknown): number | undefined {
  return numberIn(error, 'retryAfter');
}
