import { pino, stdTimeFunctions, type DestinationStream, type Level, type Logger } from 'pino';

/** Fields that never reach a log, at the top and up to two levels down. */
const SECRET_FIELDS = ['authorization', 'Authorization', 'password', 'token', 'identitytoken', 'auth', 'secret'];

/** Levels that may be configured, least to most. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const satisfies readonly Level[];

/**
 * The logger of a process: one JSON line each, with the level as a word and an ISO 8601 time. Credentials in the fields
 * are replaced by `[redacted]`.
 * @param destination where the lines go; standard output unless given
 */
export function createLogger({ level }: { level: Level }, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
