#!/usr/bin/env bash
# systemd as the first process of a machine keeps what `drover export systemd` writes: systemd.sh [DROVER]. It ends with 77 or 78 where that can't
# be tried. Debian: apt-get install systemd-container debootstrap.
#
# The machine is a folder with Debian 13, whose systemd knows `Type=notify-reload`; it is made by debootstrap once, which takes minutes and a
# mirror. systemd-nspawn starts it, in namespaces and a control group of its own, and writes nothing to it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/image.sh"
source "$here/clients.sh"

root=${DROVER_ENGINE_ROOT:-$here/../../target/engines/trixie}
needs debootstrap systemd-nspawn nsenter unshare
drover=$(realpath "${1:-$here/../../target/debug/drover}")
[[ -x $drover ]] || fail "there is no $drover: cargo build -p drover-cli"
unshare --mount --net --pid --fork true 2>/dev/null || skip "namespaces can't be made here"
if [[ ! -e $root/made ]]; then
    say "debootstrap, once"
    rm -rf -- "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,procps trixie "$root" >"$root.log" 2>&1 ||
        skip "no Debian could be made: $(tail -n 1 "$root.log")"
    touch "$root/made"
fi
root=$(realpath "$root")

dir=$(mktemp -d /tmp/drover-systemd.XXXXXX)
mark=${dir##*/}
# Without a systemd that could give it one, the machine gets control groups made by hand.
groups=()
if [[ ! -d /run/systemd/system ]]; then
    for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        [[ -e $hierarchy/cgroup.procs ]] || continue
        mkdir "$hierarchy/$mark"
        groups+=("$hierarchy/$mark")
    done
fi
clean() {
    local init
    if [[ -n ${nspawn:-} ]] && init=$(first) && [[ -n $init ]]; then
        # With its first process all others of the machine end, and then systemd-nspawn.
        kill -KILL "$init" 2>/dev/null || true
    fi
    wait 2>/dev/null || true
    local group
    for group in "${groups[@]}"; do
        for _ in {1..100}; do
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [[ -e $group ]] || break
            sleep 0.1
        done
    done
    rm -rf -- "$dir"
}
trap clean EXIT

mkdir "$dir/srv"
cp "$here/clients.sh" "$dir/srv"
cat >"$dir/srv/worker" <<'SH'
#!/bin/sh
# A version that can't start, while there is this file.
if [ -e /srv/broken ]; then echo "no database" >&2; exit 3; fi
exec drover __demo-worker
SH
chmod 755 "$dir/srv/worker"
cat >"$dir/srv/drover.toml" <<'TOML'
version = 1
[master]
name = "shop"
[sockets.http]
listen = "0.0.0.0:8080"
[app.web]
command = "/srv/worker"
protocol = "drover"
workers = 2
sockets = ["http"]
TOML

boot() {
    (
        for group in "${groups[@]}"; do echo "$BASHPID" >"$group/cgroup.procs"; done
        exec systemd-nspawn --quiet --directory="$root" --volatile=overlay --boot --register=no ${groups:+--keep-unit} --private-network \
            --machine="$mark" --hostname=shop --bind="$dir/srv:/srv" --bind-ro="$drover:/usr/local/bin/drover" --console=read-only systemd.unit=multi-user.target
    ) >"$dir/console" 2>&1 </dev/null &
    nspawn=$!
}
first() { pgrep -P "$nspawn" | head -n 1; }
on() { nsenter --target="$(first)" --mount --uts --ipc --net --pid --root --wd -- "$@"; }
is_up() { [[ $(on systemctl is-system-running 2>/dev/null) =~ running|degraded ]]; }

# show PROPERTY: of the service, its value
show() { on systemctl show shop --property="$1" --value; }
is() { [[ $(show "$1") == "$2" ]]; }
is_other() { local now; now=$(show "$1"); [[ -n $now && $now != 0 && $now != "$2" ]]; }
status() { on env PATH=/usr/local/bin:/usr/bin:/bin drover -f /srv/drover.toml "$@"; }

clients() {
    rm -f "$dir"/srv/*.enough "$dir"/srv/count.*
    local number path
    for number in 1 2 3 4; do
        path=/
        ((number > 1)) || path=/slow
        on bash -c "source /srv/clients.sh; client 127.0.0.1 $path /srv/count.$number" &
        asking[number]=$!
    done
    until_true 30 test -s "$dir/srv/count.4"
}
# What the clients lost, which must not be more: lost AT_MOST
lost() {
    sleep 1
    touch "$dir/srv/count.enough"
    wait "${asking[@]}"
    local all gone
    read -r all gone < <(counted "$dir"/srv/count.[0-9])
    echo "$all requests, $gone lost"
    ((gone <= $1)) || fail "$gone requests were lost"
}
workers() { on pgrep -f __demo-worker | sort | tr '\n' ' '; }

boot
until_true 120 is_up
say "$(on systemctl --version | head -n 1)"
on ip link set lo up

say "drover export systemd, and systemctl enable --now"
on drover export systemd -f /srv/drover.toml -o /etc/systemd/system/shop.service 2>&1
on systemctl daemon-reload
on systemctl enable --now shop 2>&1
show Type
show StatusText
status status | head -n 3

say "systemctl reload under load: it returns when every worker is replaced"
before=$(workers)
clients
on systemctl reload shop
after=$(workers)
[[ $(printf '%s\n' $before $after | sort | uniq -d) == "" ]] || fail "not replaced: $before, $after"
show StatusText
lost 0

say "a reload to a version that can't start is rolled back, and systemctl status says so"
before=$(workers)
clients
touch "$dir/srv/broken"
on systemctl reload shop && echo "systemctl reload: 0" || echo "systemctl reload: $?"
rm "$dir/srv/broken"
show StatusText
[[ $(show StatusText) == *"rolled back"* && $(workers) == "$before" ]] || fail "other workers: $before, $(workers)"
lost 0

say "with ExecReload=drover reload and Type=notify, systemctl reload fails with it"
on mkdir -p /run/systemd/system/shop.service.d
on sh -c 'printf "[Service]\nType=notify\nExecReload=/usr/local/bin/drover -f /srv/drover.toml reload\n" >/run/systemd/system/shop.service.d/reload.conf'
on systemctl daemon-reload
touch "$dir/srv/broken"
on systemctl reload shop 2>/dev/null && fail "it succeeded" || echo "systemctl reload: $?"
rm "$dir/srv/broken"
[[ $(workers) == "$before" ]] || fail "other workers: $before, $(workers)"
on systemctl reload shop && echo "systemctl reload: 0"
[[ $(workers) != "$before" ]] || fail "not replaced"
on rm /run/systemd/system/shop.service.d/reload.conf
on systemctl daemon-reload

# The main process of the service is the keeper.
master() { status status | sed -n 's/^master pid \([0-9]*\),.*/\1/p'; }
is_other_master() { local now; now=$(master 2>/dev/null); [[ -n $now && $now != "$1" ]]; }

say "SIGKILL of the master, and an upgrade: another one goes on, and nobody notices"
before=$(workers)
main=$(show MainPID)
clients
master=$(master)
on kill -KILL "$master"
until_true 30 is_other_master "$master"
status upgrade
[[ $(workers) == "$before" && $(show MainPID) == "$main" && $(show NRestarts) == 0 ]] || fail "other workers: $before, $(workers)"
lost 0

say "SIGKILL of the master and its keeper: Restart=on-failure, and no worker of them survives"
master=$(master)
clients
on kill -KILL "$main" "$master"
until_true 60 is_other MainPID "$main"
until_true 60 is ActiveState active
for pid in $before; do ! on kill -0 "$pid" 2>/dev/null || fail "worker $pid is still there"; done
until_true 30 on bash -c 'source /srv/clients.sh; ask 127.0.0.1 /'
echo "served again, after $(show NRestarts) restart"
# Those that had an answer to come, and those that came before the new master listened.
lost 1000000

say "a stop with requests under way"
on bash -c 'source /srv/clients.sh; for i in 1 2 3 4; do { ask 127.0.0.1 /slow && echo whole; } & done; wait' >"$dir/slow" &
slow=$!
busy() { status status --json | grep -q '"in_flight": *[1-9]'; }
until_true 30 busy
begun=$SECONDS
on systemctl stop shop
wait "$slow"
echo "$(grep -c whole "$dir/slow") of 4 answers are whole; $(show Result), stopped after $((SECONDS - begun)) s"
[[ $(grep -c whole "$dir/slow") == 4 && $(show Result) == success ]] || fail "the stop cut something off"
[[ -z $(workers) ]] || fail "still there: $(workers)"

say "FileDescriptorStoreMax: no connection is refused over a restart, also without a socket unit"
on systemctl start shop
clients
on systemctl restart shop
show ActiveState
lost 0
on systemctl stop shop
# What a stopped service has left is closed.
on bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080' 2>/dev/null && fail "somebody listens"

say "a socket unit: no connection is refused over a restart"
cat >"$dir/srv/shop.socket" <<'UNIT'
[Socket]
ListenStream=0.0.0.0:8080
FileDescriptorName=http
UNIT
on cp /srv/shop.socket /etc/systemd/system/
on systemctl daemon-reload
on systemctl start shop.socket
on systemctl start shop
clients
on systemctl restart shop
show ActiveState
lost 0

say "watchdog: a master that hangs is ended, and another one goes on"
on mkdir -p /run/systemd/system/shop.service.d
on sh -c 'printf "[Service]\nWatchdogSec=2s\n" >/run/systemd/system/shop.service.d/watchdog.conf'
on systemctl daemon-reload
on systemctl restart shop
before=$(workers)
main=$(show MainPID)
clients
master=$(master)
on kill -STOP "$master"
until_true 30 is_other_master "$master"
on journalctl --unit=shop --output=cat --no-pager | grep -m 1 'hangs'
[[ $(workers) == "$before" && $(show MainPID) == "$main" ]] || fail "other workers: $before, $(workers)"
lost 0

say "passed in $SECONDS s"
