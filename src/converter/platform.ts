import type { Platform } from '../registry/schema.ts';

/** Variants that the architecture means anyway (containerd's platforms.Normalize). */
const DEFAULT_VARIANTS: Record<string, string> = { amd64: 'v1', arm64: 'v8', arm: 'v7' };

/** Parses `os/architecture[/variant]`. */
export function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant] = text.split('/');
  return variant === undefined ? { architecture, os } : { architecture, os, variant };
}

/** `os/architecture[/variant]`, without a variant that goes without saying. */
export function formatPlatform(platform: Platform): string {
  const variant = explicitVariant(platform);
  return [platform.os, platform.architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

/** Whether both name the same platform; `linux/arm64` and `linux/arm64/v8` do. */
export function samePlatform(a: Platform, b: Platform): boolean {
  return formatPlatform(a) === formatPlatform(b);
}

function explicitVariant({ architecture, variant }: Platform): string | undefined {
  return variant === '' || variant === DEFAULT_VARIANTS[architecture] ? undefined : variant;
}
