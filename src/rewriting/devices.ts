import { fieldsOf, itemsOf, textOf } from './json.ts';

/** Resources that every node has. All others (extended resources, huge pages) only some have. */
const COMMON: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage', 'pods']);

/** How many of each device, such as `nvidia.com/gpu`. Amounts with a unit, as of huge pages, are not compared: see there. */
export type Devices = ReadonlyMap<string, number>;

/** The devices that a Pod asks for: all containers and sidecars together, or one init container, if that asks for more. */
export function devicesOf(spec: unknown): Devices {
  const { containers, initContainers } = fieldsOf(spec);
  const devices = new Map<string, number>();
  const inits = itemsOf(initContainers);
  for (const container of [...itemsOf(containers), ...inits.filter(isSidecar)]) {
    for (const [name, count] of requestedBy(container)) {
      devices.set(name, (devices.get(name) ?? 0) + count);
    }
  }
  for (const container of inits) {
    for (const [name, count] of requestedBy(container)) {
      devices.set(name, Math.max(devices.get(name) ?? 0, count));
    }
  }
  return devices;
}

/** The devices that a node has to give, taken or not. */
export function offeredBy(allocatable: unknown): Devices {
  return new Map(amountsOf(allocatable, Infinity));
}

/** Whether a node offers as many as are asked for. */
export function offers(offered: Devices, asked: Iterable<readonly [string, number]>): boolean {
  for (const [name, count] of asked) {
    if ((offered.get(name) ?? 0) < count) {
      return false;
    }
  }
  return true;
}

/** KEP-753: it runs as long as the Pod does. */
function isSidecar(container: unknown): boolean {
  return fieldsOf(container)['restartPolicy'] === 'Always';
}

function requestedBy(container: unknown): readonly [string, number][] {
  const { requests, limits } = fieldsOf(fieldsOf(container)['resources']);
  // A device's request is its limit; either may be left out.
  return [...new Map([...amountsOf(limits, 1), ...amountsOf(requests, 1)])];
}

/** @param withUnit what stands for an amount that is no plain number: at least one is asked for, and enough is offered */
function amountsOf(resources: unknown, withUnit: number): readonly [string, number][] {
  return Object.entries(fieldsOf(resources)).flatMap(([name, value]): [string, number][] => {
    const text = typeof value === 'number' ? String(value) : textOf(value);
    if (COMMON.has(name) || text === undefined || /^0+[A-Za-z]*$/.test(text)) {
      return [];
    }
    return [[name, /^[0-9]{1,15}$/.test(text) ? Number(text) : withUnit]];
  });
}
