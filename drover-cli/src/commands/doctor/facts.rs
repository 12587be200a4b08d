//! What `doctor` knows before it judges.

use std::path::PathBuf;

use drover_master::config::file::Config;

/// Everything that was found out. What can't be known here is absent.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) machine: Machine,
    pub(super) file: Option<File>,
    pub(super) master: Option<Master>,
    pub(super) sockets: Vec<Socket>,
}

/// The machine, and what this user may do on it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) uid: u32,
    pub(super) user: String,
    /// As in `capabilities(7)`: a bit each.
    pub(super) capabilities: u64,
    /// The hard limits; none: without limit.
    pub(super) descriptors: Option<u64>,
    pub(super) processes: Option<u64>,
    /// Of the cgroup; none: without limit.
    pub(super) cgroup_memory: Option<u64>,
    pub(super) cgroup_processes: Option<u64>,
    /// How many of those there are already.
    pub(super) cgroup_processes_now: u64,
    /// The kernel ends all of the cgroup together when memory runs out.
    pub(super) is_killed_as_a_group: bool,
    /// The first port that everybody may listen on.
    pub(super) first_free_port: u16,
    /// The name of process 1; empty: unknown.
    pub(super) first_process: String,
    pub(super) is_container: bool,
    pub(super) has_systemd: bool,
    /// The user's services outlive his logins.
    pub(super) lingers: bool,
    /// Where masters of this user serve goes with his last login.
    pub(super) serves_in_login: bool,
    /// Seconds since 1970.
    pub(super) now: u64,
}

impl Default for Machine {
    /// One on which nothing is wrong.
    fn default() -> Self {
        Self {
            uid: 1000,
            user: "me".to_owned(),
            capabilities: 0,
            descriptors: None,
            processes: None,
            cgroup_memory: None,
            cgroup_processes: None,
            cgroup_processes_now: 0,
            is_killed_as_a_group: false,
            first_free_port: 1024,
            first_process: "systemd".to_owned(),
            is_container: false,
            has_systemd: true,
            lingers: true,
            serves_in_login: false,
            now: 1_800_000_000,
        }
    }
}

/// A drover.toml.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// Why it can't be used, as `validate` shows it; or what it says.
    pub(super) read: Result<Config, String>,
    /// What of it would not work here, and what can be done about it.
    pub(super) obstacles: Vec<(String, Option<String>)>,
    pub(super) openings: Vec<Opening>,
    /// When it was last changed, in seconds since 1970.
    pub(super) changed: u64,
}

/// Whether something of a file can be opened to listen on.
#[derive(Debug)]
pub(super) struct Opening {
    /// Its key, such as `sockets.http`.
    pub(super) key: String,
    pub(super) addr: String,
    pub(super) found: Found,
}

#[derive(Debug)]
pub(super) enum Found {
    Free,
    /// By somebody, or by this process with this name.
    InUse(Option<(u32, String)>),
    Denied,
    /// What else is wrong with it.
    Wrong(String),
}

/// The master that is meant.
#[derive(Debug, Default)]
pub(super) struct Master {
    pub(super) socket: PathBuf,
    /// Absent: it does not answer.
    pub(super) answer: Option<Answer>,
}

#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) pid: u32,
    pub(super) version: String,
    /// Empty: none.
    pub(super) file: String,
    /// As `name=address`.
    pub(super) listeners: Vec<String>,
    pub(super) unit: Option<Unit>,
    pub(super) keeper: Option<Keeper>,
}

/// What starts another master if that one crashes.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    pub(super) pid: u32,
    /// Gone: nobody does any more.
    pub(super) is_gone: bool,
    /// Of it and of the master, as in `proc_pid_oom_score_adj(5)`.
    pub(super) oom_scores: Option<(i32, i32)>,
}

/// The service of systemd that a master is.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub(super) name: String,
    /// What `systemctl show` says of it; empty: nothing.
    pub(super) restart: String,
    pub(super) kill_mode: String,
}

/// A control socket.
#[derive(Debug, Default)]
pub(super) struct Socket {
    pub(super) path: PathBuf,
    pub(super) is_stale: bool,
    /// Others than its user may ask there: they may write to it, and enter its directory.
    pub(super) is_open_to_others: bool,
    /// Others may put theirs in its place.
    pub(super) is_replaceable: bool,
}
