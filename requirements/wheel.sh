#!/usr/bin/env bash
# What an office is installed from, of what is committed here: a wheel, and a list of it and of every
# package beside it with their hashes. Usage: wheel.sh PYTHON FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(realpath --no-symlinks "$1") out=$(realpath --canonicalize-missing "$2")
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git archive HEAD | tar --extract --directory "$copy"
mkdir -p "$out"
build="from setuptools import build_meta; print(build_meta.build_wheel('$out'))"
(cd "$copy" && "$python" -c "$build" >said 2>noise) || { cat "$copy/noise" >&2; exit 1; }
wheel=$(tail -n 1 "$copy/said")
version=${wheel#tollgate-} version=${version%%-*}
{
    cat requirements/run.txt
    echo "./$wheel --hash=sha256:$(sha256sum "$out/$wheel" | cut -d' ' -f1)"
} >"$out/tollgate-$version.txt"
echo "$out/$wheel"
echo "$out/tollgate-$version.txt"
