#!/usr/bin/env bash
# Docker Swarm, two nodes, runs what `drover export swarm` writes: swarm.sh [DROVER]. It takes four to six minutes, and ends with 77 or 78
# where it can't be tried. Debian: apt-get install docker.io docker-compose busybox-static binutils iproute2.
#
# A node is a dockerd in namespaces of its own for networks, mounts, names and processes, so that its end ends all that it runs. The nodes
# hang on a bridge in one more namespace. Images are imported into each; there is no registry.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/image.sh"

if [[ -z ${DROVER_ENGINE_DIR:-} ]]; then
    needs dockerd docker docker-compose busybox strip unshare nsenter ip iptables
    drover=$(realpath "${1:-$here/../../target/debug/drover}")
    [[ -x $drover ]] || fail "there is no $drover: cargo build -p drover-cli"
    unshare --mount --net --pid --fork true 2>/dev/null || skip "namespaces can't be made here"
    dir=$(mktemp -d /tmp/drover-swarm.XXXXXX)
    clean() {
        rm -rf -- "$dir"
        find /sys/fs/cgroup -depth -type d -path "*/${dir##*/}-n[12]*" -exec rmdir {} + 2>/dev/null || true
    }
    trap clean EXIT
    DROVER_ENGINE_DIR=$dir unshare --mount --net --pid --fork --mount-proc --kill-child "$BASH" "${BASH_SOURCE[0]}" "$drover"
    exit
fi

drover=$1
dir=$DROVER_ENGINE_DIR
cd "$dir"
mount -t tmpfs none /run
mkdir -p /run/netns /etc/docker
# dockerd writes a key there.
mount -t tmpfs none /etc/docker
# The daemon's own client: a newer one may speak another version.
[[ ! -x /usr/bin/docker ]] || docker() { /usr/bin/docker "$@"; }
on() { local node=$1; shift; docker -H "unix://$dir/n$node/docker.sock" "$@"; }
nodes() { on 1 "$@"; }

ip link add cable type bridge
ip link set cable up
for node in 1 2; do
    ip netns add "n$node"
    ip link add "port$node" type veth peer name eth0 netns "n$node"
    ip link set "port$node" master cable up
    ip -n "n$node" addr add "10.77.0.$node/24" dev eth0
    ip -n "n$node" link set eth0 up
    ip -n "n$node" link set lo up
    mkdir -p "n$node"
    nsenter --net="/run/netns/n$node" unshare --mount --uts --pid --fork --mount-proc --kill-child sh -c "
        hostname n$node && mount -t tmpfs none /run
        dockerd --data-root '$dir/n$node/data' --exec-root /run/docker -p /run/docker.pid -H 'unix://$dir/n$node/docker.sock' \
            --storage-driver vfs --cgroup-parent '/${dir##*/}-n$node' >'$dir/n$node/log' 2>&1 &
        wait" &
    machine[node]=$!
done
for node in 1 2; do
    up() { on "$node" info; }
    until_true 60 up || { tail -n 5 "n$node/log"; exit 1; }
done

say "two nodes of Docker $(on 1 version --format '{{.Server.Version}}')"
on 1 swarm init --advertise-addr 10.77.0.1 >/dev/null
on 2 swarm join --advertise-addr 10.77.0.2 --token "$(on 1 swarm join-token -q worker)" 10.77.0.1:2377
rootfs "$drover" rootfs
for version in 1 2 3; do
    # The third can't start.
    [[ $version != 3 ]] || cp rootfs/srv/broken.toml rootfs/srv/drover.toml
    [[ $version != 2 ]] || cp rootfs/srv/drover.toml shop.toml
    tar -C rootfs -cf "image$version.tar" .
    for node in 1 2; do
        on "$node" import -c 'WORKDIR /srv' -c 'ENV PATH=/bin' "image$version.tar" "shop:$version" >/dev/null
    done
done

# deploy VERSION REPLICAS
deploy() {
    rm -f stack.yaml
    "$drover" -q export swarm --strict -f shop.toml --image "shop:$1" --replicas "$2" -o stack.yaml
    nodes stack deploy --resolve-image never -c stack.yaml shop
}
tasks() { nodes stack ps shop --filter desired-state=running --format '{{.Name}} {{.Image}} {{.Node}} {{.CurrentState}}'; }
# That so many tasks run, of this version.
run() { [[ $(tasks | grep -c " shop:$1 n[12] Running") == "$2" && $(tasks | wc -l) == "$2" ]]; }
update_is() { [[ $(nodes service inspect shop_shop --format '{{.UpdateStatus.State}}') == "$1" ]]; }
counts() { on 1 exec "$clients" bash -c 'source clients.sh; counted /tmp/load.[0-9]'; }
# passed LOST: how many requests there were since the last time, and that not more were lost
before_count=0 before_lost=0
passed() {
    local count lost
    read -r count lost < <(counts)
    echo "$((count - before_count)) requests, $((lost - before_lost)) lost"
    ((count > before_count)) || fail "no requests came"
    ((lost - before_lost <= $1)) || fail "requests were lost"
    before_count=$count before_lost=$lost
}

say "drover export swarm --strict, and docker stack deploy: 2 replicas"
deploy 1 2
began=$SECONDS
until_true 120 run 1 2
echo "both healthy after $((SECONDS - began)) s"
tasks

say "four clients in the stack's network, on the first node; two ask for answers of 2 s, and two remember an address for 3 s"
# Whoever is not there is given up after 3 s.
nodes service create -q -d --name clients --sysctl net.ipv4.tcp_syn_retries=1 --network shop_default --constraint node.hostname==n1 --no-resolve-image shop:2 bash -c '
    source clients.sh
    client tasks.shop / /tmp/load.1 & client tasks.shop / /tmp/load.2 3 &
    client tasks.shop /slow /tmp/load.3 & client tasks.shop /slow /tmp/load.4 3 & wait' >/dev/null
are_there() { clients=$(on 1 ps -qf name=clients) && [[ -n $clients ]] && on 1 exec "$clients" sh -c "test -s /tmp/load.4"; }
until_true 60 are_there
clients=$(on 1 ps -qf name=clients)
read -r before_count before_lost < <(counts)

say "scale to 4"
nodes service scale -d shop_shop=4
until_true 120 run 1 4
passed 0

say "a start-first update to version 2"
began=$SECONDS
deploy 2 4
until_true 300 update_is completed
until_true 60 run 2 4
echo "completed after $((SECONDS - began)) s"
passed 0

say "an update to version 3, whose app can't start"
began=$SECONDS
deploy 3 4
until_true 300 update_is rollback_completed
until_true 60 run 2 4
echo "rolled back after $((SECONDS - began)) s: $(nodes service inspect shop_shop --format '{{.UpdateStatus.Message}}')"
nodes stack ps shop --no-trunc --format '{{.Image}} {{.CurrentState}} {{.Error}}' | grep '^shop:3' | sort | uniq -c | head -n 2
passed 0

say "drain of the second node"
nodes node update --availability drain n2 >/dev/null
until_true 120 run 2 4
all_on_1() { [[ $(tasks | grep -c ' n1 Running') == 4 ]]; }
until_true 60 all_on_1
passed 0

say "the second node comes back, and gets its share by a new update"
nodes node update --availability active n2 >/dev/null
nodes service update -q --force --no-resolve-image shop_shop >/dev/null
until_true 60 run 2 4
passed 0
tasks

say "loss of the second node: its cable is pulled, and all its processes are killed"
began=$SECONDS
ip link set port2 down
{ kill -KILL "${machine[2]}" && wait "${machine[2]}" || true; } 2>/dev/null
until_true 180 all_on_1
echo "4 tasks run on the first node after $((SECONDS - began)) s"
nodes node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
# Those that went to tasks of the lost node before Swarm noticed.
passed 1000
settled() { local count lost; read -r count lost < <(counts); [[ $lost == "$before_lost" ]] && ((count > before_count + 100)); }
until_true 120 eval 'settled || { read -r before_count before_lost < <(counts); sleep 2; false; }'
passed 0

say "the stack is removed: each task drains within its grace"
nodes service rm clients >/dev/null
nodes stack rm shop
none_left() { [[ -z $(on 1 ps -q) ]]; }
until_true 90 none_left
on 1 events --since 2m --until 0s --filter event=die --format '{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}' |
    awk '/^shop_shop/ { print "exit code", $2; cut += $2 != 0 } END { exit cut > 0 }' >codes || fail "a task was cut off"
sort codes | uniq -c

say "docker-compose up with what drover export compose writes"
"$drover" -q export compose --strict -f shop.toml --image shop:2 -o compose.yaml
compose() { DOCKER_HOST=unix://$dir/n1/docker.sock docker-compose -p shop -f "$dir/compose.yaml" "$@" 2>/dev/null; }
compose up -d
is_healthy() { [[ $(on 1 inspect --format '{{.State.Health.Status}}' "$(compose ps -q)") == healthy ]]; }
until_true 60 is_healthy
echo "healthy"
compose exec -T "$(compose config --services)" drover -q reload
container=$(compose ps -q)
began=$SECONDS
compose stop
echo "stopped after $((SECONDS - began)) s, exit code $(on 1 inspect --format '{{.State.ExitCode}}' "$container")"
compose down
say "passed in $SECONDS s"
