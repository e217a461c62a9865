#!/bin/sh
# Makes what deploy/nats/nats.conf and the cloud need to trust each other; what is there stays.
#   make-access.sh FOLDER NAME|ADDRESS…      server: names and addresses that gateways dial
#   make-access.sh FOLDER --client NAME      a certificate for NAME, where nats.conf has `verify: true`
#
#   FOLDER/ca.pem       for gateways: tls.caFile        FOLDER/ca.key    signs; keep it away from servers
#   FOLDER/server/      for nats-server                 FOLDER/users/    shared: written by the cloud
#   FOLDER/cloud/       seeds, for the cloud            FOLDER/nats.env  their public halves, for nats-server
#   FOLDER/clients/     certificates of clients
set -eu
usage() { sed -n '3,4s/^# *//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
checkout=$(cd "$(dirname "$0")/../.." && pwd)
folder=$1
shift
umask 077
mkdir -p "$folder/server" "$folder/users" "$folder/cloud" "$folder/clients"
cd "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
sign() { # KEY CERTIFICATE COMMON-NAME EXTENSIONS DAYS
  openssl req -new -key "$1" -subj "/CN=$3" -out "$work/request" 2>/dev/null
  printf '%b' "$4" > "$work/extensions"
  openssl x509 -req -in "$work/request" -CA ca.pem -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" \
    -days "$5" -sha256 -extfile "$work/extensions" -out "$2" 2>/dev/null
}

if [ ! -f ca.pem ]; then
  new_key ca.key
  openssl req -x509 -new -key ca.key -subj "/CN=Causeway" -days 7300 -sha256 -out ca.pem \
    -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
fi
if [ "$1" = --client ]; then
  [ $# -eq 2 ] || usage
  new_key "clients/$2.key"
  sign "clients/$2.key" "clients/$2.pem" "$2" \
    'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n' 1825
  echo "$folder/clients/$2.pem and $2.key: tls.certFile and tls.keyFile of $2"
  exit
fi
names=
for name in "$@"; do
  case $name in
    *[!0-9.]*:* | *:*) names="$names,IP:$name" ;;
    *[!0-9.]*) names="$names,DNS:$name" ;;
    *) names="$names,IP:$name" ;;
  esac
done
if [ ! -f server/server.pem ]; then
  new_key server/server.key
  sign server/server.key server/server.pem "$1" \
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=${names#,}\n" 1825
fi
cp ca.pem server/ca.pem
[ -f users/gateways.conf ] || echo "users: []" > users/gateways.conf
# Read by others than who makes them; nothing in them is secret.
chmod 755 . users
chmod 644 ca.pem users/gateways.conf
"$checkout/node_modules/.bin/causeway-cloud" key cloud/cloud.nk > "$work/cloud"
"$checkout/node_modules/.bin/causeway-cloud" key cloud/system.nk > "$work/system"
printf 'NATS_CLOUD_KEY=%s\nNATS_SYSTEM_KEY=%s\n' "$(cat "$work/cloud")" "$(cat "$work/system")" > nats.env
echo "$folder is ready: see docs/security.md for who needs what of it"
