#!/usr/bin/env bash
# Runs the server as its own user, who owns the data. The server reads RABBITMQ_DEFAULT_USER and RABBITMQ_DEFAULT_PASS.
set -euo pipefail

if [[ $(id -u) == 0 ]]; then
  chown -R rabbitmq /var/lib/rabbitmq
  exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups "$0" "$@"
fi
exec "/usr/lib/rabbitmq/bin/$1" "${@:2}"
