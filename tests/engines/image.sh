# The image that the engines run: busybox, bash, `drover` with what they are linked to, and a drover.toml whose workers drover brings
# along. Read by podman.sh and swarm.sh.

# With what a script needs to be found where a user's PATH may lack it.
PATH=$PATH:/usr/sbin:/sbin

skip() {
    printf 'SKIPPED: %s\n' "$*" >&2
    exit 77
}

# 77 where the rights are missing, 78 where only an installation is.
needs() {
    local program
    [[ $EUID == 0 ]] || skip "$0 takes root, for networks and control groups of its own"
    for program in "$@"; do
        command -v "$program" >/dev/null && continue
        printf 'SKIPPED: there is no %s on this machine\n' "$program" >&2
        exit 78
    done
}

say() { printf '\n# %s\n' "$*"; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Waits until a command succeeds: until SECONDS COMMAND…
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "not in time: $*"
        sleep 0.2
    done
}

# rootfs DROVER FOLDER
rootfs() {
    local drover=$1 root=$2 name
    mkdir -p "$root"/{bin,srv,etc,proc,sys,dev,run,tmp}
    chmod 1777 "$root/tmp"
    cp "$(command -v busybox)" "$root/bin/busybox"
    for name in sh cat sleep nslookup awk id kill; do ln -sf busybox "$root/bin/$name"; done
    cp "$BASH" "$root/bin/bash"
    strip -o "$root/bin/drover" "$drover"
    # None where it is linked statically.
    for name in "$BASH" "$drover"; do ldd "$name" 2>/dev/null || true; done | { grep -o '/lib[^ ]*' || true; } | sort -u |
        while read -r name; do
            mkdir -p "$root$(dirname "$name")"
            cp -L "$name" "$root$name"
        done
    cp "$here/clients.sh" "$root/srv/clients.sh"
    cat >"$root/srv/drover.toml" <<'TOML'
version = 1
[master]
name = "shop"
[sockets.http]
listen = "0.0.0.0:8080"
[app.web]
command = "drover __demo-worker"
protocol = "drover"
workers = 2
sockets = ["http"]
stop = { pre_delay = "5s" }
TOML
    # A file with a mistake, and one whose app can't start.
    printf 'version = 1\n[app.web]\n' >"$root/srv/mistaken.toml"
    printf 'version = 1\n[app.web]\ncommand = "sh -c \\"exit 3\\""\n' >"$root/srv/broken.toml"
}
