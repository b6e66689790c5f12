# The image that the chart runs: the operator and, as the same program, the conversion Jobs.
#
#   docker build --tag REGISTRY/slipstream:VERSION .
#
# Any glibc image with Node.js 24 and npm serves as BASE.
ARG BASE=docker.io/library/node:24-bookworm-slim

# nydus-image from its release. `--build-context nydus=DIRECTORY` takes DIRECTORY/nydus-image instead.
FROM ${BASE} AS nydus
ARG TARGETARCH
ARG NYDUS_VERSION=2.2.0
ARG NYDUS_RELEASE=https://github.com/dragonflyoss/nydus/releases/download/v${NYDUS_VERSION}/nydus-static-v${NYDUS_VERSION}-linux-${TARGETARCH}.tgz
ADD ${NYDUS_RELEASE} /nydus.tgz
ADD ${NYDUS_RELEASE}.sha256sum /nydus.tgz.sha256sum
RUN awk '{ print $1 "  /nydus.tgz" }' /nydus.tgz.sha256sum | sha256sum --check \
 && tar --extract --gzip --file /nydus.tgz --directory / --strip-components 1 nydus-static/nydus-image

# The npm packages that the operator needs to run. npm settings of the builder, if any, come as the secret `npmrc`.
FROM ${BASE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${BASE}
LABEL org.opencontainers.image.title="slipstream" \
      org.opencontainers.image.description="A Kubernetes operator that makes big container images start fast across a cluster" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=nydus /nydus-image /usr/local/bin/nydus-image
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY src ./src
# A number, so that runAsNonRoot can be checked.
USER 65532:65532
ENTRYPOINT ["node", "/app/src/main.ts"]
