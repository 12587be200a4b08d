//! Pids that become somebody else's, in a namespace in which that can be brought about: nobody else's process is touched.

use std::process::Command;

/// In a namespace of its own (`pid_namespaces(7)`), in which `ns_last_pid` tells the kernel which pid to give next. Prints what it sees, a line each.
const SCRIPT: &str = r#"
drover=$1; cd "$2"; export XDG_RUNTIME_DIR=$2
until_so() { n=0; until eval "$1"; do n=$((n + 1)); [ $n -gt 600 ] && { echo "never: $1"; cat log*; exit 1; }; sleep 0.1; done; }
ready() { $drover status 2>&- | grep -q '3 of 3 ready'; }
pid_of() { $drover status 2>&- | sed -n "s/^ a\/$1 .* ready *\([0-9]*\) .*/\1/p"; }
master() { $drover status 2>&- | sed -n 's/^master pid \([0-9]*\),.*/\1/p'; }
innocent() { echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid; sleep "$2" & echo "got $([ $! = "$1" ] && echo the || echo another) number: $3"; }
is_there() { [ "$(ps -o args= -p "$1")" = "sleep $2" ] && echo "lives: $3"; }

$drover up >log 2>&1 & keeper=$!
until_so ready
# A worker dies while no master runs.
first=$(master) dead=$(pid_of 0)
kill -STOP $keeper; kill -9 "$first" "$dead"
until_so 'grep -q "^State:.Z" /proc/'"$dead"'/status'
innocent "$dead" 7771 "a worker that is not reaped"; one=$!
kill -CONT $keeper
until_so 'ready && [ "$(master)" != '"$first"' ] && [ -n "$(pid_of 0)" ] && [ "$(pid_of 0)" != '"$dead"' ]'
is_there $one 7771 "of a worker that was not reaped"
# Keeper and master die, and then a worker.
first=$(master) dead=$(pid_of 0) other=$(pid_of 1)
kill -9 $keeper "$first"; wait $keeper 2>&-
kill -9 "$dead"; until_so '[ ! -e /proc/'"$dead"' ] && [ ! -e /proc/'"$first"' ]'
innocent "$dead" 7772 "a worker that is gone"; two=$!
innocent "$first" 7773 "a master that is gone"; three=$!
innocent $keeper 7774 "a keeper that is gone"; four=$!
[ -e "/proc/$other" ] && echo "left: a worker"
$drover up >log2 2>&1 & keeper=$!
until_so ready
is_there $two 7772 "of a worker"; is_there $three 7773 "of a master"; is_there $four 7774 "of a keeper"
echo "sleepers: $(pgrep -fc '^sleep 1000$')"
$drover down 2>&-
wait $keeper; echo "ended with $?"
is_there $two 7772 "of a worker, after the end"
echo "sleepers: $(pgrep -fc '^sleep 1000$')"
"#;

const SEEN: &str = "\
got another number: a worker that is not reaped
lives: of a worker that was not reaped
got the number: a worker that is gone
got the number: a master that is gone
got the number: a keeper that is gone
left: a worker
lives: of a worker
lives: of a master
lives: of a keeper
sleepers: 3
ended with 0
lives: of a worker, after the end
sleepers: 0
";

const TOML: &str =
    "version = 1\n[app.a]\ncommand = [\"sleep\", \"1000\"]\nworkers = 3\nstart.min_uptime = \"50ms\"\n";

/// What is in the namespace ends with its first process.
#[test]
fn a_pid_that_has_become_another_processs_means_nothing() {
    let in_namespace = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).args(words).output()
    };
    let can =
        in_namespace(&["sh", "-c", "echo 1 >/proc/sys/kernel/ns_last_pid && ps -o args= -p 1 && pgrep sh"]);
    if !can.as_ref().is_ok_and(|output| output.status.success()) {
        drover_e2e::complain(&format!(
            "SKIPPED: only who may make a namespace of pids can give them anew: {can:?}"
        ));
        return;
    }
    let dir = tempfile::Builder::new().prefix("numbers-").tempdir_in("/tmp").unwrap();
    std::fs::write(dir.path().join("drover.toml"), TOML).unwrap();
    let dir = dir.path().to_str().unwrap();
    let output = in_namespace(&["bash", "-c", SCRIPT, "bash", program!("drover_command"), dir]).unwrap();
    let (seen, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(seen, SEEN, "{told}");
}
