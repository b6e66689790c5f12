import { isDeepStrictEqual } from 'node:util';
import type { Test } from '../../src/holding/gate.ts';
import type { Operation } from '../../src/rewriting/patch.ts';

/**
 * A copy of `document` with a JSON Patch (RFC 6902) applied, as strict as the API server: throws where a path leads nowhere.
 * Knows the operations that are used: `add`, `replace`, `remove` and `test`.
 */
export function applyPatch<T>(document: T, patch: readonly (Operation | Test)[]): T {
  const copy: unknown = structuredClone(document);
  for (const operation of patch) {
    const { op, path } = operation;
    const tokens = path
      .split('/')
      .slice(1)
      .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = tokens.pop() ?? '';
    const parent = tokens.reduce<unknown>((at, token) => child(at, token, path), copy);
    if (typeof parent !== 'object' || parent === null) {
      throw new Error(`${op} ${path}: there is nothing to change`);
    }
    if (op !== 'add') {
      child(parent, last, path);
    }
    if (operation.op === 'test') {
      if (!isDeepStrictEqual(child(parent, last, path), operation.value)) {
        throw new Error(`${path} is not ${JSON.stringify(operation.value)}`);
      }
      continue;
    }
    if (operation.op === 'remove') {
      if (Array.isArray(parent)) {
        parent.splice(indexOf(parent, last, path), 1);
      } else {
        Reflect.deleteProperty(parent, last);
      }
      continue;
    }
    const { value } = operation;
    if (!Array.isArray(parent)) {
      Object.defineProperty(parent, last, { value, writable: true, enumerable: true, configurable: true });
    } else if (op === 'add') {
      parent.splice(indexOf(parent, last, path), 0, value);
    } else {
      parent[indexOf(parent, last, path)] = value;
    }
  }
  return copy as T;
}

function child(at: unknown, token: string, path: string): unknown {
  if (typeof at !== 'object' || at === null || !Object.hasOwn(at, token)) {
    throw new Error(`${path}: there is no ${token}`);
  }
  return (at as Record<string, unknown>)[token];
}

function indexOf(array: readonly unknown[], token: string, path: string): number {
  const index = token === '-' ? array.length : Number(token);
  if (!Number.isInteger(index) || index < 0 || index > array.length) {
    throw new Error(`${path}: ${token} is no place in the array`);
  }
  return index;
}
