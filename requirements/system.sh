#!/usr/bin/env sh
# Install what the tests need from the distribution: PostgreSQL's server, and libfaketime for a program
# whose clock is wrong. Does nothing if both are there.
set -eu

found() {
    ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || return 1
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

found && exit 0
command -v apt-get >/dev/null 2>&1 || {
    echo "set-up: PostgreSQL's server or libfaketime is missing, and there is no apt-get to install it" >&2
    exit 1
}
if [ "$(id -u)" -eq 0 ]; then as_root=""; else as_root="sudo -n"; fi
echo "set-up: installing PostgreSQL's server and libfaketime"
said=$({ $as_root apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends \
        postgresql faketime; } 2>&1) && found && exit 0
echo "set-up: PostgreSQL's server or libfaketime is missing; install them with: sudo apt-get install postgresql faketime ($said)" >&2
exit 1
