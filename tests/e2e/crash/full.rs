//! A disk without a block or an inode left, on which sockets and log files are: one master follows the other all the same.

use std::process::Command;

/// In a namespace of mounts of its own (`mount_namespaces(7)`). Prints what it sees, a line each.
const SCRIPT: &str = r#"
drover=$1; cd "$2"; mkdir full; mount -t tmpfs -o size=8m,nr_inodes=100 tmpfs full || exit 1
export XDG_RUNTIME_DIR=$2/full
until_so() { n=0; until eval "$1"; do n=$((n + 1)); [ $n -gt 600 ] && { echo "never: $1"; cat log; exit 1; }; sleep 0.1; done; }
# The answer goes to a file on another disk.
status() { $drover status --json >status 2>&-; }
master() { status; sed -n 's/.*"master":{[^}]*"keeper":{[^}]*},"pid":\([0-9]*\),.*/\1/p' status; }
pids() { status; grep -o '"phase":"started","pid":[0-9]*' status | sort; }
ready() { [ "$(pids | wc -l)" = 4 ]; }
same() { [ "$(pids)" = "$before" ] && echo "the same workers: $1"; }

$drover up >log 2>&1 & keeper=$!
trap 'pkill -KILL -P $(master) 2>&-; pkill -KILL -P $keeper; kill -KILL $keeper 2>&-' EXIT
until_so ready
before=$(pids)
until_so '[ -s full/logs/a.log ]'
cat /dev/zero >full/zero 2>&-
n=0; while : >full/inode-$n; do n=$((n + 1)); done 2>&-
echo x 2>&- >full/more || echo full
for round in 1 2 3; do
    first=$(master); kill -9 "$first"
    until_so 'ready && [ "$(master)" != '"$first"' ]'
    same "after crash $round"
done
$drover upgrade >told 2>&1; echo "upgrade: $?"
same "after an upgrade"
$drover upgrade --binary /bin/true >told 2>&1; echo "upgrade to another program: $?"
# The socket of the new generation is on another disk.
$drover reload b >told 2>&1; echo "reload: $?"
$drover restart a >told 2>&1; echo "restart: $?"
until_so ready
count=$(wc -l <log); until_so '[ "$(wc -l <log)" -gt $((count + 20)) ]'; echo "lines go on"
rm full/zero full/inode-*
$drover reload b >told 2>&1; echo "reload with room: $?"
until_so 'grep -q "lines are missing here" full/logs/a.log'; echo "lost lines are told"
$drover down >told 2>&1; wait $keeper; echo "ended with $?, sockets left: $(find full -type s | wc -l)"
"#;

const SEEN: &str = "\
full
the same workers: after crash 1
the same workers: after crash 2
the same workers: after crash 3
upgrade: 0
the same workers: after an upgrade
upgrade to another program: 8
reload: 0
restart: 0
lines go on
reload with room: 0
lost lines are told
ended with 0, sockets left: 0
";

#[test]
fn a_disk_that_is_full_stops_no_master_from_following_another() {
    let in_namespace = |words: &[&str]| {
        Command::new("unshare").args(["--mount", "--propagation", "private"]).args(words).output()
    };
    let dir = tempfile::Builder::new().prefix("full-").tempdir_in("/tmp").unwrap();
    let dir = dir.path().to_str().unwrap();
    let can = in_namespace(&["mount", "-t", "tmpfs", "tmpfs", dir]);
    if !can.as_ref().is_ok_and(|output| output.status.success()) {
        drover_e2e::complain(&format!("SKIPPED: only who may mount can have a disk that is full: {can:?}"));
        return;
    }
    let toml = format!(
        "version = 1\n[defaults]\nlogs.dir = \"{dir}/full/logs\"\n\
         [app.a]\ncommand = [\"sh\", \"-c\", \"while :; do printf '%01000d\\\\n' 1; sleep 0.02; done\"]\nworkers = 2\nstart.min_uptime = \"50ms\"\n\
         [app.b]\ncommand = [\"{}\"]\nworkers = 2\nprotocol = \"drover\"\n",
        program!("worker_sdk")
    );
    std::fs::write(format!("{dir}/drover.toml"), toml).unwrap();
    let output = in_namespace(&["bash", "-c", SCRIPT, "bash", program!("drover_command"), dir]).unwrap();
    let (seen, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(seen, SEEN, "{told}");
}
