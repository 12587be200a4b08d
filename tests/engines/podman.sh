#!/usr/bin/env bash
# `podman kube play` runs what `drover export kubernetes` writes: podman.sh [DROVER]. It ends with 77 where that can't be tried.
#
# Everything happens in namespaces of its own, for networks, mounts and processes: whatever way it ends, nothing is left.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/image.sh"
source "$here/clients.sh"

if [[ -z ${DROVER_ENGINE_DIR:-} ]]; then
    needs podman runc busybox strip unshare ip iptables
    drover=$(realpath "${1:-$here/../../target/debug/drover}")
    [[ -x $drover ]] || fail "there is no $drover: cargo build -p drover-cli"
    unshare --mount --net --pid --fork true 2>/dev/null || skip "namespaces can't be made here"
    dir=$(mktemp -d /tmp/drover-podman.XXXXXX)
    trap 'rm -rf -- "$dir"' EXIT
    DROVER_ENGINE_DIR=$dir unshare --mount --net --pid --fork --mount-proc --kill-child "$BASH" "${BASH_SOURCE[0]}" "$drover"
    exit
fi

drover=$1
dir=$DROVER_ENGINE_DIR
# Podman remembers there what it started, and networks and locks are of this namespace alone.
mount -t tmpfs none /run
mkdir -p /var/lib/cni
mount -t tmpfs none /var/lib/cni
ip link set lo up
mkdir -p "$dir/net"
cat >"$dir/storage.conf" <<CONF
[storage]
driver = "vfs"
runroot = "/run/podman-store"
graphroot = "$dir/store"
CONF
cat >"$dir/containers.conf" <<CONF
[containers]
default_ulimits = []
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
[network]
network_backend = "cni"
network_config_dir = "$dir/net"
CONF
export CONTAINERS_STORAGE_CONF=$dir/storage.conf CONTAINERS_CONF=$dir/containers.conf

# Without systemd nothing runs health checks by a timer, which podman says each time; here they are run by hand.
podman() { command podman "$@" 2> >(grep -v 'systemd' >&2); }

cd "$dir"
say "an image of busybox and $(podman --version)"
rootfs "$drover" rootfs
tar -C rootfs -c . | podman import -q -c 'WORKDIR /srv' -c 'ENV PATH=/bin' - localhost/shop:1 >/dev/null

words=$(podman run --rm --network none localhost/shop:1 drover version 2>&1) || skip "podman runs nothing here: $words"

say "drover export kubernetes --strict, and podman kube play"
"$drover" export kubernetes --strict -f rootfs/srv/drover.toml --image localhost/shop:1 -o shop.yaml
podman kube play -q shop.yaml >/dev/null
pod=shop-pod-0
container=$pod-shop
inside() { podman exec "$container" "$@"; }
# The startup and readiness probe, which podman does not run.
until_true 60 inside drover healthcheck
inside drover status

say "the liveness probe, as podman took it over; the master halted, and going on"
podman healthcheck run "$container"
# The first process is its keeper.
master=$(inside drover status | sed -n 's/^master pid \([0-9]*\),.*/\1/p')
inside kill -STOP "$master"
! podman healthcheck run "$container" || fail "a master that is halted passes its liveness probe"
inside kill -CONT "$master"
until_true 60 podman healthcheck run "$container"

say "drover reload in the container, under load"
infra=$(podman pod inspect --format '{{.InfraContainerID}}' "$pod")
address=$(podman inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$infra")
client "$address" / load.1 & client "$address" / load.2 & client "$address" /slow load.3 &
until_true 60 test -s load.3
inside drover -q reload
touch load.enough
wait
read -r count lost < <(counted load.[0-9])
echo "$count requests, $lost lost"
[[ $lost == 0 && $count -gt 10 ]] || fail "requests were lost"

say "podman stop within the grace, with requests of 2 s under way"
grace=$(awk '/terminationGracePeriodSeconds/ { print $2 }' shop.yaml)
# One is under way once a worker has it in hand.
in_flight() { inside drover status --json | grep -q '"in_flight":[1-9]'; }
asked=() deadline=$((SECONDS + 60))
until in_flight; do
    ((SECONDS < deadline)) || fail "no request is under way"
    ask "$address" /slow & asked+=($!)
done
echo "StopTimeout of the container: $(podman inspect --format '{{.Config.StopTimeout}}' "$container") s; terminationGracePeriodSeconds: $grace"
podman stop -t "$grace" "$container" >/dev/null
for request in "${asked[@]}"; do wait "$request" || fail "a request was cut off"; done
code=$(podman inspect --format '{{.State.ExitCode}}' "$container")
podman logs "$container" 2>&1 | tail -n 4
echo "exit code $code"
[[ $code == 0 ]] || fail "it did not end gracefully"
podman kube play --down shop.yaml >/dev/null

say "exit codes that an engine sees"
ends_with() {
    local wanted=$1 code=0
    shift
    podman run --rm --network none --name ends localhost/shop:1 "$@" >/dev/null 2>&1 || code=$?
    printf '%3d: %s\n' "$code" "$*"
    [[ $code == "$wanted" ]] || fail "$wanted was expected"
}
ends_with 2 drover up -f mistaken.toml
ends_with 1 drover up -f broken.toml
podman run -d --network none --name cut localhost/shop:1 drover up >/dev/null
until_true 60 podman exec cut drover healthcheck
podman stop -t 1 cut >/dev/null
code=$(podman inspect --format '{{.State.ExitCode}}' cut)
echo "$code: a grace of 1 s, which is too short"
[[ $code == 137 ]] || fail "137 was expected"
podman rm cut >/dev/null

say "passed in $SECONDS s"
