/** Paths that `spec.conversion.prefetchPaths` may hold. */
export const MAX_PATHS = 256;

/** Where nydus-snapshotter's system controller listens unless its config.toml says otherwise. */
export const SYSTEM_SOCKET = '/run/containerd-nydus/system.sock';
