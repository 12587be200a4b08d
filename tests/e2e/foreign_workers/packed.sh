#!/usr/bin/env bash
# Packs the npm package and installs the archive, with what its tests are for, into an empty folder: packed.sh PACKAGE FOLDER
set -euo pipefail
package=$(realpath "$1")
wanted=$(cat "$0" "$package"/*.* "$package"/lib/* | sha256sum)
mkdir -p "$2"
cd "$2"

# Whoever comes second waits and finds it done.
exec 9>.install.lock
flock 9
[[ $(cat .installed 2>/dev/null) == "$wanted" ]] && exit
rm -rf -- .installed node_modules package.json package-lock.json drover-worker-*.tgz
npm pack --silent "$package" >&2
echo '{ "private": true }' >package.json
npm install --no-audit --no-fund ${DROVER_OFFLINE:+--offline} ./drover-worker-*.tgz \
    express@5.3.0 fastify@5.12.8 koa@3.3.0 ws@8.23.0 tsx@4.23.15 typescript@5.9.3 @types/node@22.20.7 >&2
echo "$wanted" >.installed
