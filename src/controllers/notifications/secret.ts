import type { Logger } from 'pino';
import type { Secret } from '../../kube/resources.ts';
import { tokensOf, type Tokens } from '../../notifications/tokens.ts';
import type { Informer } from '../../runtime/informer.ts';

/** The tokens of the Secret that is watched, as it is at each moment; none while it does not exist. */
export function followTokens(secret: Pick<Informer<Secret>, 'onChange'>, log: Logger): () => Tokens {
  let tokens = tokensOf(undefined);
  secret.onChange(({ type, object: { data, metadata } }) => {
    tokens = tokensOf(type === 'deleted' ? undefined : data);
    const of = { secret: `${metadata.namespace}/${metadata.name}`, refused: tokens.refused };
    if (tokens.size === 0) {
      log.warn(of, 'the Secret holds no token of 16 characters or more: every notification is refused');
    } else {
      log.info({ ...of, tokens: tokens.size }, 'notifications are taken with the tokens of the Secret');
    }
  });
  return () => tokens;
}
