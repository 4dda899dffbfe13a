#!/bin/sh
# Installs what the integration tests start: Ceph, nginx, Caddy, Python and shells from Debian's packages, MinIO and
# toxiproxy built from their Go modules, denokv built from its crate. What is there already stays as it is. Programs that are built go to $ASSETS_TEST_CACHE/bin (default
# ~/.cache/assets-server-tests/bin).
set -eu

# MinIO has no tags that the Go tools understand, so the version is a commit's date and hash.
MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
DENOKV_VERSION=0.14.0
TOXIPROXY_VERSION=v2.5.0
FERRETDB_VERSION=v1.24.0
KUBERNETES_VALIDATE_VERSION=1.37.0
CEPH_PACKAGES="radosgw ceph-mon ceph-osd ceph-common"
# Proxies, the Python client, and what the command line is tried in.
TOOL_PACKAGES="nginx-light caddy python3 python3-pip curl zsh fish"
TOOL_PROGRAMS="nginx caddy python3 curl zsh fish"
CEPH_PROGRAMS="radosgw radosgw-admin ceph-mon ceph-osd monmaptool ceph"

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

all_there() {
  for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 || return 1
  done
}

# install_packages <what> <packages> <programs>: from Debian, unless the programs are there already.
install_packages() {
  # shellcheck disable=SC2086 -- lists of words
  if all_there $3; then
    echo "$1: there"
    return
  fi
  command -v apt-get >/dev/null || fail "$1: they come from Debian's packages, and there is no apt-get. Install: $2"
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "$1: Debian's packages need root: run this as root, or install sudo."
    as_root=sudo
  fi
  $as_root apt-get update
  # Recommended packages would bring a manager daemon and a desktop's worth of Python.
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $2
  # shellcheck disable=SC2086
  all_there $3 || fail "$1: apt-get ended well, but not all of these are there: $3"
}

# The schemas of Kubernetes, and a program that holds manifests to them.
install_schemas() {
  packages=${ASSETS_TEST_CACHE:-$HOME/.cache/assets-server-tests}/python
  if [ -d "$packages/kubernetes_validate-$KUBERNETES_VALIDATE_VERSION.dist-info" ]; then
    echo "kubernetes-validate is there: $packages"
    return
  fi
  python3 -m pip install --quiet --root-user-action ignore --target "$packages" \
    "kubernetes-validate==$KUBERNETES_VALIDATE_VERSION"
}

bin=${ASSETS_TEST_CACHE:-$HOME/.cache/assets-server-tests}/bin

install_minio() {
  if [ -x "$bin/minio" ]; then
    echo "MinIO is there: $bin/minio"
    return
  fi
  command -v go >/dev/null || fail "MinIO is built from source, and there is no Go compiler. Install Go from https://go.dev/dl/."
  mkdir -p "$bin"
  echo "Building MinIO $MINIO_VERSION; this takes some minutes."
  # Built beside its place and moved there, so that an interrupted build leaves no program behind.
  building=$(mktemp -d "$bin/building.XXXXXX")
  trap 'rm -rf "$building"' EXIT
  GOBIN=$building CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" "github.com/minio/minio@$MINIO_VERSION"
  mv "$building/minio" "$bin/minio"
}

install_denokv() {
  cache=${ASSETS_TEST_CACHE:-$HOME/.cache/assets-server-tests}
  if [ -x "$cache/bin/denokv" ]; then
    echo "denokv is there: $cache/bin/denokv"
    return
  fi
  # rustup puts it where not every shell looks.
  PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  command -v cargo >/dev/null || fail "denokv is built from source, and there is no cargo. Install Rust from https://rustup.rs."
  mkdir -p "$cache"
  echo "Building denokv $DENOKV_VERSION; this takes some minutes."
  cargo install denokv --locked --version "$DENOKV_VERSION" --root "$cache"
}

install_toxiproxy() {
  if [ -x "$bin/toxiproxy-server" ]; then
    echo "toxiproxy is there: $bin/toxiproxy-server"
    return
  fi
  command -v go >/dev/null || fail "toxiproxy is built from source, and there is no Go compiler. Install Go from https://go.dev/dl/."
  mkdir -p "$bin"
  echo "Building toxiproxy $TOXIPROXY_VERSION."
  building=$(mktemp -d "$bin/building.XXXXXX")
  trap 'rm -rf "$building"' EXIT
  GOBIN=$building CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" "github.com/Shopify/toxiproxy/v2/cmd/server@$TOXIPROXY_VERSION"
  mv "$building/server" "$bin/toxiproxy-server"
}

# "go install" of its module makes a program that ends at once: the module lacks the file that names its version.
install_ferretdb() {
  if [ -x "$bin/ferretdb" ] && "$bin/ferretdb" --version >/dev/null 2>&1; then
    echo "FerretDB is there: $bin/ferretdb"
    return
  fi
  command -v go >/dev/null || fail "FerretDB is built from source, and there is no Go compiler. Install Go from https://go.dev/dl/."
  mkdir -p "$bin"
  echo "Building FerretDB $FERRETDB_VERSION; this takes some minutes."
  building=$(mktemp -d "$bin/building.XXXXXX")
  trap 'rm -rf "$building"' EXIT
  # Outside of a module, so that no go.mod is looked for.
  module=$(cd "$building" && go mod download -json "github.com/FerretDB/FerretDB@$FERRETDB_VERSION" |
    sed -n 's/.*"Dir": "\(.*\)",*$/\1/p')
  [ -d "$module" ] || fail "The source of FerretDB $FERRETDB_VERSION could not be had."
  cp -R "$module" "$building/source"
  chmod -R u+w "$building/source"
  echo "$FERRETDB_VERSION" >"$building/source/build/version/version.txt"
  (cd "$building/source" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$building/ferretdb" ./cmd/ferretdb)
  mv "$building/ferretdb" "$bin/ferretdb"
}

case "${1:-}" in
  "")
    install_packages "Ceph" "$CEPH_PACKAGES" "$CEPH_PROGRAMS"
    install_packages "Proxies, Python and shells" "$TOOL_PACKAGES" "$TOOL_PROGRAMS"
    install_schemas
    install_minio
    install_denokv
    install_toxiproxy
    ;;
  ferretdb) install_ferretdb ;;
  *) fail "There is no \"$1\"; call it without a name, or with ferretdb." ;;
esac
