#!/bin/sh
# Makes the secrets that compose.yaml needs, once: .env beside it, and secrets/mqtt-passwords with one
# device user whose password is printed. Needs the checkout set up (npm start or npm test, once).
set -eu
cd "$(dirname "$0")"
umask 077
random() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
if [ ! -f .env ]; then
  {
    echo "NATS_CLOUD_PASSWORD=$(random)"
    echo "NATS_GATEWAY1_PASSWORD=$(random)"
    echo "HTTP_ACCESS_TOKEN=$(random)"
  } > .env
fi
mkdir -p secrets
if [ ! -f secrets/mqtt-passwords ]; then
  password=$(random)
  printf '%s' "$password" | ../../node_modules/.bin/causeway-edge passwd device > secrets/mqtt-passwords
  # Read by the container's user, not by root.
  chmod 644 secrets/mqtt-passwords
  echo "MQTT user: device   password: $password"
fi
echo "HTTP token: see HTTP_ACCESS_TOKEN in deploy/docker/.env"
