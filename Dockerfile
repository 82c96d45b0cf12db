# The service's image. Its base is an argument, so that it builds where only another base can be had:
#   docker build --build-arg PYTHON_IMAGE=my-python:3.13 .
# The tag names one release; `make pin-images` adds its digest where the registry can be reached.
# EXTRAS chooses what is installed: "service" for ECS (default); compose takes "local" for consumer and provisioner.
ARG PYTHON_IMAGE=python:3.13.9-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG EXTRAS=service
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=0 UV_NO_CACHE=1
WORKDIR /src
COPY requirements-uv.txt ./
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements-uv.txt
# Dependencies first: they change less often than our code, and are the slow layer.
COPY pyproject.toml uv.lock ./
RUN set -e; flags=""; for extra in ${EXTRAS}; do flags="$flags --extra $extra"; done; \
    /opt/uv/bin/uv export --quiet --frozen --no-emit-project $flags --output-file /tmp/requirements.txt; \
    /opt/uv/bin/uv venv --quiet --python python3 /app; \
    /opt/uv/bin/uv pip install --quiet --python /app/bin/python --require-hashes -r /tmp/requirements.txt
COPY README.md LICENSE NOTICE THIRD-PARTY-NOTICES.md ./
COPY wire wire
COPY service service
COPY lambda lambda
COPY athena athena
RUN /opt/uv/bin/uv pip install --quiet --python /app/bin/python --no-deps . \
    # Test suites and C headers of dependencies are never imported: a quarter of the image.
    && find /app/lib -type d \( -name tests -o -name test \) -path '*site-packages/*' -not -path '*.dist-info/*' \
        -prune -exec rm -rf {} + \
    && find /app/lib -type d -name include -path '*/site-packages/numpy/*' -prune -exec rm -rf {} +
COPY scripts/third_party_notices.py /tmp/
RUN cp THIRD-PARTY-NOTICES.md LICENSE NOTICE /app/ \
    && /app/bin/python /tmp/third_party_notices.py --texts /app/THIRD-PARTY-LICENSES.txt

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Stockstream" \
      org.opencontainers.image.description="Streams stock quotes into Kinesis" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 stockstream \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/stockstream --no-create-home stockstream \
    && install -d -o 10001 -g 10001 /var/lib/stockstream /var/cache/stockstream
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/stockstream \
    STOCKSTREAM_LOG_FORMAT=json \
    STOCKSTREAM_OUTBOX_DIR=/var/lib/stockstream/outbox \
    STOCKSTREAM_CACHE_DIR=/var/cache/stockstream
# What a start imports, compiled once: nothing can be written below a read-only root, and a quarter of a processor would
# compile for seconds at every start.
RUN PYTHONDONTWRITEBYTECODE= python -c "import stockstream.cli._commands, stockstream.pipeline.service; \
    import stockstream.sources.yahoo, yfinance"
# The two folders that must be writable where the root is read-only: the outbox (keep it!) and yfinance's caches.
VOLUME ["/var/lib/stockstream", "/var/cache/stockstream"]
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os,urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('STOCKSTREAM_HEALTH_PORT', '8080') + '/healthz', timeout=4)"]
# Exec form: SIGTERM reaches Python itself, which drains and ends.
STOPSIGNAL SIGTERM
ENTRYPOINT ["stockstream"]
CMD ["run"]
