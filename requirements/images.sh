#!/usr/bin/env bash
# Build both images as root, without a daemon, on a root of Debian forky that is made here once; and what
# looks at their files: hadolint and compose. Usage: images.sh [BASE]. A BASE that is named is pulled.
#
# Where the machine reaches packages in a way of its own (/etc/pip.conf, its certificates), that is lent to
# the build and stays in no image.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tollgate/roots
base=${1:-}

if [ "$(command -v buildah podman runc mmdebstrap catatonit iptables | wc -l)" -lt 6 ]; then
    echo "set-up: installing buildah, podman and what they run containers and networks with"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        buildah podman runc mmdebstrap catatonit iptables containernetworking-plugins >/dev/null
fi

if [ -z "$base" ]; then
    base=localhost/tollgate-base:forky
    mkdir -p "$cache"
    if [ ! -s "$cache/forky-base.tar" ]; then
        echo "making a root of Debian forky"
        mmdebstrap --quiet --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' \
            --include=ca-certificates forky "$cache/new-forky-base.tar"
        mv "$cache/new-forky-base.tar" "$cache/forky-base.tar"
    fi
    podman image exists "$base" || podman import --quiet "$cache/forky-base.tar" "$base" >/dev/null
    pull=--pull-never
fi

lent=()
for file in /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || lent+=(--volume "$(readlink -f "$file"):$file:ro")
done

build() { # NAME DOCKERFILE CONTEXT
    echo "building $1"
    buildah bud --quiet --layers --isolation chroot --format docker ${pull:-} --build-arg BASE="$base" \
        "${lent[@]}" --tag "$1" --file "$2" "$3" >/dev/null
}

build tollgate-asterisk:local docker/asterisk/Dockerfile docker/asterisk
build tollgate:local docker/tollgate/Dockerfile .
