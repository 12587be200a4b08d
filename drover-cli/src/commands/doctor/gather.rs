//! What the machine says of itself. May wait for a disk, a name server or systemd, so it is on a thread of its own.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use drover_master::config::file as config;
use drover_master::control::{ControlPath, goes_with_login};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::unistd::{User, geteuid};

use super::facts::{Facts, File, Machine, Master, Socket, Unit};
use super::opening;
use crate::output::message;

pub(super) fn facts(file: Option<PathBuf>, mut master: Option<Master>) -> Facts {
    if let Some(answer) = master.as_mut().and_then(|master| master.answer.as_mut()) {
        answer.unit = unit_of(answer.pid);
        if let Some(keeper) = &mut answer.keeper {
            keeper.oom_scores = oom_score(keeper.pid).zip(oom_score(answer.pid));
        }
    }
    let asked = master.as_ref().map(|master| master.socket.clone());
    let mut live = ControlPath::live();
    live.extend(asked.filter(|path| !live.contains(path)));
    let stale = ControlPath::stale();
    let sockets = live.iter().map(|path| (path, false)).chain(stale.iter().map(|path| (path, true)));
    let sockets: Vec<Socket> = sockets.filter_map(|(path, is_stale)| socket(path, is_stale)).collect();
    Facts { machine: machine(&live), file: file.map(read), master, sockets }
}

fn read(path: PathBuf) -> File {
    let changed = fs::metadata(&path).and_then(|found| found.modified()).map(seconds).unwrap_or_default();
    let read = config::read(&path).and_then(|text| {
        let config = config::parse_file(&path, &text)?;
        Ok((text, config))
    });
    match read {
        Ok((text, config)) => {
            let found = drover_master::obstacles(&text, &config, path.parent());
            let obstacle =
                |found: &config::Mistake| (found.message().to_owned(), found.advice().map(str::to_owned));
            let obstacles = found.iter().map(obstacle).collect();
            File { path, openings: opening::of_file(&config), read: Ok(config), obstacles, changed }
        }
        Err(error) => {
            let text = message::load_error(&error, false);
            File { path, read: Err(text), obstacles: Vec::new(), openings: Vec::new(), changed }
        }
    }
}

fn machine(live: &[PathBuf]) -> Machine {
    let uid = geteuid();
    // It may ask a name server: on a thread of its own, and the user waits for the answer.
    let user = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    let cgroup = Cgroup::own();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let would_serve_in_login = live.is_empty() && runtime.is_some_and(|dir| goes_with_login(&dir));
    Machine {
        lingers: Path::new("/var/lib/systemd/linger").join(&user).exists(),
        uid: uid.as_raw(),
        user,
        capabilities: capabilities(&text("/proc/self/status")).unwrap_or_default(),
        descriptors: hard(Resource::RLIMIT_NOFILE),
        processes: hard(Resource::RLIMIT_NPROC),
        cgroup_memory: cgroup.smallest("memory.max"),
        cgroup_processes: cgroup.smallest("pids.max"),
        cgroup_processes_now: cgroup.number("pids.current").unwrap_or_default(),
        is_killed_as_a_group: cgroup.number("memory.oom.group") == Some(1),
        first_free_port: text("/proc/sys/net/ipv4/ip_unprivileged_port_start").trim().parse().unwrap_or(1024),
        first_process: text("/proc/1/comm").trim().to_owned(),
        is_container: ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists())
            || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        // As `sd_booted(3)` tells.
        has_systemd: Path::new("/run/systemd/system").exists(),
        serves_in_login: would_serve_in_login || live.iter().any(|path| goes_with_login(path)),
        now: seconds(SystemTime::now()),
    }
}

fn hard(resource: Resource) -> Option<u64> {
    getrlimit(resource).ok().map(|(_, hard)| hard).filter(|hard| *hard != RLIM_INFINITY)
}

/// `proc_pid_status(5)`, in hexadecimal.
fn capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// The cgroup of this process and those above it, in version 2 of the hierarchy.
struct Cgroup {
    dirs: Vec<PathBuf>,
}

impl Cgroup {
    fn own() -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let own = path_of_cgroup(&text("/proc/self/cgroup")).unwrap_or_default();
        let dir = root.join(own.trim_start_matches('/'));
        Self { dirs: dir.ancestors().take_while(|dir| dir.starts_with(root)).map(Path::to_owned).collect() }
    }

    /// A limit holds for all below it.
    fn smallest(&self, file: &str) -> Option<u64> {
        let limit = |dir: &PathBuf| fs::read_to_string(dir.join(file)).ok()?.trim().parse::<u64>().ok();
        self.dirs.iter().filter_map(limit).min()
    }

    fn number(&self, file: &str) -> Option<u64> {
        text(self.dirs.first()?.join(file)).trim().parse().ok()
    }
}

/// `cgroups(7)`: `0::/path` in version 2.
fn path_of_cgroup(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

fn oom_score(pid: u32) -> Option<i32> {
    text(format!("/proc/{pid}/oom_score_adj")).trim().parse().ok()
}

/// The service that a process is of; not the one that a login is.
fn unit_of(pid: u32) -> Option<Unit> {
    let path = path_of_cgroup(&text(format!("/proc/{pid}/cgroup")))?;
    let name = service_in(&path)?.to_owned();
    let mut show = Command::new("systemctl");
    if path.contains("/user@") {
        show.arg("--user");
    }
    let show =
        show.args(["show", &name, "--property=Restart,KillMode"]).stdin(Stdio::null()).stderr(Stdio::null());
    let said =
        show.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let value = |key: &str| {
        said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default().to_owned()
    };
    Some(Unit { restart: value("Restart"), kill_mode: value("KillMode"), name })
}

fn service_in(path: &str) -> Option<&str> {
    let last = path.rsplit('/').find(|part| part.ends_with(".service") || part.ends_with(".scope"))?;
    // A terminal, a cron job, a session by ssh: they start nothing again.
    (last.ends_with(".service") && !last.starts_with("user@") && last != "cron.service").then_some(last)
}

fn socket(path: &Path, is_stale: bool) -> Option<Socket> {
    let own = fs::symlink_metadata(path).ok().filter(|found| found.file_type().is_socket())?;
    let dir = fs::metadata(path.parent()?).ok()?;
    let is_open_to_others = own.mode() & 0o022 != 0 && dir.mode() & 0o011 != 0;
    // Where the sticky bit is, only its owner may remove a file.
    let is_replaceable = dir.mode() & 0o022 != 0 && dir.mode() & 0o1000 == 0;
    Some(Socket { path: path.to_owned(), is_stale, is_open_to_others, is_replaceable })
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_a_service_only_where_something_starts_it_again() {
        for (path, service) in [
            ("/system.slice/shop.service", Some("shop.service")),
            ("/user.slice/user-7.slice/user@7.service/app.slice/shop.service", Some("shop.service")),
            ("/user.slice/user-7.slice/user@7.service/app.slice/term-1.scope", None),
            ("/user.slice/user-7.slice/session-3.scope", None),
            ("/user.slice/user-7.slice/user@7.service/init.scope", None),
            ("/system.slice/cron.service", None),
            ("/", None),
        ] {
            assert_eq!(service_in(path), service, "{path}");
        }
    }

    #[test]
    fn what_the_kernel_says_is_understood() {
        assert_eq!(capabilities("Name:\tx\nCapEff:\t0000000000000400\n"), Some(0x400));
        assert_eq!(path_of_cgroup("1:name=x:/a\n0::/b/c\n"), Some("/b/c".to_owned()));
        assert!(facts(None, None).machine.now > 1_700_000_000);
    }
}
