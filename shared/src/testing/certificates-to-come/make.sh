#!/bin/sh
# Makes the certificates beside it anew: valid from 2060 to 2120, so that every clock is behind them.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/ca.conf" <<END
[ca]
default_ca = own
[own]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
END
: >"$work/index"
echo 01 >"$work/serial"

# name, section of the extensions, issuer (its own name: signed by itself), begin
make() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.key" 2>/dev/null
  openssl req -new -key "$work/$1.key" -subj "/CN=$1" -out "$work/$1.csr"
  [ "$3" = "$1" ] && own=-selfsign || own="-cert $work/$3.pem"
  openssl ca -batch -notext -config "$work/ca.conf" -extensions "$2" $own -keyfile "$work/$3.key" \
    -in "$work/$1.csr" -out "$work/$1.pem" -startdate "$4" -enddate 21200101000000Z 2>/dev/null
}
make authority authority authority 20200101000000Z
make stranger authority stranger 20200101000000Z
make between authority authority 20600101000000Z
make server server between 20600101000000Z
make forged server server 20600101000000Z
make client client authority 20600101000000Z
cp "$work/authority.pem" "$work/stranger.pem" "$work/client.pem" "$work/server.key" .
cat "$work/server.pem" "$work/between.pem" >server.pem
openssl x509 -noout -dates -in server.pem
cat "$work/forged.pem" "$work/server.pem" "$work/between.pem" >forged.pem
cp "$work/forged.key" .
