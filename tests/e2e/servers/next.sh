#!/usr/bin/env bash
# Installs the Next app of a folder with the npm package, and builds it, in another folder: next.sh PACKAGE APP FOLDER
set -euo pipefail
self=$(realpath "$0") package=$(realpath "$1") app=$(realpath "$2")
mkdir -p "$3"
cd "$3"

# Whoever comes second waits and finds it done.
exec 9>.install.lock
flock 9
sources=$(find "$app" -type f -name '*.js*' | sort)
# What the build has made depends on the app; the package is beside it.
wanted=$(cat "$self" $sources | sha256sum)
if [[ $(cat .built 2>/dev/null) != "$wanted" ]]; then
    rm -rf -- .built .installed .next node_modules package.json package-lock.json pages next.config.js
    cp -r "$app"/. .
    # Not what it has for pictures, and only the compiler for this machine.
    npm install --no-audit --no-fund ${DROVER_OFFLINE:+--offline} --omit=optional "@next/swc-linux-$(node -p process.arch)-gnu@$(node -p "require('$app/package.json').dependencies.next")" >&2
    NEXT_TELEMETRY_DISABLED=1 npm run build >&2
    rm -rf -- .next/cache
    echo "$wanted" >.built
fi
wanted=$(cat "$package"/*.* "$package"/lib/* | sha256sum)
if [[ $(cat .installed 2>/dev/null) != "$wanted" ]]; then
    rm -rf -- drover-worker-*.tgz
    npm pack --silent "$package" >&2
    npm install --no-audit --no-fund ${DROVER_OFFLINE:+--offline} --omit=optional ./drover-worker-*.tgz >&2
    echo "$wanted" >.installed
fi
