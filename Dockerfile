# One image for web, worker and release; the command says which one a container is (see Procfile, compose.yaml).
#
#   docker build --build-arg GIT_REV="$(git rev-parse HEAD)" --tag barah .
#
# It adds some 130 MB to Python's slim image: the dependencies, of which bytecode is a quarter, and 11 MB of bytecode of
# Python's own library. Without it, each start would take three seconds instead of one. Compilers, pip and caches stay in
# the first stage.

FROM python:3.13-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt ./
# Wheels only: there is no compiler. pip stays outside of what it installs into.
RUN python -m venv --without-pip /venv \
  && pip --python /venv/bin/python install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
    --root-user-action ignore --only-binary :all: --require-hashes --requirement requirements.txt
# All that .dockerignore lets through. Bytecode is made now, for the file system may be read-only later; without times in
# it, the same sources give the same layer. A clone with a strict umask must be readable by the image's user, too.
COPY . .
RUN chmod -R u=rwX,go=rX . \
  && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib .

FROM python:3.13-slim-bookworm
# The base comes without bytecode of Python's own library, and with tools that only a build needs.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.13/site-packages/* /usr/local/lib/python3.13/ensurepip \
  && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /usr/local/lib/python3.13
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Celery takes a group without a name for root's. A number, so that an orchestrator can see that it is not root.
RUN echo barah:x:10001: >> /etc/group
USER 10001:10001
ARG GIT_REV
ENV GIT_REV=$GIT_REV
# No EXPOSE: Dokku would publish that port instead of 80. No HEALTHCHECK: a worker answers no port, and a platform asks
# /readyz by itself.
CMD ["gunicorn", "--config", "gunicorn.conf.py"]
