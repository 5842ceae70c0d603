# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/probe
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY probe probe
RUN /opt/probe/bin/pip install --no-cache-dir . && /opt/probe/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /nonexistent --shell /usr/sbin/nologin probe \
 && install -d -m 0700 -o probe -g probe /state /keys
COPY --from=build /opt/probe /opt/probe
ENV PATH=/opt/probe/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
HEALTHCHECK --interval=5m --timeout=10s CMD ["probe", "catalogue", "check"]
ENTRYPOINT ["probe"]
CMD ["measure"]
