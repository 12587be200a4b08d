//! A container as a strict cluster makes it, by the tools of util-linux: namespaces of its own, a root that can't be written to, a user
//! that nobody has heard of, no rights, and one directory to write in, which belongs to somebody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use crate::harness::{Home, Running, eventually, skipped};

/// The user of the programs in it; there is no /etc/passwd.
pub(super) const USER: u32 = 54_321;

/// $1: where the root is to be, $2: drover, $3: what is to be /tmp, $4: how /proc is mounted; what follows replaces the shell.
const FURNISH: &str = r#"
set -e
root=$1 drover=$2 tmp=$3 proc=$4
shift 4
mount -t tmpfs -o mode=0755 none "$root"
cd "$root"
mkdir usr proc dev tmp run srv
for link in bin sbin lib lib32 lib64; do
    if [ -L "/$link" ]; then cp -d "/$link" "$link"
    elif [ -d "/$link" ]; then mkdir "$link"; mount --rbind "/$link" "$link"; fi
done
mount --rbind /usr usr
mount --bind "$tmp" tmp
touch srv/drover dev/null dev/zero dev/urandom
mount --bind "$drover" srv/drover
for device in null zero urandom; do mount --bind "/dev/$device" "dev/$device"; done
if [ -e tmp/termination-log ]; then
    touch dev/termination-log
    mount --bind tmp/termination-log dev/termination-log
fi
mount -t tmpfs -o noexec,mode=0555 none run
[ "$proc" = none ] || mount -t proc -o "$proc" none proc
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"#;

/// A container, and the home that its files are in.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) home: Home,
    /// How its /proc is mounted.
    proc: &'static str,
}

impl Room {
    /// With /proc mounted by these options, or none; None where this machine allows no such thing.
    pub(super) fn new(proc: &'static str) -> Option<Self> {
        let home = Home::new();
        // As `emptyDir` of Kubernetes: everybody may write, and remove what others have there.
        for (dir, mode) in [("root", 0o755), ("tmp", 0o777)] {
            fs::create_dir(home.path(dir)).expect("a directory can be made");
            fs::set_permissions(home.path(dir), fs::Permissions::from_mode(mode)).expect("it is ours");
        }
        let room = Self { home, proc };
        let tried = room.command(&["true"]).output().expect("there is a shell");
        if tried.status.success() {
            return Some(room);
        }
        let why = String::from_utf8_lossy(&tried.stderr).into_owned();
        skipped(&format!("no container can be made here: {}", why.trim()));
        None
    }

    /// What is /tmp in it.
    pub(super) fn tmp(&self, name: &str) -> PathBuf {
        self.home.path("tmp").join(name)
    }

    /// An empty file in it that everybody may write to.
    pub(super) fn writable(&self, name: &str) -> PathBuf {
        let path = self.tmp(name);
        fs::write(&path, "").expect("it is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("it is ours");
        path
    }

    /// Writes a drover.toml into it.
    pub(super) fn describe(&self, toml: &str) {
        fs::write(self.tmp("drover.toml"), format!("version = 1\n{toml}")).expect("it is ours");
    }

    /// Starts `drover` as its first process.
    pub(super) fn start(&self, args: &[&str]) -> Running {
        Running::start(&mut self.command(&[&["/srv/drover"], args].concat()))
    }

    /// `drover` as another process of the machine, at the control socket of this one.
    pub(super) fn status(&self) -> serde_json::Value {
        let dir = fs::read_dir(self.tmp(&format!("drover-{USER}"))).expect("it is made for the socket");
        let mut sockets =
            dir.map(|entry| entry.expect("it can be read").path()).filter(|path| path.extension().is_some());
        let socket =
            sockets.find(|path| path.extension().is_some_and(|end| end == "sock")).expect("it serves");
        let mut ask = self.home.bare(&["status", "--json", "-s"]);
        let ended = Running::start(ask.arg(socket)).end();
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }

    fn command(&self, program: &[&str]) -> Command {
        // Only its environment and directory are those of the home.
        let bare = self.home.bare(&[]);
        let mut command = Command::new("unshare");
        for (name, value) in bare.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.env_remove("XDG_RUNTIME_DIR").env_remove("DROVER_CONTROL");
        command.env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command.args(["--mount", "--pid", "--ipc", "--fork", "--kill-child"]);
        let user = USER.to_string();
        let mut rights = vec!["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"];
        if geteuid().is_root() {
            rights.extend(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        } else {
            // Here the user is another by name only, and it has its rights until the furniture stands.
            command.args(["--user", "--map-user", &user, "--map-group", &user, "--keep-caps"]);
            rights.push("--ambient-caps=-all");
        }
        command.args(["sh", "-c", FURNISH, "sh"]).arg(self.home.path("root"));
        command.arg(env!("CARGO_BIN_EXE_drover")).arg(self.home.path("tmp")).arg(self.proc);
        command.args(rights).args(program).stdin(Stdio::null());
        command
    }
}

/// The first process of a container, as this machine numbers it.
pub(super) fn first_process(of: &Running) -> u32 {
    eventually("the first process", || children(of.pid()).first().copied())
}

/// The children of a process.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect::<Vec<_>>())
        .collect()
}
