#!/usr/bin/env sh
# Make .venv hold exactly requirements/dev.txt and this project. Usage: requirements/venv.sh [PYTHON]
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3}

fail() {
    echo "set-up: $*" >&2
    exit 1
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Tollgate needs Python 3.11 or newer; '$python' is not. Try: make setup PYTHON=python3.12"

# Debian's Python comes without the part that makes environments; its package is python3-venv.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" -eq 0 ]; then as_root=""; else as_root="sudo -n"; fi
    echo "set-up: installing python3-venv"
    said=$({ $as_root apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq python3-venv; } 2>&1) ||
        fail "python3-venv is missing; install it with: sudo apt-get install python3-venv ($said)"
fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt
# Compiled once: a process that starts without it spends a second on that, every time.
.venv/bin/uv pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements/dev.txt
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
