#!/usr/bin/env bash
# Builds the wheel of the Python package and installs it into two environments: `alone`, with what it needs and nothing else, and
# `servers`, with what the tests run: wheel.sh PACKAGE FOLDER
set -euo pipefail
package=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
mkdir -p "$2"
cd "$2"

# Whoever comes second waits and finds it done. What the tests run is installed anew only if that, or Python, is another.
exec 9>.install.lock
flock 9
around=$(cat "$0" "$here/wheel.txt" <(python3 --version) | sha256sum)
wanted=$around$(cd "$package" && find . -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 sha256sum)
[[ $(cat .installed 2>/dev/null) == "$wanted" ]] && exit
[[ -z ${DROVER_OFFLINE-} ]] || { echo "it would have to be downloaded" >&2; exit 1; }

pip() { python3 -m pip --disable-pip-version-check --quiet "$@" >&2; }
rm -rf -- .installed wheel alone
# Of a copy: the sources stay as they are.
rm -rf -- source
cp -r "$package" source
pip wheel --no-deps --wheel-dir wheel ./source
python3 -m venv --without-pip alone
pip --python alone/bin/python install wheel/*.whl
if [[ $(cat .around 2>/dev/null) != "$around" ]]; then
    rm -rf -- .around servers
    python3 -m venv --without-pip servers
    pip --python servers/bin/python install -r "$here/wheel.txt"
    echo "$around" >.around
fi
pip --python servers/bin/python install --force-reinstall --no-deps wheel/*.whl
echo "$wanted" >.installed
