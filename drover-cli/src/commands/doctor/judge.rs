//! What is wrong, from what is known. Pure.

use drover_master::config::file::Config;

use super::facts::{Facts, File, Found, Machine, Master, Opening, Socket};
use super::finding::{Finding, Findings};
use super::{deadlines, protection, rights};

/// Before this the clock was never set: 2025, in seconds since 1970.
const CLOCK_IS_SET: u64 = 1_735_689_600;

/// How far clocks of a machine and its file server may be apart.
const CLOCKS_DIFFER: u64 = 60;

/// What the master needs for itself, and at most for each worker: its pidfd, two pipes, its connection, and a listener's queue.
const DESCRIPTORS: u64 = 64;
const DESCRIPTORS_OF_A_WORKER: u64 = 5;

/// Threads of the master, and programs of its probes.
const PROCESSES: u64 = 16;

/// Shells and runtimes, which as the first process of a container pass no signal on and reap nobody.
const NO_INITS: [&str; 9] = ["sh", "bash", "dash", "ash", "node", "npm", "python", "python3", "java"];

/// Everything that is wrong, the worst first.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Findings::default();
    if let Some(file) = &facts.file {
        of_file(file, facts, &mut found);
    }
    of_machine(&facts.machine, &mut found);
    if let Some(master) = &facts.master {
        of_master(master, facts, &mut found);
    } else {
        found.note(
            "protection",
            "workers end with their master, and only a service manager starts that again",
            "run `drover up` as a service: docs/guides/systemd.md; in a container give it a restart policy",
        );
    }
    facts.sockets.iter().for_each(|socket| of_socket(socket, &mut found));
    // Stable: within a level they stay in the order of the checks.
    found.0.sort_by_key(|finding| finding.level);
    found.0
}

fn of_file(file: &File, facts: &Facts, found: &mut Findings) {
    let config = match &file.read {
        Ok(config) => config,
        Err(mistakes) => {
            found.error(
                "file",
                mistakes.trim_end(),
                format!("`drover validate {}` checks it", file.path.display()),
            );
            return;
        }
    };
    for (what, advice) in &file.obstacles {
        // Where there is advice, it works, but perhaps other than was meant.
        match advice {
            Some(advice) => found.warning("file", what, advice),
            None => found.error("file", what, "correct the file, or what it names"),
        }
    }
    if file.changed > facts.machine.now + CLOCKS_DIFFER {
        found.warning(
            "clock",
            format!("{} was changed in the future, as this machine's clock has it", file.path.display()),
            "set the clock: `timedatectl set-ntp true`",
        );
    }
    let demand = Demand::of(config);
    demand.judge(&facts.machine, found);
    rights::judge(config, &facts.machine, found);
    deadlines::judge(config, &facts.machine, found);
    file.openings.iter().for_each(|opening| of_opening(opening, file, facts, found));
}

/// What a file needs of the machine.
#[derive(Debug, Clone, Copy)]
struct Demand {
    /// With those that a reload starts beside the old ones.
    workers: u64,
    /// What workers may have together before they are recycled; none: some have no limit.
    memory: Option<u64>,
}

impl Demand {
    fn of(config: &Config) -> Self {
        let apps = || config.apps.iter().map(|app| &app.spec);
        let surge = apps().map(|app| u64::from(deadlines::surge(app))).max();
        let workers = apps().map(|app| u64::from(app.workers)).sum::<u64>() + surge.unwrap_or(0);
        let memory = apps().map(|app| Some(app.recycle.rss? * u64::from(app.workers))).sum();
        Self { workers, memory }
    }

    fn judge(self, machine: &Machine, found: &mut Findings) {
        let workers = self.workers;
        let descriptors = DESCRIPTORS + workers * DESCRIPTORS_OF_A_WORKER;
        if let Some(limit) = machine.descriptors.filter(|limit| *limit < descriptors) {
            found.error(
                "descriptors",
                format!("the master needs up to {descriptors} file descriptors for {workers} workers, and the hard limit is {limit}"),
                "raise it: `LimitNOFILE=` in the unit, `ulimit -Hn`, or `--ulimit nofile=` of the container",
            );
        }
        let processes = PROCESSES + workers;
        // The kernel does not hold root to it (`setrlimit(2)`).
        if let Some(limit) = machine.processes.filter(|limit| machine.uid != 0 && *limit < processes) {
            found.error(
                "processes",
                format!("{workers} workers need {processes} processes and threads at least, and the hard limit of this user is {limit}"),
                "raise it: `LimitNPROC=` in the unit, or `ulimit -Hu`",
            );
        }
        if let Some(limit) = machine.cgroup_processes {
            let left = limit.saturating_sub(machine.cgroup_processes_now);
            if left < processes {
                found.error(
                    "processes",
                    format!("{workers} workers need {processes} processes and threads at least, and the cgroup has room for {left} of {limit}"),
                    "raise it: `TasksMax=` in the unit, or `--pids-limit` of the container",
                );
            }
        }
        if let (Some(limit), Some(memory)) = (machine.cgroup_memory, self.memory)
            && memory > limit
        {
            found.warning(
                "memory",
                format!("workers may grow to {} MiB together before `recycle.rss` ends them, and the cgroup has {} MiB", memory >> 20, limit >> 20),
                "lower `recycle.rss` or the number of workers, or raise the cgroup's limit",
            );
        }
    }
}

fn of_opening(opening: &Opening, file: &File, facts: &Facts, found: &mut Findings) {
    let Opening { key, addr, found: state } = opening;
    let answer = facts.master.as_ref().and_then(|master| master.answer.as_ref());
    let own = answer.filter(|answer| super::super::introduce::is_same_file(answer.file.as_ref(), &file.path));
    match state {
        Found::Free => {}
        Found::InUse(holder) => {
            let is_own = own.is_some_and(|own| {
                let listens = own.listeners.iter().any(|listener| listener.ends_with(&format!("={addr}")));
                listens || holder.as_ref().is_none_or(|(pid, _)| *pid == own.pid)
            });
            if is_own {
                return;
            }
            let by = match holder {
                Some((pid, name)) => format!("pid {pid} (`{}`)", name.escape_default()),
                None => "a process that this user can't see".to_owned(),
            };
            found.error("ports", format!("{key}: {addr} is in use by {by}"), "end that one, or choose another address");
        }
        Found::Denied => found.error(
            "rights",
            format!("{key}: this user may not listen on {addr}"),
            "choose a port from 1024, `AmbientCapabilities=CAP_NET_BIND_SERVICE` in the unit, or a `.socket` unit: docs/guides/systemd.md",
        ),
        Found::Wrong(why) => found.error("ports", format!("{key}: {addr} can't be opened: {why}"), "correct the address"),
    }
}

fn of_machine(machine: &Machine, found: &mut Findings) {
    if machine.now < CLOCK_IS_SET {
        found.error(
            "clock",
            "the clock of this machine is not set: it is years behind",
            "set it: `timedatectl set-ntp true`",
        );
    }
    if machine.is_killed_as_a_group {
        found.warning(
            "memory",
            "when memory runs out the kernel ends all of the cgroup together, the master too (memory.oom.group)",
            "`OOMPolicy=continue` in the unit, so that one worker ends and is restarted",
        );
    }
    if let Some(limit) = machine.cgroup_memory {
        found.note("memory", format!("the cgroup has {} MiB of memory", limit >> 20), String::new());
    }
    if machine.is_container && NO_INITS.contains(&&*machine.first_process) {
        found.warning(
            "pid1",
            format!("process 1 of this container is `{}`: it passes no signal on, and reaps no orphans", machine.first_process),
            "make drover process 1: `ENTRYPOINT [\"drover\", \"up\"]`, or `exec drover up` in the script; or run the container with an init",
        );
    }
    if machine.has_systemd && machine.uid != 0 && machine.serves_in_login && !machine.lingers {
        found.warning(
            "login",
            "the control socket goes with the last login of this user, and systemd may end what runs then",
            format!("`loginctl enable-linger {}`", machine.user),
        );
    }
}

fn of_master(master: &Master, facts: &Facts, found: &mut Findings) {
    let Some(answer) = &master.answer else {
        found.error(
            "master",
            format!("the master at {} does not answer: it is busy, or stopped (SIGSTOP)", master.socket.display()),
            "see what it does: `ps -o pid,stat,wchan,cmd -C drover`; `kill -CONT PID` lets a stopped one go on",
        );
        return;
    };
    if answer.version != env!("CARGO_PKG_VERSION") {
        found.note(
            "master",
            format!(
                "the master is version {}, and this program is {}",
                answer.version,
                env!("CARGO_PKG_VERSION")
            ),
            "`drover down`, then `drover up`, when it suits",
        );
    }
    protection::judge(answer, found);
    if let Some(file) = &facts.file
        && !answer.file.is_empty()
        && !super::super::introduce::is_same_file(answer.file.as_ref(), &file.path)
    {
        found.note(
            "master",
            format!("this master was started from {}, not from {}", answer.file, file.path.display()),
            "name the file that is meant with -f",
        );
    }
}

fn of_socket(socket: &Socket, found: &mut Findings) {
    let path = socket.path.display();
    if socket.is_stale {
        found.warning(
            "control",
            format!("{path} is left of a master that is gone: nobody listens there"),
            format!("the next `drover up` removes it, or `rm {path}`"),
        );
    }
    if socket.is_open_to_others {
        found.warning(
            "control",
            format!("others may connect to {path}: the master refuses them, but they take its time"),
            format!("`chmod 600 {path}`"),
        );
    }
    if socket.is_replaceable {
        let dir = socket.path.parent().unwrap_or(&socket.path).display();
        found.error(
            "control",
            format!("others may write to {dir}, and put a socket of theirs in the place of the master's"),
            format!("`chmod go-w {dir}`"),
        );
    }
}
