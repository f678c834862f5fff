# The images of operator, webhook and sandbox: `make images`, which puts the wheels where this file looks for them.
# Nothing is fetched here: `docker build --network none` works, with BuildKit and with the builder before it.
#
# What runs is in an image from scratch: an interpreter, the shared libraries that it needs, and Python packages. There is
# no shell, no pip, no compiler and no entry in a passwd file, and nothing is ever written.
ARG BASE_IMAGE=python:3.13-slim-trixie

FROM ${BASE_IMAGE} AS build
RUN python3 -m venv /build/installer && python3 -m venv --without-pip /app
COPY build/images/wheels /build/wheels
COPY sandbox/images/assemble.py sandbox/images/files.py /build/

# Most packages are the same for all, and compiled once.
FROM build AS packages
COPY requirements/operator.txt requirements/webhook.txt requirements/sandbox.txt /build/requirements/
RUN python3 /build/assemble.py packages

FROM packages AS operator-packages
RUN python3 /build/assemble.py select operator

FROM packages AS webhook-packages
RUN python3 /build/assemble.py select webhook

FROM packages AS sandbox-packages
RUN python3 /build/assemble.py select sandbox

# One interpreter for all: the layer is stored, and pulled to a node, once.
FROM build AS interpreter
COPY --from=packages /app /packages
RUN python3 /build/assemble.py interpreter

FROM build AS operator-program
COPY build/images/own /build/own
RUN python3 /build/assemble.py program operator

FROM build AS webhook-program
COPY build/images/own /build/own
RUN python3 /build/assemble.py program webhook

FROM build AS sandbox-program
COPY build/images/own /build/own
RUN python3 /build/assemble.py program sandbox

FROM scratch AS runtime
COPY --from=interpreter /rootfs /
ENV PATH=/app/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532

FROM runtime AS operator
COPY --from=operator-packages /app /app
COPY --from=operator-program /rootfs /
ENTRYPOINT ["/app/bin/talkdesk-operator"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="talkdesk-operator" \
      org.opencontainers.image.description="Answers Talkdesk AppConnect lifecycle events and provisions tenants" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"

FROM runtime AS webhook
COPY --from=webhook-packages /app /app
COPY --from=webhook-program /rootfs /
ENTRYPOINT ["/app/bin/talkdesk-webhook"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="talkdesk-webhook" \
      org.opencontainers.image.description="Stores signed Talkdesk AppConnect lifecycle events in the cluster" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"

FROM runtime AS sandbox
COPY --from=sandbox-packages /app /app
COPY --from=sandbox-program /rootfs /
ENTRYPOINT ["/app/bin/talkdesk-simulator"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="talkdesk-sandbox" \
      org.opencontainers.image.description="A simulator of Talkdesk and a SCIM service, to try the operator with" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
