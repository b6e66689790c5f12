import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs, pushRootfs } from '../../hack/cluster/images.ts';
import { startHarness, type Harness } from '../converter/harness.ts';
import { startBuildKit, type Build, type BuildKit } from '../support/buildkit.ts';

/** Stages that do not need each other, and so run at once; their results, and a file of the context, over a base. */
const DOCKERFILE = `ARG BASE
FROM \${BASE} AS words
RUN mkdir /out && echo hello >/out/word
FROM \${BASE} AS numbers
RUN mkdir /out && seq 1000 >/out/numbers
FROM \${BASE}
COPY --from=words /out /opt/words
COPY --from=numbers /out /opt/numbers
COPY app /app
ENV GREETING=hello
USER 1000:1000
CMD ["/bin/cat", "/app"]
`;

/** Of any platform, as nothing runs while it is built. */
const PORTABLE = `FROM scratch
COPY app /app
CMD ["/app"]
`;

/** A registry, and BuildKit beside it. */
export interface BuildWorld extends AsyncDisposable {
  harness: Harness;
  host: string;
  buildkit: BuildKit;
  /** Builds the Dockerfile with this content of one file. */
  build(content: string, build: Omit<Build, 'context'>): Promise<void>;
  /** Builds one that runs nothing for any platforms. */
  buildPortable(content: string, build: Omit<Build, 'context'>): Promise<void>;
}

/** Starts a registry with a base image, and BuildKit. */
export async function startBuildWorld(): Promise<BuildWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-buildkit-'));
  const started = new AsyncDisposableStack();
  started.defer(() => rm(folder, { recursive: true, force: true }));
  try {
    const harness = started.use(await startHarness());
    const { host } = harness;
    const buildkit = started.use(await startBuildKit(folder, [host]));
    const base = `${host}/base:1`;
    await pushRootfs(base, [await busyboxRootfs()], { env: { PATH: '/bin' } });
    const run = async (dockerfile: string, content: string, build: Omit<Build, 'context'>): Promise<void> => {
      const context = await mkdtemp(join(folder, 'context-'));
      await mkdir(context, { recursive: true });
      await writeFile(join(context, 'Dockerfile'), dockerfile);
      await writeFile(join(context, 'app'), content);
      await buildkit.build({
        ...build,
        context,
        args: { ...build.args, ...(dockerfile === PORTABLE ? {} : { BASE: base }) },
      });
    };
    const all = started.move();
    return {
      harness,
      host,
      buildkit,
      build: (content, build) => run(DOCKERFILE, content, build),
      buildPortable: (content, build) => run(PORTABLE, content, build),
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  } catch (error) {
    await started.disposeAsync();
    throw error;
  }
}
