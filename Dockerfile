# Three images: `waveflow` (the default), the worker; `stand-ins`, what a laptop has instead of AWS
# and the main server; and what they are built from. See docs/decisions/17-image.md.
#
# The base is Debian rather than the python image: its python3.11 gets Debian's security updates,
# by rebuilding, and the image's test can make the same base with debootstrap. To pin it by digest:
# --build-arg BASE=docker.io/library/debian:bookworm-20260824-slim@sha256:...
ARG BASE=docker.io/library/debian:bookworm-20260824-slim

# ---- what runs: Python, an init that reaps orphans, a user, and the folder it may write in
FROM ${BASE} AS python
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Debian's mirrors keep only the newest version of a package: a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get upgrade --yes --no-install-recommends \
    && apt-get install --yes --no-install-recommends python3.11 tini \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/* \
    && groupadd --gid 10001 waveflow \
    && useradd --uid 10001 --gid 10001 --home-dir /work --no-create-home --shell /usr/sbin/nologin \
        waveflow \
    && install --directory --mode=0700 --owner=10001 --group=10001 /work \
    && python3.11 -m compileall -q --invalidation-mode unchecked-hash -j 0 /usr/lib/python3.11

# ---- the packages, of pinned versions and hashes; pip's settings come in as secrets, if any
FROM python AS build
# hadolint ignore=DL3008,DL3009
RUN apt-get update && apt-get install --yes --no-install-recommends binutils python3.11-venv
WORKDIR /build
# The extra `ffmpeg` opens M4A and reads OGG in half the time. Empty leaves it out, and 100 MB.
ARG EXTRAS=ffmpeg
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
COPY deploy/image/packages.sh requirements*.lock ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca \
    python3.11 -m venv tools \
    && python3.11 -m venv --without-pip /opt/waveflow \
    && bash packages.sh tools/bin/pip /opt/waveflow/bin/python \
        "requirements${EXTRAS:+-$EXTRAS}.lock"
COPY pyproject.toml README.md ./
COPY waveflow waveflow
RUN tools/bin/pip --python /opt/waveflow/bin/python install --quiet --no-compile --no-deps \
        --no-index --no-build-isolation .

# ---- the worker's packages: what only building, tests, pictures and the demo's own song need is left out
FROM build AS worker-packages
COPY deploy/image/slim.sh ./
RUN tools/bin/pip --python /opt/waveflow/bin/python uninstall --quiet --yes pillow scipy setuptools \
    && bash slim.sh /opt/waveflow \
    && /opt/waveflow/bin/waveflow warmup --portable

# ---- the stand-ins' packages: an S3 and SQS server beside everything else
FROM build AS stand-ins-packages
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca \
    bash packages.sh tools/bin/pip /opt/waveflow/bin/python requirements-stand-ins.lock \
    && python3.11 -m compileall -q --invalidation-mode unchecked-hash -j 0 /opt/waveflow/lib

# ---- for docker-compose.yml: `ministack`, and `waveflow stand-in`
FROM python AS stand-ins
COPY --from=stand-ins-packages /opt/waveflow /opt/waveflow
ENV PATH=/opt/waveflow/bin:/usr/bin:/bin \
    HOME=/work \
    OPENBLAS_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/work
WORKDIR /work
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--"]
CMD ["waveflow", "stand-in", "--help"]

# ---- the worker
FROM python AS waveflow
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="waveflow" \
    org.opencontainers.image.description="Audio worker: hashes, waveforms and mixes of stems" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=worker-packages /opt/waveflow /opt/waveflow
# Units and scripts for a fresh machine, which takes them out of the image that it will run.
COPY deploy /opt/waveflow/deploy
# /work is the one folder that is written to: HOME and TMPDIR are for the libraries, and for
# kernels where the processor is older than those compiled above.
ENV PATH=/opt/waveflow/bin:/usr/bin:/bin \
    HOME=/work \
    LOG_FORMAT=json \
    OPENBLAS_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/work \
    WAVEFLOW_HTTP_HOST=0.0.0.0 \
    WAVEFLOW_HTTP_PORT=9464 \
    WAVEFLOW_WORK_DIR=/work
WORKDIR /work
USER 10001:10001
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["waveflow", "health", "--worker", "--live"]
# tini passes signals on and reaps what a killed process leaves behind; nothing else does as PID 1.
ENTRYPOINT ["tini", "--", "waveflow"]
CMD ["worker"]
