#!/bin/sh
# Makes the certificates of the tests anew. They guard nothing: their keys stand beside them.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
from=20200101000000Z
until=21200101000000Z

sign() { # NAME KEY-FILE SUBJECT EXTENSION UNTIL HOW-TO-SIGN…
  name=$1 key=$2 subject=$3 extension=$4 end=$5
  shift 5
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" \
    -keyout "$key" -out "$work/$name.csr" 2>/dev/null
  mkdir -p "$work/$name"
  : > "$work/$name/index"
  cat > "$work/$name/ca.cnf" <<END
[ca]
default_ca = own
[own]
database = $work/$name/index
rand_serial = yes
new_certs_dir = $work/$name
default_md = sha256
policy = any
x509_extensions = more
[any]
commonName = optional
organizationName = optional
[more]
$extension
END
  openssl ca -batch -notext -config "$work/$name/ca.cnf" -startdate "$from" -enddate "$end" \
    -in "$work/$name.csr" -out "$name.pem" "$@" 2>/dev/null
}

authority() { # NAME
  sign "$1" "$work/$1.key" "/CN=$1 of the tests" 'basicConstraints = critical,CA:TRUE' "$until" \
    -selfsign -keyfile "$work/$1.key"
}

leaf() { # NAME AUTHORITY SUBJECT ALTERNATIVE-NAMES UNTIL
  sign "$1" "$1-key.pem" "$3" "subjectAltName = $4" "$5" -cert "$2.pem" -keyfile "$work/$2.key"
}

authority authority
authority stranger-authority
local='DNS:localhost,IP:127.0.0.1'
leaf server authority /CN=localhost "$local" "$until"
leaf renewed authority /CN=localhost "$local" "$until"
leaf expired authority /CN=localhost "$local" 20210101000000Z
leaf device authority /CN=pump-7 URI:urn:dev:pump-7 "$until"
leaf nameless authority /O=Causeway "DNS:a,DNS:b" "$until"
leaf stranger stranger-authority /CN=pump-7 URI:urn:dev:pump-7 "$until"
