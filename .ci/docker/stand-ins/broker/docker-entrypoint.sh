#!/usr/bin/env bash
# Gives the data to the server's user and becomes it; RABBITMQ_DEFAULT_USER and _PASS are read by the server itself.
set -euo pipefail

if [[ $(id -u) == 0 ]]; then
  chown -R rabbitmq /var/lib/rabbitmq
  exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups "$0" "$@"
fi
exec "/usr/lib/rabbitmq/bin/$1" "${@:2}"
