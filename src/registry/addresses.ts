import { lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import type { LookupFunction } from 'node:net';

/**
 * Addresses where cloud providers serve instance metadata, and with it credentials of the node: link-local ones, and
 * AWS's in IPv6. No registry is there, but whoever names an image could point a name, a redirect or a token realm at them.
 */
const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet('169.254.0.0', 16, 'ipv4');
FORBIDDEN.addSubnet('fe80::', 10, 'ipv6');
FORBIDDEN.addAddress('fd00:ec2::254', 'ipv6');

/** Whether the host part of a URL is the literal of an address that is never connected to. */
export function isForbiddenHost(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '');
  return isForbidden(address, isIP(address));
}

/** Resolves names as `dns.lookup` does, without the addresses that are never connected to. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) {
      callback(error, []);
      return;
    }
    const allowed = found.filter(({ address, family }) => !isForbidden(address, family));
    const [first] = allowed;
    if (first === undefined) {
      callback(new Error(`${hostname} resolves to link-local addresses only, which are refused`), []);
    } else if (options.all === true) {
      callback(null, allowed);
    } else {
      callback(null, first.address, first.family);
    }
  });
};

function isForbidden(address: string, family: number): boolean {
  return family !== 0 && FORBIDDEN.check(address, family === 6 ? 'ipv6' : 'ipv4');
}
