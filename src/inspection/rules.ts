/** How much a finding matters: what costs or endangers something, and what is good to know. */
export type Severity = 'Warning' | 'Info';

/** One kind of finding. */
export interface Rule {
  readonly severity: Severity;
  /** What it is, as docs/inspection.md has it. */
  readonly meaning: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Every finding that there is, by its code. */
export const RULES = {
  DeletedFiles: {
    severity: 'Warning',
    meaning: 'The layer deletes files of layers below. Their bytes are still stored, pulled and readable',
    remedy: 'Delete them in the step that writes them, or build in a stage of its own and copy what is needed',
  },
  OverwrittenFiles: {
    severity: 'Warning',
    meaning:
      'The layer writes files again that layers below have. A `chown` or `chmod` of a folder does this to everything in it',
    remedy: 'Write them once: COPY --chown and --chmod set owner and mode on the way',
  },
  DuplicateFiles: {
    severity: 'Info',
    meaning: 'Files of 4 KiB and more whose content a layer below has at another path; both are in the image',
    remedy: 'Copy them once, or link to them in the step that writes them',
  },
  PackageCache: {
    severity: 'Warning',
    meaning:
      'What a package manager downloaded and no program needs: apt, apk, yum and dnf, pacman, zypper, pip, uv, conda, npm, yarn, Go, Cargo, Maven, Gradle, Composer, NuGet',
    remedy: 'Clean it in the same step, or keep it out of the layer by RUN --mount=type=cache',
  },
  BuildTools: {
    severity: 'Info',
    meaning: 'Compilers, linkers, headers and static libraries',
    remedy: 'Build in a stage of its own, and copy what it made into a smaller image',
  },
  VersionControl: {
    severity: 'Warning',
    meaning: 'The history of a repository (.git, .hg, .svn), with everything that was ever in it',
    remedy: 'Name it in .dockerignore',
  },
  CompiledPython: {
    severity: 'Info',
    meaning: 'Files in __pycache__, which Python makes again where it needs them',
    remedy: 'Set PYTHONDONTWRITEBYTECODE=1 for the build, unless they make the program start faster',
  },
  CoreDumps: {
    severity: 'Warning',
    meaning: 'The memory of a program that crashed, with whatever was in it',
    remedy: 'Delete it in the step that made it',
  },
  LogFiles: {
    severity: 'Info',
    meaning: 'Logs of the build: files below /var/log and npm’s',
    remedy: 'Delete them in the same step',
  },
  TemporaryFiles: {
    severity: 'Info',
    meaning: 'Files below /tmp and /var/tmp',
    remedy: 'Delete them in the same step',
  },
  SetuidFiles: {
    severity: 'Warning',
    meaning: 'Files that run with the rights of their owner or group (setuid, setgid), whoever starts them',
    remedy: 'Take the bit away (chmod a-s) in the step that installs them, or the file where nobody needs it',
  },
  WorldWritable: {
    severity: 'Warning',
    meaning:
      'Files that everybody may write to, and folders where everybody may also delete what others put there (no sticky bit)',
    remedy: 'Take the right away (chmod o-w), or set the sticky bit (chmod +t)',
  },
  RootUser: {
    severity: 'Warning',
    meaning: 'The image runs as root unless the Pod says otherwise: its config names no user, or that one',
    remedy: 'Set USER to a number other than 0',
  },
  UnpinnedBase: {
    severity: 'Info',
    meaning:
      'The manifest does not say by digest what the image was built on (annotation org.opencontainers.image.base.digest), so that nobody can tell which version of it that was',
    remedy: 'Name the base by digest (FROM name:tag@sha256:…), and have the builder write the annotation',
  },
} as const satisfies Record<string, Rule>;

/** The name of a finding. */
export type Code = keyof typeof RULES;
