import type { Code } from './rules.ts';

/** What files below a folder, or with a name, are. */
export interface Place {
  readonly code: Code;
  /** Which of several kinds, for the message. */
  readonly kind?: string;
}

const cache = (kind: string): Place => ({ code: 'PackageCache', kind });
const tools = (kind: string): Place => ({ code: 'BuildTools', kind });

/** Folders by their whole path. */
const FOLDERS: ReadonlyMap<string, Place> = new Map([
  ['var/cache/apt', cache('apt archives')],
  ['var/lib/apt/lists', cache('apt lists')],
  ['var/cache/apk', cache('apk')],
  ['etc/apk/cache', cache('apk')],
  ['var/cache/yum', cache('yum')],
  ['var/cache/dnf', cache('dnf')],
  ['var/cache/libdnf5', cache('dnf')],
  ['var/cache/zypp', cache('zypper')],
  ['var/cache/pacman/pkg', cache('pacman')],
  ['usr/local/cargo/registry', cache('cargo')],
  ['usr/local/share/.cache/yarn', cache('yarn')],
  ['opt/conda/pkgs', cache('conda')],
  ['go/pkg/mod', cache('go')],
  ['usr/include', tools('headers')],
  ['usr/local/include', tools('headers')],
  ['usr/lib/gcc', tools('gcc')],
  ['usr/libexec/gcc', tools('gcc')],
  ['usr/local/go', tools('go')],
  ['usr/local/rustup', tools('rust')],
  ['usr/share/cmake', tools('cmake')],
  ['var/log', { code: 'LogFiles' }],
  ['tmp', { code: 'TemporaryFiles' }],
  ['var/tmp', { code: 'TemporaryFiles' }],
]);

/** Folders by the last names of their path: those of the home of whoever ran the build. */
const ENDINGS: ReadonlyMap<string, Place> = new Map([
  ['.cache/pip', cache('pip')],
  ['.cache/uv', cache('uv')],
  ['.cache/pypoetry', cache('poetry')],
  ['.cache/yarn', cache('yarn')],
  ['.cache/go-build', cache('go')],
  ['.cache/composer', cache('composer')],
  ['.composer/cache', cache('composer')],
  ['.npm/_cacache', cache('npm')],
  ['.npm/_logs', { code: 'LogFiles' }],
  ['.cargo/registry', cache('cargo')],
  ['.m2/repository', cache('maven')],
  ['.gradle/caches', cache('gradle')],
  ['.nuget/packages', cache('nuget')],
  ['.rustup/toolchains', tools('rust')],
]);

/** Folders by their last name. */
const NAMES: ReadonlyMap<string, Place> = new Map([
  ['.git', { code: 'VersionControl' }],
  ['.hg', { code: 'VersionControl' }],
  ['.svn', { code: 'VersionControl' }],
  ['__pycache__', { code: 'CompiledPython' }],
]);

/** Compilers and what belongs to them, by the name of the program, with a version or a target before or behind it. */
const PROGRAM =
  /^(?:[a-z0-9_]+-[a-z0-9_-]+-)?(?:gcc|g\+\+|cpp|cc1|cc1plus|clang|clang\+\+|ld|ld\.bfd|ld\.gold|ld\.lld|as|ar|make|gmake|cmake|ninja|meson|autoconf|automake|rustc|cargo|javac|gfortran)(?:-[0-9.]+)?$/;
const PROGRAMS = /^(?:usr\/(?:local\/)?)?bin$/;
const CORE = /^core(?:\.\d+)?$/;
/** A program’s memory is never smaller; a file of text that is called core may be. */
const CORE_LEAST = 64 * 1024;

/** What lies in a folder, or undefined where its place says nothing. */
export function placeOfFolder(path: string): Place | undefined {
  const slash = path.lastIndexOf('/');
  const before = path.lastIndexOf('/', slash - 1);
  return (
    FOLDERS.get(path) ??
    (slash <= 0 ? undefined : ENDINGS.get(path.slice(slash > before ? before + 1 : 0))) ??
    NAMES.get(path.slice(slash + 1))
  );
}

/**
 * What a file is by its own name.
 * @param folder the path of its folder
 */
export function placeOfFile(folder: string, name: string, size: number): Place | undefined {
  if (PROGRAMS.test(folder) && PROGRAM.test(name)) {
    return tools('compilers');
  }
  if (name.endsWith('.a') && name.startsWith('lib')) {
    return tools('static libraries');
  }
  return size >= CORE_LEAST && CORE.test(name) ? { code: 'CoreDumps' } : undefined;
}
