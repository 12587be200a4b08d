//! What happens if the master dies. Pure.

use super::facts::{Answer, Keeper, Unit};
use super::finding::Findings;

pub(super) fn judge(answer: &Answer, found: &mut Findings) {
    let keeper = answer.keeper.as_ref();
    if let Some(keeper) = keeper {
        of_keeper(keeper, found);
    }
    let is_kept = keeper.is_some_and(|keeper| !keeper.is_gone);
    match &answer.unit {
        // The engine starts a container again, and ends all that is in it.
        None if known_pid(answer) == 1 => {}
        None if is_kept => found.note(
            "protection",
            format!(
                "the keeper (pid {}) starts another master if that crashes; if both are killed, nobody does, and plain workers stay",
                known_pid(answer)
            ),
            "run `drover up` as a service, which ends all that is left and starts it again: docs/guides/systemd.md",
        ),
        None => found.warning(
            "protection",
            format!("nobody starts the master again if it dies (pid {}), and its workers end with it", answer.pid),
            "run `drover up` as a service: docs/guides/systemd.md",
        ),
        Some(unit) => of_unit(unit, is_kept, found),
    }
}

/// What whoever started it knows.
fn known_pid(answer: &Answer) -> u32 {
    answer.keeper.as_ref().map_or(answer.pid, |keeper| keeper.pid)
}

fn of_keeper(keeper: &Keeper, found: &mut Findings) {
    if keeper.is_gone {
        found.warning(
            "protection",
            format!("the keeper (pid {}) is gone: if the master crashes, what runs ends", keeper.pid),
            "`drover down`, then `drover up`, when it suits",
        );
    } else if let Some((of_keeper, of_master)) = keeper.oom_scores.filter(|(keeper, master)| keeper >= master)
    {
        found.note(
            "protection",
            format!(
                "when memory runs out, the kernel may kill the keeper before the master: its oom_score_adj is {of_keeper}, and the master's is {of_master}"
            ),
            "lowering it takes CAP_SYS_RESOURCE: `AmbientCapabilities=CAP_SYS_RESOURCE` in the unit",
        );
    }
}

fn of_unit(unit: &Unit, is_kept: bool, found: &mut Findings) {
    let name = &unit.name;
    if unit.restart == "no" && is_kept {
        found.note(
            "protection",
            format!("systemd does not start {name} again if master and keeper are killed together"),
            "`Restart=on-failure` in the unit",
        );
    } else if unit.restart == "no" {
        found.warning(
            "protection",
            format!("systemd does not start {name} again if it dies, and its workers end with it"),
            "`Restart=on-failure` in the unit",
        );
    }
    if !matches!(&*unit.kill_mode, "" | "mixed") {
        found.warning(
            "protection",
            format!("a stop of {name} reaches the workers beside their master (KillMode={})", unit.kill_mode),
            "`KillMode=mixed` in the unit, so that the master alone is told and drains them",
        );
    }
}
