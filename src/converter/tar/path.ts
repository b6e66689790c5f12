import { BadLayerError, shown } from './errors.ts';

/** Bytes of a path and of a name in it that Linux takes (PATH_MAX with its end, NAME_MAX). */
const PATH_LIMIT = 4095;
const NAME_LIMIT = 255;

/** Links that a path may lead through, as Linux has it. */
const LINKS_LIMIT = 40;

/**
 * A path of a tar without dots, empty names and slashes around it; '' is the root.
 * @throws BadLayerError where it leads out of the image, or is longer than Linux takes.
 */
export function cleanPath(path: string): string {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..' && names.pop() === undefined) {
      throw new BadLayerError(
        `${shown(path)} leads out of the image. Do not trust it; build it again without that file`,
      );
    }
    if (name.length > NAME_LIMIT) {
      throw new BadLayerError(`a name in ${shown(path)} has ${name.length} bytes, and Linux takes ${NAME_LIMIT}`);
    }
    if (name !== '' && name !== '.' && name !== '..') {
      names.push(name);
    }
  }
  const clean = names.join('/');
  if (clean.length > PATH_LIMIT || clean.includes('\0')) {
    throw new BadLayerError(`Linux takes no path of ${clean.length} bytes such as ${shown(path)}`);
  }
  return clean;
}

/**
 * The path with every link to a folder in it followed, but at its end, as containerd does: never out of the image.
 * @param linkAt target of the symbolic link at a path, if there is one.
 */
export function resolveParents(path: string, linkAt: (path: string) => string | undefined): string {
  let resolved: string[] = [];
  const left = path.split('/').toReversed();
  for (let links = 0; left.length > 1;) {
    const name = left.pop() ?? '';
    if (name === '..') {
      resolved.pop();
      continue;
    }
    if (name === '' || name === '.') {
      continue;
    }
    const target = linkAt([...resolved, name].join('/'));
    if (target === undefined) {
      resolved.push(name);
      continue;
    }
    links += 1;
    if (links > LINKS_LIMIT) {
      throw new BadLayerError(`${shown(path)} leads through too many links. Build the image again without them`);
    }
    if (target.startsWith('/')) {
      resolved = [];
    }
    left.push(...target.split('/').toReversed());
  }
  return [...resolved, ...left].join('/');
}
