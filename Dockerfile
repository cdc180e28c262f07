# One image for web, worker and release. The command of a container selects the process (see Procfile, compose.yaml).
#
#   docker build --build-arg GIT_REV="$(git rev-parse HEAD)" --tag barah .
#
# It adds about 130 MB to Python's slim image: the dependencies, a quarter of which is bytecode, and 11 MB of bytecode
# of Python's standard library. Without the bytecode, a start takes three seconds instead of one. Compilers, pip and
# caches stay in the first stage.

FROM python:3.13-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt ./
# Wheels only, because there is no compiler. pip itself is not installed into /venv.
RUN python -m venv --without-pip /venv \
  && pip --python /venv/bin/python install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
    --root-user-action ignore --only-binary :all: --require-hashes --requirement requirements.txt
# .dockerignore limits what is copied. Bytecode is compiled now, because the file system may be read-only later. It
# contains no timestamps, so the same sources give the same layer. chmod: the image's user must be able to read files of
# a clone with a strict umask.
COPY . .
RUN chmod -R u=rwX,go=rX . \
  && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib .

FROM python:3.13-slim-bookworm
# The base image has no bytecode of Python's standard library, but has tools that only a build needs.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.13/site-packages/* /usr/local/lib/python3.13/ensurepip \
  && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /usr/local/lib/python3.13
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Celery treats a group without a name as root's. USER is numeric, so that an orchestrator can see that it is not root.
RUN echo barah:x:10001: >> /etc/group
USER 10001:10001
ARG GIT_REV
ENV GIT_REV=$GIT_REV
# No EXPOSE: Dokku would publish that port instead of 80. No HEALTHCHECK: a worker has no port, and platforms check
# /readyz themselves.
CMD ["bin/web", "--config", "gunicorn.conf.py"]
