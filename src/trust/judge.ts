import type { Claim } from './claims.ts';
import type { Requirement } from './policy.ts';

/** What the signatures of a digest come to. */
export type Judgement = { trusted: true } | { trusted: false; missing: boolean; message: string };

const PROBLEMS_SHOWN = 3;

/**
 * Whether every requirement is met by a signature.
 * @param name of what should be signed, for the message.
 */
export function judge(claims: readonly Claim[], requirements: readonly Requirement[], name: string): Judgement {
  for (const { from, keys } of requirements) {
    const problems = claims.map((claim) => claim.problem(keys));
    if (problems.includes(undefined)) {
      continue;
    }
    if (problems.length === 0) {
      return {
        trusted: false,
        missing: true,
        message: `${name} has no signature, which ${from} asks for. Sign it with cosign; it is looked at again`,
      };
    }
    const shown = [...new Set(problems)].slice(0, PROBLEMS_SHOWN).join('; ');
    return {
      trusted: false,
      missing: false,
      message: `no signature of ${name} (${problems.length} found) is by a key of ${from}: ${shown}. It is not converted`,
    };
  }
  return { trusted: true };
}
