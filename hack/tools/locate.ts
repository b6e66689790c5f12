import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { recipeDigest, toolOf, type Tool } from './catalogue.ts';

/** Folder of everything kept between runs: `SLIPSTREAM_CACHE`, else `$XDG_CACHE_HOME/slipstream`. */
export function cacheDirectory(): string {
  const { SLIPSTREAM_CACHE, XDG_CACHE_HOME } = process.env;
  return SLIPSTREAM_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'slipstream');
}

/** Cache folder of a tool at its version and recipe; it exists only when it is complete. */
export function toolDirectory(tool: Tool): string {
  return join(cacheDirectory(), 'tools', `${tool.name}-${tool.version}-${recipeDigest(tool)}`);
}

/** Environment variable that overrides where a binary is, e.g. `SLIPSTREAM_TOOL_KUBE_APISERVER`. */
export function toolVariable(binary: string): string {
  return `SLIPSTREAM_TOOL_${binary.toUpperCase().replaceAll('-', '_')}`;
}

/** The binary that the environment names, or undefined. Throws when it names something that cannot run. */
export function toolFromEnvironment(binary: string): string | undefined {
  const path = process.env[toolVariable(binary)];
  if (path !== undefined && !isExecutable(path)) {
    throw new Error(`${toolVariable(binary)} names ${path}, which is not an executable file`);
  }
  return path;
}

/** Whether a path is a file that may be executed. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Absolute path of a tool's binary: from the environment, else from the cache. Never builds or downloads.
 * Throws with the remedy when it is not there.
 */
export function toolPath(binary: string): string {
  const tool = toolOf(binary);
  if (tool === undefined) throw new Error(`unknown tool ${binary}: hack/tools/catalogue.ts does not name it`);
  const path = toolFromEnvironment(binary) ?? join(toolDirectory(tool), binary);
  if (!isExecutable(path)) {
    throw new Error(`${binary} ${tool.version} is not there: run \`make tools\`, or set ${toolVariable(binary)}`);
  }
  return path;
}
