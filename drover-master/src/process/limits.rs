//! The limits of a worker, worked out before the fork, and what is said of one that can't be set.

use std::io;

use nix::sys::resource::{Resource as Number, getrlimit};

use crate::config::limits::shown;
use crate::config::{Limits, Resource};
use crate::machine::exit::SpawnStep;
use crate::sys::{PlannedLimit, SpawnError};

/// The limits of one child.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LimitPlan {
    /// As they are set, one after the other.
    pub limits: Vec<PlannedLimit>,
    /// What they are called and how high the master may go, in the same order.
    known: Vec<(Resource, u64)>,
}

impl LimitPlan {
    /// Limits as asked for, beside the master's own. `inherited`: the limit of open files that workers have where the master
    /// has raised its own.
    pub(super) fn of(limits: &Limits, inherited: Option<(u64, u64)>) -> io::Result<Self> {
        Self::beside(limits, inherited, |resource| Ok(getrlimit(number(resource))?.1))
    }

    fn beside(
        limits: &Limits,
        inherited: Option<(u64, u64)>,
        own_hard: impl Fn(Resource) -> io::Result<u64>,
    ) -> io::Result<Self> {
        let mut plan = Self::default();
        for (resource, limit) in &limits.resources {
            let own = own_hard(*resource)?;
            plan.add(*resource, (limit.soft, limit.hard.unwrap_or(own)), own);
        }
        if let Some((soft, hard)) = inherited
            && !plan.known.iter().any(|(resource, _)| *resource == Resource::OpenFiles)
        {
            plan.add(Resource::OpenFiles, (soft, hard), hard);
        }
        Ok(plan)
    }

    fn add(&mut self, resource: Resource, wanted: (u64, u64), own_hard: u64) {
        let nearest = (wanted.0.min(own_hard), wanted.1.min(own_hard));
        self.limits.push(PlannedLimit { resource: number(resource) as i32, wanted, nearest });
        self.known.push((resource, own_hard));
    }

    /// Why a limit could not be set, and what to do; none for steps that set none.
    pub(super) fn sentence(&self, limits: &Limits, error: SpawnError) -> Option<String> {
        let cause = io::Error::from_raw_os_error(error.errno);
        let is_denied = matches!(error.errno, libc::EPERM | libc::EACCES);
        let told = match error.step {
            SpawnStep::Limits => {
                let (planned, (resource, own_hard)) =
                    (self.limits.get(error.which)?, self.known.get(error.which)?);
                let wanted = told(planned.wanted);
                // Either value may be beyond: without a hard one the soft one is checked against the master's.
                if is_denied || planned.wanted.0 > *own_hard {
                    let own = shown(*own_hard);
                    let bound = if *resource == Resource::OpenFiles { ", up to fs.nr_open" } else { "" };
                    format!(
                        "the limit {resource} can't be set to {wanted}: the master's own hard limit is {own}, and only \
                         a process with CAP_SYS_RESOURCE may go beyond it{bound}"
                    )
                } else {
                    format!("the limit {resource} can't be set to {wanted}: {cause}")
                }
            }
            SpawnStep::Nice if is_denied => format!(
                "the priority can't be set to nice {}: only a process with CAP_SYS_NICE may go below its own",
                limits.nice?
            ),
            SpawnStep::Nice => format!("the priority can't be set to nice {}: {cause}", limits.nice?),
            SpawnStep::OomScoreAdj if is_denied => format!(
                "oom_score_adj can't be set to {}: only a process with CAP_SYS_RESOURCE may go below its own",
                limits.oom_score_adj?
            ),
            SpawnStep::OomScoreAdj => {
                format!("oom_score_adj can't be set to {} in /proc/self: {cause}", limits.oom_score_adj?)
            }
            _ => return None,
        };
        Some(told)
    }

    /// What a worker has in place of a limit that could not be set and was not required.
    pub(super) fn instead(&self, error: SpawnError) -> String {
        match self.limits.get(error.which) {
            Some(planned) if error.step == SpawnStep::Limits => format!("with {}", told(planned.nearest)),
            _ => "without it".to_owned(),
        }
    }
}

/// The limits that this process could not give to a worker, each with its key and the reason. Nothing is promised: what may be
/// asked for may change until then.
#[must_use]
pub fn limits_out_of_reach(limits: &Limits) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let Ok(plan) = LimitPlan::of(limits, None) else { return found };
    let denied = |step, which| plan.sentence(limits, SpawnError { step, errno: libc::EPERM, which });
    let is_privileged = has_capability(CAP_SYS_RESOURCE);
    for (which, (planned, (resource, own_hard))) in plan.limits.iter().zip(&plan.known).enumerate() {
        let most = match resource {
            // proc_sys_fs(5): nobody goes beyond it.
            Resource::OpenFiles if is_privileged => number_in("/proc/sys/fs/nr_open").unwrap_or(u64::MAX),
            _ if is_privileged => u64::MAX,
            _ => *own_hard,
        };
        if planned.wanted.0.max(planned.wanted.1) > most {
            found.extend(denied(SpawnStep::Limits, which).map(|why| (resource.name(), why)));
        }
    }
    // getrlimit(2): RLIMIT_NICE is counted from 20 downwards.
    let ceiling = getrlimit(Number::RLIMIT_NICE).map_or(0, |(soft, _)| soft.min(40));
    let lowest = own_nice().min(20 - i32::try_from(ceiling).unwrap_or(40));
    if limits.nice.is_some_and(|nice| nice < lowest) && !has_capability(CAP_SYS_NICE) {
        found.extend(denied(SpawnStep::Nice, 0).map(|why| ("nice", why)));
    }
    let own = number_in("/proc/self/oom_score_adj").unwrap_or(0);
    if limits.oom_score_adj.is_some_and(|adjusted| adjusted < own) && !is_privileged {
        found.extend(denied(SpawnStep::OomScoreAdj, 0).map(|why| ("oom_score_adj", why)));
    }
    found
}

/// `capabilities(7)`.
const CAP_SYS_NICE: u32 = 23;
const CAP_SYS_RESOURCE: u32 = 24;

/// Whether this process has a capability, and not only within a user namespace: limits are the host's.
fn has_capability(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    // user_namespaces(7): the map of the first one.
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_first = map.split_whitespace().eq(["0", "0", "4294967295"]);
    is_first && effective.is_some_and(|effective| effective >> number & 1 == 1)
}

/// The nineteenth field of `proc_pid_stat(5)`; the second, a name, may have spaces.
fn own_nice() -> i32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    after_name.split(' ').nth(16).and_then(|nice| nice.parse().ok()).unwrap_or(0)
}

fn number_in<T: std::str::FromStr>(file: &str) -> Option<T> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// A pair of values for people: one where they are the same.
fn told((soft, hard): (u64, u64)) -> String {
    if soft == hard { shown(soft) } else { format!("{} (soft) and {} (hard)", shown(soft), shown(hard)) }
}

const fn number(resource: Resource) -> Number {
    match resource {
        Resource::AddressSpace => Number::RLIMIT_AS,
        Resource::Core => Number::RLIMIT_CORE,
        Resource::Cpu => Number::RLIMIT_CPU,
        Resource::Data => Number::RLIMIT_DATA,
        Resource::FileSize => Number::RLIMIT_FSIZE,
        Resource::Memlock => Number::RLIMIT_MEMLOCK,
        Resource::MessageQueues => Number::RLIMIT_MSGQUEUE,
        Resource::OpenFiles => Number::RLIMIT_NOFILE,
        Resource::Processes => Number::RLIMIT_NPROC,
        Resource::RealtimePriority => Number::RLIMIT_RTPRIO,
        Resource::PendingSignals => Number::RLIMIT_SIGPENDING,
        Resource::Stack => Number::RLIMIT_STACK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limit;

    fn planned(limits: &Limits, inherited: Option<(u64, u64)>) -> LimitPlan {
        LimitPlan::beside(limits, inherited, |_| Ok(100)).unwrap()
    }

    fn values(plan: &LimitPlan) -> Vec<((u64, u64), (u64, u64))> {
        plan.limits.iter().map(|limit| (limit.wanted, limit.nearest)).collect()
    }

    fn failed(step: SpawnStep, errno: i32) -> SpawnError {
        SpawnError { step, errno, which: 0 }
    }

    #[test]
    fn without_a_hard_value_the_masters_own_holds_and_the_nearest_is_below_it() {
        for (limit, wanted, nearest) in [
            (Limit { soft: 8, hard: None }, (8, 100), (8, 100)),
            (Limit::fixed(300), (300, 300), (100, 100)),
            (Limit { soft: 8, hard: Some(Limit::UNLIMITED) }, (8, Limit::UNLIMITED), (8, 100)),
        ] {
            let plan = planned(&Limits::default().with(Resource::Stack, limit), None);
            assert_eq!(values(&plan), [(wanted, nearest)]);
        }
    }

    #[test]
    fn the_limit_of_files_that_the_master_had_is_restored_unless_one_is_asked_for() {
        assert_eq!(values(&planned(&Limits::default(), Some((7, 9)))), [((7, 9), (7, 9))]);
        let asked = Limits::default().with(Resource::OpenFiles, Limit::fixed(3));
        assert_eq!(values(&planned(&asked, Some((7, 9)))), [((3, 3), (3, 3))]);
        assert_eq!(values(&planned(&Limits::default(), None)), []);
    }

    #[test]
    fn what_this_process_could_not_give_is_told_beforehand() {
        let keys =
            |limits: &Limits| limits_out_of_reach(limits).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let (_, hard) = getrlimit(Number::RLIMIT_NOFILE).unwrap();
        let modest = Limits { nice: Some(19), oom_score_adj: Some(1000), ..Limits::default() };
        assert_eq!(keys(&modest.with(Resource::OpenFiles, Limit::fixed(hard))), [""; 0]);
        // Beyond fs.nr_open, which binds root as well.
        let beyond = Limits::default().with(Resource::OpenFiles, Limit::fixed(u64::MAX - 1));
        assert_eq!(keys(&beyond), ["nofile"]);
    }

    #[test]
    fn a_limit_that_can_not_be_set_is_told_with_the_values_that_matter() {
        let limits = Limits { nice: Some(-5), oom_score_adj: Some(-9), ..Limits::default() }
            .with(Resource::OpenFiles, Limit::fixed(300));
        let plan = planned(&limits, None);
        for (error, expected) in [
            (
                failed(SpawnStep::Limits, libc::EPERM),
                "the limit nofile can't be set to 300: the master's own hard limit is 100, and only a process with \
                 CAP_SYS_RESOURCE may go beyond it, up to fs.nr_open",
            ),
            (
                failed(SpawnStep::Nice, libc::EACCES),
                "the priority can't be set to nice -5: only a process with CAP_SYS_NICE may go below its own",
            ),
            (
                failed(SpawnStep::OomScoreAdj, libc::EACCES),
                "oom_score_adj can't be set to -9: only a process with CAP_SYS_RESOURCE may go below its own",
            ),
            (
                failed(SpawnStep::OomScoreAdj, libc::ENOENT),
                "oom_score_adj can't be set to -9 in /proc/self: No such file or directory (os error 2)",
            ),
        ] {
            assert_eq!(plan.sentence(&limits, error).as_deref(), Some(expected));
        }
        assert_eq!(plan.sentence(&limits, failed(SpawnStep::Exec, libc::EPERM)), None);
        assert_eq!(plan.instead(failed(SpawnStep::Limits, libc::EPERM)), "with 100");
        assert_eq!(plan.instead(failed(SpawnStep::Nice, libc::EPERM)), "without it");
    }
}
