#!/usr/bin/env sh
# Install what the tests need from the distribution: PostgreSQL's server, libfaketime for a program whose
# clock is wrong, Chromium for the portal's pages and libatomic for what drives it, Pango, which draws receipts
# as PDF, and systemd, which judges the unit. Does nothing if all are there.
set -eu

found() {
    ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || return 1
    command -v chromium >/dev/null 2>&1 || return 1
    ls /usr/lib/*/libatomic.so.1 >/dev/null 2>&1 || return 1
    command -v systemd-analyze >/dev/null 2>&1 || return 1
    ls /usr/lib/*/libpangoft2-1.0.so.0 >/dev/null 2>&1 || return 1
    ls /usr/lib/*/libharfbuzz-subset.so.0 >/dev/null 2>&1 || return 1
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

found && exit 0
command -v apt-get >/dev/null 2>&1 || {
    echo "set-up: PostgreSQL's server, libfaketime, Chromium, libatomic, Pango or systemd is missing, and there is no apt-get to install it" >&2
    exit 1
}
if [ "$(id -u)" -eq 0 ]; then as_root=""; else as_root="sudo -n"; fi
echo "set-up: installing PostgreSQL's server, libfaketime, Chromium, libatomic, Pango and systemd"
said=$({ $as_root apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends \
        postgresql faketime chromium libatomic1 libpangoft2-1.0-0 libharfbuzz-subset0 systemd; } 2>&1) && found && exit 0
echo "set-up: PostgreSQL's server, libfaketime, Chromium, libatomic, Pango or systemd is missing; install them with: sudo apt-get install postgresql faketime chromium libatomic1 libpangoft2-1.0-0 libharfbuzz-subset0 systemd ($said)" >&2
exit 1
