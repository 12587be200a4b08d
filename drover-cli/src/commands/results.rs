//! How an operation went, one line for each that was meant.

use drover_proto::latest::OperationResult;

use super::deed::Deed;
use super::targets::Targets;
use crate::exit_status::ExitStatus;
use crate::output::message;

/// Tells one result, and what it means to a script.
pub(super) fn tell(result: &OperationResult, deed: Deed, only_begun: bool, targets: &Targets) -> ExitStatus {
    let Some(error) = &result.error else {
        return message::whole_result(&line(result, deed, only_begun, targets.pid(&result.name)));
    };
    // The master's sentence names who is meant where it is not the name itself.
    let text = match error.message.contains(&result.name) {
        true => error.message.clone(),
        false => format!("{}: {}", result.name, error.message),
    };
    message::error_text(&text);
    message::last_words(&result.last_words);
    ExitStatus::of_refusal(error.code())
}

fn line(result: &OperationResult, deed: Deed, only_begun: bool, old: Option<u32>) -> String {
    let (name, new) = (&result.name, Some(result.pid).filter(|pid| *pid != 0));
    let workers = |count| if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") };
    let done = match (deed, only_begun) {
        (Deed::Scale, true) => return format!("{name} scales to {}", workers(result.desired)),
        (Deed::Scale, false) => return format!("{name} scaled to {}", workers(result.desired)),
        (Deed::Start, true) => return format!("{name} starts"),
        (Deed::Stop, true) => return format!("{name} stops"),
        (Deed::Restart | Deed::Renew, true) => return format!("{name} restarts"),
        (Deed::Suspend, true) => return format!("{name} is draining and will be suspended"),
        (Deed::Resume, true) => return format!("{name} resumes"),
        (Deed::Suspend, false) => "suspended",
        (Deed::Resume, false) => "resumed",
        (Deed::Start, false) => "started",
        (Deed::Stop, false) => "stopped",
        (Deed::Restart | Deed::Renew, false) => "restarted",
        (Deed::Signal, _) => "signalled",
        (Deed::Reset, _) => return format!("{name} reset"),
    };
    match (deed, old, new) {
        (Deed::Restart | Deed::Renew, Some(old), Some(new)) => format!("{name} {done}, pid {old} → {new}"),
        (Deed::Stop, Some(pid), None) | (_, _, Some(pid)) => format!("{name} {done}, pid {pid}"),
        _ => format!("{name} {done}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_what_was_done_and_to_which_process() {
        let of = |name: &str, pid| OperationResult { name: name.into(), pid, ..Default::default() };
        let worker = |pid| of("web/0", pid);
        let app_of = |desired| OperationResult { name: "web".into(), desired, ..Default::default() };
        for (line, expected) in [
            (line(&worker(34), Deed::Restart, false, Some(12)), "web/0 restarted, pid 12 → 34"),
            (line(&worker(34), Deed::Restart, false, None), "web/0 restarted, pid 34"),
            (line(&worker(0), Deed::Stop, false, Some(12)), "web/0 stopped, pid 12"),
            (line(&worker(0), Deed::Stop, false, None), "web/0 stopped"),
            (line(&worker(34), Deed::Start, false, None), "web/0 started, pid 34"),
            (line(&worker(12), Deed::Signal, false, Some(12)), "web/0 signalled, pid 12"),
            (line(&worker(12), Deed::Restart, true, Some(12)), "web/0 restarts"),
            (line(&worker(12), Deed::Suspend, false, Some(12)), "web/0 suspended, pid 12"),
            (line(&worker(34), Deed::Resume, false, Some(12)), "web/0 resumed, pid 34"),
            (line(&of("web", 0), Deed::Suspend, true, None), "web is draining and will be suspended"),
            (line(&of("web", 0), Deed::Restart, false, None), "web restarted"),
            (line(&of("web", 0), Deed::Stop, true, None), "web stops"),
            (line(&app_of(4), Deed::Scale, false, None), "web scaled to 4 workers"),
            (line(&app_of(1), Deed::Scale, true, None), "web scales to 1 worker"),
        ] {
            assert_eq!(line, expected);
        }
    }
}
