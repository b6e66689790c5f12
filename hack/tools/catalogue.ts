import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A program built with `go build` from one of the committed tool modules beside this file. */
export interface GoRecipe {
  kind: 'go';
  module: 'kubernetes' | 'containers' | 'dragonfly' | 'nydus-snapshotter' | 'buildkit' | 'cosign';
  package: string;
  /** Build tags. */
  tags?: string[];
}

/** Programs built with `cargo install --locked` from a crate. */
export interface CargoRecipe {
  kind: 'cargo';
  crate: string;
  bins: string[];
  /** Settings of the build profile, as cargo's `--config` takes them. */
  config: string[];
}

/** Programs of a Debian package, which is unpacked and not installed: it would start a service. */
export interface DebianRecipe {
  kind: 'debian';
  package: string;
  /** Binary name → its path in the package. */
  members: Record<string, string>;
}

/** An official release asset and the checksum file published beside it. */
export interface Download {
  url: string;
  /** A file of `<sha256>` or of `<sha256>  <name>` lines. */
  checksum: string;
  /** Binary name → its path in the archive; absent when the asset is the binary itself. */
  members?: Record<string, string>;
}

/** How a binary on PATH tells its version. */
export interface VersionProbe {
  args: string[];
  /** The whole word that must stand in the output. */
  expect: string;
}

/** One thing to obtain: a version of a program, or of several that are built together. */
export interface Tool {
  name: string;
  version: string;
  binaries: string[];
  recipe: GoRecipe | CargoRecipe | DebianRecipe;
  /** Debian packages that building it needs. */
  buildPackages?: string[];
  download?: Download;
  probe?: VersionProbe;
}

const KUBERNETES = '1.36.3';
const ETCD = '3.6.8';
const CONTAINERD = '2.4.2';
const HELM = '4.2.4';
const NYDUS = '2.2.0';
const SNAPSHOTTER = '0.16.1';
const BUILDKIT = '0.34.2';
const COSIGN = '3.1.3';

/** This machine in the names that Go projects give to release assets. */
const ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64';

/** Flags of every Go build; the version stamp is what the Kubernetes programs report and negotiate with. */
export const GO_BUILD_FLAGS = [
  '-trimpath',
  '-ldflags',
  `-s -w -X k8s.io/component-base/version.gitVersion=v${KUBERNETES}`,
];

function kubernetes(name: string, versionArgs = ['--version']): Tool {
  const url = `https://dl.k8s.io/v${KUBERNETES}/bin/linux/${ARCH}/${name}`;
  return {
    name,
    version: KUBERNETES,
    binaries: [name],
    recipe: { kind: 'go', module: 'kubernetes', package: `k8s.io/kubernetes/cmd/${name}` },
    download: { url, checksum: `${url}.sha256` },
    probe: { args: versionArgs, expect: `v${KUBERNETES}` },
  };
}

function containerd(name: string, versionArgs: string[]): Tool {
  const url = `https://github.com/containerd/containerd/releases/download/v${CONTAINERD}/containerd-${CONTAINERD}-linux-${ARCH}.tar.gz`;
  return {
    name,
    version: CONTAINERD,
    binaries: [name],
    recipe: { kind: 'go', module: 'containers', package: `github.com/containerd/containerd/v2/cmd/${name}` },
    download: { url, checksum: `${url}.sha256sum`, members: { [name]: `bin/${name}` } },
    probe: { args: versionArgs, expect: `v${CONTAINERD}` },
  };
}

function buildkit(name: string, tags: { tags?: string[] } = {}): Tool {
  return {
    name,
    version: BUILDKIT,
    binaries: [name],
    recipe: { kind: 'go', module: 'buildkit', package: `github.com/moby/buildkit/cmd/${name}`, ...tags },
  };
}

const etcdRelease = `https://github.com/etcd-io/etcd/releases/download/v${ETCD}`;
const helmAsset = `https://get.helm.sh/helm-v${HELM}-linux-${ARCH}.tar.gz`;
const nydusAsset = `https://github.com/dragonflyoss/nydus/releases/download/v${NYDUS}/nydus-static-v${NYDUS}-linux-${ARCH}.tgz`;
const cosignRelease = `https://github.com/sigstore/cosign/releases/download/v${COSIGN}`;
const snapshotterAsset = `https://github.com/containerd/nydus-snapshotter/releases/download/v${SNAPSHOTTER}/nydus-snapshotter-v${SNAPSHOTTER}-linux-${ARCH}.tar.gz`;

/** Every tool that the development cluster and the end-to-end tests run, with its pinned version. */
export const TOOLS: readonly Tool[] = [
  {
    name: 'etcd',
    version: ETCD,
    binaries: ['etcd'],
    recipe: { kind: 'go', module: 'kubernetes', package: 'go.etcd.io/etcd/server/v3' },
    download: {
      url: `${etcdRelease}/etcd-v${ETCD}-linux-${ARCH}.tar.gz`,
      checksum: `${etcdRelease}/SHA256SUMS`,
      members: { etcd: `etcd-v${ETCD}-linux-${ARCH}/etcd` },
    },
    probe: { args: ['--version'], expect: ETCD },
  },
  kubernetes('kube-apiserver'),
  kubernetes('kube-controller-manager'),
  kubernetes('kube-scheduler'),
  kubernetes('kubelet'),
  kubernetes('kube-proxy'),
  kubernetes('kubectl', ['version', '--client']),
  {
    name: 'metrics-server',
    version: '0.9.0',
    binaries: ['metrics-server'],
    recipe: { kind: 'go', module: 'kubernetes', package: 'sigs.k8s.io/metrics-server/cmd/metrics-server' },
  },
  {
    name: 'helm',
    version: HELM,
    binaries: ['helm'],
    recipe: { kind: 'go', module: 'kubernetes', package: 'helm.sh/helm/v4/cmd/helm' },
    download: { url: helmAsset, checksum: `${helmAsset}.sha256sum`, members: { helm: `linux-${ARCH}/helm` } },
    probe: { args: ['version', '--template', '{{.Version}}'], expect: `v${HELM}` },
  },
  containerd('containerd', ['--version']),
  containerd('containerd-shim-runc-v2', ['-v']),
  containerd('ctr', ['--version']),
  {
    name: 'containerd-nydus-grpc',
    version: SNAPSHOTTER,
    binaries: ['containerd-nydus-grpc'],
    recipe: {
      kind: 'go',
      module: 'nydus-snapshotter',
      package: 'github.com/containerd/nydus-snapshotter/cmd/containerd-nydus-grpc',
    },
    download: {
      url: snapshotterAsset,
      checksum: `${snapshotterAsset}.sha256sum`,
      members: { 'containerd-nydus-grpc': 'bin/containerd-nydus-grpc' },
    },
    probe: { args: ['--version'], expect: `v${SNAPSHOTTER}` },
  },
  {
    name: 'registry',
    version: '3.1.2',
    binaries: ['registry'],
    recipe: { kind: 'go', module: 'containers', package: 'github.com/distribution/distribution/v3/cmd/registry' },
    probe: { args: ['--version'], expect: 'v3.1.2' },
  },
  {
    name: 'crane',
    version: '0.22.1',
    binaries: ['crane'],
    recipe: { kind: 'go', module: 'containers', package: 'github.com/google/go-containerregistry/cmd/crane' },
    probe: { args: ['version'], expect: '0.22.1' },
  },
  // Releases are built without the tag.
  buildkit('buildkitd', { tags: ['nydus'] }),
  buildkit('buildctl'),
  {
    // For tests only, and for whoever reads docs/trust.md with the cluster at hand.
    name: 'cosign',
    version: COSIGN,
    binaries: ['cosign'],
    recipe: { kind: 'go', module: 'cosign', package: 'github.com/sigstore/cosign/v3/cmd/cosign' },
    download: { url: `${cosignRelease}/cosign-linux-${ARCH}`, checksum: `${cosignRelease}/cosign_checksums.txt` },
  },
  {
    name: 'nydus',
    version: NYDUS,
    binaries: ['nydus-image', 'nydusd'],
    recipe: {
      kind: 'cargo',
      crate: 'nydus-rs',
      bins: ['nydus-image', 'nydusd'],
      config: [],
    },
    download: {
      url: nydusAsset,
      checksum: `${nydusAsset}.sha256sum`,
      members: { 'nydus-image': 'nydus-static/nydus-image', nydusd: 'nydus-static/nydusd' },
    },
    probe: { args: ['--version'], expect: `v${NYDUS}` },
  },
  {
    name: 'dfdaemon',
    version: '1.5.10',
    binaries: ['dfdaemon'],
    recipe: {
      kind: 'cargo',
      crate: 'dragonfly-client',
      bins: ['dfdaemon'],
      config: ['profile.release.opt-level=0'],
    },
    buildPackages: ['protobuf-compiler', 'libprotobuf-dev', 'cmake', 'clang', 'libclang-dev'],
    probe: { args: ['--version'], expect: '1.5.10' },
  },
  {
    name: 'dragonfly-scheduler',
    version: '2.5.1',
    binaries: ['dragonfly-scheduler'],
    recipe: { kind: 'go', module: 'dragonfly', package: 'd7y.io/dragonfly/v2/cmd/scheduler' },
  },
  {
    // For tests only, which ask what every version answers alike; building it would take as long as Kubernetes.
    name: 'prometheus',
    version: 'debian',
    binaries: ['prometheus'],
    recipe: { kind: 'debian', package: 'prometheus', members: { prometheus: 'usr/bin/prometheus' } },
  },
];

/** The tool that brings a binary, or undefined when none does. */
export function toolOf(binary: string): Tool | undefined {
  return TOOLS.find((tool) => tool.binaries.includes(binary));
}

/** Folder of a committed Go tools module. */
export function moduleDirectory(module: GoRecipe['module']): string {
  return fileURLToPath(new URL(module, import.meta.url));
}

/**
 * Digest of everything that decides what a build makes (versions, flags, resolved modules): 12 hex digits. It names
 * the cache folder, so that a changed recipe never meets an old binary.
 */
export function recipeDigest(tool: Tool): string {
  const hash = createHash('sha256').update(JSON.stringify([tool.version, tool.binaries, tool.recipe]));
  if (tool.recipe.kind === 'go') {
    hash.update(JSON.stringify(GO_BUILD_FLAGS));
    for (const file of ['go.mod', 'go.sum']) {
      hash.update(readFileSync(`${moduleDirectory(tool.recipe.module)}/${file}`));
    }
  }
  return hash.digest('hex').slice(0, 12);
}
