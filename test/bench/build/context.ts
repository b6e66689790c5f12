import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contentMaker } from '../convert/content.ts';

/** Bytes that are copied into the image: what a package manager would bring. */
const PACKAGES = 40 << 20;
const FILES = 600;
/** Bytes that are made while it is built, and that no compression makes smaller, as a model's weights. */
const MODEL_MIB = 16;

/** Two stages that do not need each other, over a base, and an application in the last layer. */
const DOCKERFILE = `ARG BASE
FROM \${BASE} AS packages
COPY packages /packages
RUN find /packages -type f -exec sha256sum {} + >/packages/SHA256SUMS
FROM \${BASE} AS model
RUN python3 -c "import random; r = random.Random(1); open('/model', 'wb').writelines(r.randbytes(1 << 20) for _ in range(${MODEL_MIB}))"
FROM \${BASE}
COPY --from=packages /packages /opt/packages
COPY --from=model /model /opt/model
COPY app /opt/app
USER 1000:1000
CMD ["/usr/bin/python3", "/opt/app"]
`;

/** Writes a folder to build from. */
export async function writeContext(folder: string): Promise<void> {
  using content = contentMaker('build');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'Dockerfile'), DOCKERFILE);
  for (let i = 0; i < FILES; i += 1) {
    const below = join(folder, 'packages', String(Math.floor(i / 100)));
    await mkdir(below, { recursive: true });
    await writeFile(join(below, `file-${i}`), content.next(Math.round(PACKAGES / FILES)));
  }
  await changeApplication(folder, 'first');
}

/** Changes the one small layer. */
export async function changeApplication(folder: string, version: string): Promise<void> {
  await writeFile(join(folder, 'app'), `print(${JSON.stringify(version)})\n`);
}
