#!/usr/bin/env bash
# Both commands of the README on bare roots of other systems. Usage, as root: distros.sh [SUITE …]
#
# For each of bookworm, trixie and forky: `make run ONCE=1` and `make test` of what is committed here.
# Then the installation that production needs, requirements/run.txt alone, with `tollgate doctor`.
# ONLY=run, ONLY=test or ONLY=production does one of the three. Roots are kept packed in the cache and
# unpacked anew each time; nothing stays mounted, for each runs in a mount namespace of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tollgate/roots
work=$(mktemp -d /var/tmp/tollgate-distros.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache"

packed() { # SUITE: a system with what the README asks for, and nothing else
    [ -s "$cache/$1.tar" ] && return
    echo "$1: making its root"
    mmdebstrap --quiet --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' \
        --include=python3,git,make,ca-certificates "$1" "$cache/new-$1.tar"
    mv "$cache/new-$1.tar" "$cache/$1.tar"
}

unpacked() { # SUITE: its folder, with this tree as it is committed, and this machine's way to packages
    local root=$work/$1
    mkdir "$root"
    tar --extract --file "$cache/$1.tar" --directory "$root" --exclude=./dev
    mkdir -p "$root"/{dev,proc,sys,tmp}
    git clone --quiet --no-hardlinks . "$root/root/tollgate"
    for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
        [ ! -e "$file" ] || cp --dereference "$file" "$root$file"
    done
    echo "127.0.1.1 $(hostname)" >>"$root/etc/hosts"
    echo "$root"
}

inside() { # ROOT COMMAND: in a mount namespace that ends with the command
    unshare --mount --propagation private -- sh -c '
        mount --bind /dev "$1/dev" && mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts" &&
            mount -t tmpfs tmpfs "$1/dev/shm" && mount -t proc proc "$1/proc" && mount -t sysfs sysfs "$1/sys" &&
            exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
                PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
                chroot "$1" sh -ec "cd /root/tollgate; $2"' sh "$1" "$2"
}

production='
    python3 -c "import ensurepip" 2>/dev/null || { apt-get update -qq; apt-get install -y -qq python3-venv >/dev/null; }
    python3 -m venv /opt/tollgate
    /opt/tollgate/bin/pip install --quiet --require-hashes -r requirements/run.txt
    /opt/tollgate/bin/pip install --quiet --no-deps .
    cd /var/lib && mkdir -p tollgate && cd tollgate && touch tollgate.toml
    /opt/tollgate/bin/tollgate --version
    /opt/tollgate/bin/tollgate ledger prepare
    /opt/tollgate/bin/tollgate explain 0033612345678
    /opt/tollgate/bin/tollgate balance
    /opt/tollgate/bin/tollgate doctor --no-asterisk || [ $? -eq 1 ]'

failed=0
try() { # SUITE WHAT COMMAND
    if [ -n "${ONLY:-}" ] && [ "$ONLY" != "$2" ]; then return; fi
    local root log=$cache/$1-$2.log status=0
    root=$(unpacked "$1")
    inside "$root" "$3" >"$log" 2>&1 || status=$?
    rm -rf "$root"
    echo "$1: $2: $([ $status -eq 0 ] && echo passed || echo "FAILED ($status)"), see $log"
    [ $status -eq 0 ] || failed=1
}

for suite in "${@:-bookworm trixie forky}"; do
    for each in $suite; do
        packed "$each"
        try "$each" run 'make run ONCE=1'
        try "$each" test 'make test'
        try "$each" production "$production"
    done
done
exit $failed
