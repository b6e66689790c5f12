/** Debian packages that the images of a cluster itself are made from. */
const IMAGE_PACKAGES = ['gcc', 'libc6-dev', 'busybox-static'];

/** Debian packages that every cluster needs. */
export const CLUSTER_PACKAGES = [
  'runc',
  'containernetworking-plugins',
  'iptables',
  'conntrack',
  'iproute2',
  'tini',
  ...IMAGE_PACKAGES,
];

/** Debian packages that `make test` needs: BuildKit runs runc, and file trees are compared with getfattr. */
export const TEST_PACKAGES = [...CLUSTER_PACKAGES, 'attr'];
