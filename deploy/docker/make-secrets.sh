#!/bin/sh
# Makes what compose.yaml needs, once: .env beside it, and in secrets/ the keys and certificates of
# nats-server and one device user, whose password is printed. Needs the checkout set up (npm start or
# npm test, once).
set -eu
cd "$(dirname "$0")"
umask 077
random() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
[ -f .env ] || echo "HTTP_ACCESS_TOKEN=$(random)" > .env
mkdir -p secrets
../nats/make-access.sh secrets/nats nats localhost 127.0.0.1 > /dev/null
# Read, and users/ written, by the containers' user; others do not come into secrets/.
chmod 644 secrets/nats/cloud/*.nk
chmod 777 secrets/nats/users
if [ ! -f secrets/mqtt-passwords ]; then
  password=$(random)
  printf '%s' "$password" | ../../node_modules/.bin/causeway-edge passwd device > secrets/mqtt-passwords
  chmod 644 secrets/mqtt-passwords
  echo "MQTT user: device   password: $password"
fi
cat <<END
HTTP token: see HTTP_ACCESS_TOKEN in deploy/docker/.env
Next:
  cd deploy/docker && docker compose up --build -d nats cloud
  docker compose run --rm edge edge/bin/causeway-edge join --config /etc/causeway/edge.yaml
  docker compose exec cloud cloud/bin/causeway-cloud gateways add gateway1 KEY --config /etc/causeway/cloud.yaml
  docker compose up -d edge
END
