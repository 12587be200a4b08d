#!/usr/bin/env bash
# Packs the Go module and its one dependency as a module proxy has them, and builds the app of a folder with what it downloads from there.
# Usage: go_module.sh RUN VERSION FOLDER APP; RUN is the `run` of examples/workers/go, whose Go and whose libraries it takes.
set -euo pipefail
run=$1 version=v$2 folder=$3 app=$4
module=github.com/drover/drover/packages/go
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# A module as a proxy has it: its go.mod, and an archive with the module and its version as the folder.
pack() {
    local module=$1 version=$2 sources=$3 at=$folder/proxy/$1/@v
    mkdir -p "$at" "$folder/files/$module@$version"
    cp -rL "$sources/." "$folder/files/$module@$version"
    echo "{\"Version\":\"$version\",\"Time\":\"2026-01-01T00:00:00Z\"}" >"$at/$version.info"
    cp "$sources/go.mod" "$at/$version.mod"
    echo "$version" >"$at/list"
    # Files alone: Go takes no folders.
    python3 - "$folder/files" "$at/$version.zip" <<-'END'
		import pathlib, sys, zipfile
		files, archive = map(pathlib.Path, sys.argv[1:])
		with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as pack:
		    for file in sorted(path for path in files.rglob("*") if path.is_file()):
		        pack.write(file, file.relative_to(files))
	END
    rm -r "$folder/files"
}

# One that only its name is wanted of.
name() {
    local at=$folder/proxy/$1/@v
    mkdir -p "$at"
    echo "module $1" >"$at/$2.mod"
    echo "{\"Version\":\"$2\",\"Time\":\"2026-01-01T00:00:00Z\"}" >"$at/$2.info"
    echo "$2" >"$at/list"
}

mkdir -p "$folder"
# Whoever comes second waits and finds it done.
(
    flock 9
    wanted=$(cat "$here"/../../../packages/go/*.* "$here"/../../../packages/go/pb/* "${BASH_SOURCE[0]}" | sha256sum)
    [[ $(cat "$folder/.packed" 2>/dev/null) == "$wanted" ]] && exit
    chmod -R u+w "$folder"/gopath 2>/dev/null || true # Go takes the right away from what it has downloaded
    rm -rf "$folder"/{proxy,files,gopath}
    for library in "$(dirname "$run")/.deps/root" ""; do
        library+=/usr/share/gocode/src/google.golang.org/protobuf
        if [[ -d $library ]]; then break; fi
    done
    pack google.golang.org/protobuf v1.28.1 "$library" >&2
    pack $module "$version" "$here/../../../packages/go" >&2
    name github.com/golang/protobuf v1.5.0
    name github.com/google/go-cmp v0.5.5
    echo "$wanted" >"$folder/.packed"
) 9>"$folder/.lock"

# Go takes what it has downloaded for unchangeable, and remembers which files a version had, in a cache of the user; here a version changes.
# shellcheck disable=SC2016 # the inner shell's
"$run" --with env GODEBUG=goindex=0 GO111MODULE=on GOFLAGS=-modcacherw GOPROXY="file://$folder/proxy" GOSUMDB=off GOPATH="$folder/gopath" GOTOOLCHAIN=local \
    bash -ec 'cd "$2"; go get "$0@$1"; go build -o "$(basename "$2")" .; go vet .' "$module" "$version" "$app" >&2
