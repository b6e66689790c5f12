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

/** What can be done about an internal address. */
const LIST_IT = "(to use a registry there, list it under registries in the operator's configuration)";

/** Names of this machine (RFC 6761), and of Services and Pods (Kubernetes, "DNS for Services and Pods"). */
const INTERNAL_NAME = /(^|\.)(localhost|svc|cluster\.local)\.?$/;

/** An address that is not connected to; the message says what it is. */
export class RefusedAddressError extends Error {
  override name = 'RefusedAddressError';
}

/**
 * The addresses that a registry which no admin listed must not lead to: those of this machine, and networks of the cluster.
 * @param networks in CIDR notation.
 * @throws RangeError for what is no network.
 */
export function internalAddresses(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of ['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128', ...networks]) {
    const [address = '', bits = ''] = network.split('/');
    const family = isIP(address);
    if (family === 0 || !/^\d{1,3}$/.test(bits)) {
      throw new RangeError(`${network} is no network in CIDR notation, such as 10.96.0.0/12`);
    }
    list.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

/**
 * What is wrong with the host part of a URL, or undefined where it may be connected to, as far as it tells by itself.
 * @param internal what is refused beside link-local addresses, and with it the names of this machine and of the cluster.
 */
export function refusalOf(hostname: string, internal: BlockList | undefined): string | undefined {
  const address = hostname.replace(/^\[|\]$/g, '');
  const family = isIP(address);
  if (family === 0) {
    return internal !== undefined && INTERNAL_NAME.test(hostname)
      ? `is a name inside the cluster ${LIST_IT}`
      : undefined;
  }
  return refusalOfAddress(address, family, internal);
}

/**
 * Resolves names as `dns.lookup` does, without the addresses that are not connected to. Where internal ones are refused, names
 * are taken as they are: the search domains of a Pod would make Services of them.
 */
export function guardedLookup(internal: BlockList | undefined): LookupFunction {
  return (hostname, options, callback) => {
    const name = internal === undefined || hostname.endsWith('.') || isIP(hostname) !== 0 ? hostname : `${hostname}.`;
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const refusals = found.map(({ address, family }) => refusalOfAddress(address, family, internal));
      const allowed = found.filter((_, i) => refusals[i] === undefined);
      const [first] = allowed;
      if (first === undefined) {
        const why = `resolves to addresses of which each ${refusals[0] ?? 'is missing'}`;
        callback(new RefusedAddressError(why), []);
      } else if (options.all === true) {
        callback(null, allowed);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

function refusalOfAddress(address: string, family: number, internal: BlockList | undefined): string | undefined {
  const type = family === 6 ? 'ipv6' : 'ipv4';
  if (FORBIDDEN.check(address, type)) {
    return 'is a link-local address, which is never connected to';
  }
  return internal?.check(address, type) === true
    ? `is an address of this machine or inside the cluster ${LIST_IT}`
    : undefined;
}
