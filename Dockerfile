# One image for every role. The base is any Debian bookworm: `make image` makes one of Debian's own packages.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && python3 -m venv /build \
 && python3 -m venv --without-pip /opt/lineage
# By which certificates pip knows the registry; another bundle where an inspecting proxy stands in the way.
ARG PIP_CERT=/etc/ssl/certs/ca-certificates.crt
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
COPY deploy/image/requirements.lock /src/requirements.lock
RUN /build/bin/pip --python /opt/lineage/bin/python install --require-hashes --only-binary :all: \
      --requirement /src/requirements.lock
COPY pyproject.toml README.md /src/
COPY schemas /src/schemas
COPY processor /src/processor
RUN /build/bin/pip --python /opt/lineage/bin/python install --no-deps /src

FROM ${BASE}
# tini passes signals on, and ends what does not handle them, which PID 1 itself would not.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /opt/lineage /opt/lineage
ENV PATH=/opt/lineage/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LINEAGE_HOME=/tmp/lineage \
    LINEAGE_HTTP__HOST=0.0.0.0 \
    LINEAGE_API__HOST=0.0.0.0
WORKDIR /tmp
USER 10001:10001
EXPOSE 9600 9639 9640 9641
ENTRYPOINT ["/usr/bin/tini", "--", "/opt/lineage/bin/lineage"]
CMD ["run"]
