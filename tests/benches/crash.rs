//! No request is lost while masters are killed and upgraded, at full length; and what that costs their keeper.

use std::fs;

use drover_e2e::load::chaos;
use drover_e2e::load::service::Service;
use drover_e2e::load::step::{Pace, Step};
use drover_e2e::load::trial::under_load;
use drover_e2e::say;

use crate::load::{ALL, MODES, setup};
use crate::options::Options;
use crate::program::pss_kb;

/// At least so many requests in each of the eight trials: two million in all.
const REQUESTS: u64 = 250_000;

/// How many masters are killed, or upgraded, in each.
const STEPS: usize = 50;

/// Whether every trial was clean.
pub(crate) async fn trials(options: &Options) -> bool {
    let steps = options.rounds(STEPS);
    let requests = if options.is_quick() { REQUESTS / 10 } else { REQUESTS };
    let mut all_clean = true;
    for (mode, socket) in MODES {
        for (what, steps) in [
            ("the master is killed", vec![Step::KillMaster; steps]),
            ("the master is killed in a reload", vec![Step::KillMasterInReload(Pace::OneByOne); steps]),
            // Each kills two.
            ("masters are killed at any moment of an operation", chaos::steps(steps / 2)),
            ("upgrade", vec![Step::Upgrade; steps]),
        ] {
            let service = Service::start(setup(socket, "")).await;
            let keeper = service.keeper();
            let before = Keeper::look(keeper);
            let report = under_load(&service, ALL, &steps, requests).await;
            let after = Keeper::look(keeper);
            say(&format!("crash, {mode}, {what}: {report}; the keeper had {before}, and then {after}"));
            for problem in &report.problems {
                say(&format!("  FAILED: {problem}"));
            }
            all_clean &= report.problems.is_empty();
            service.end().await;
        }
    }
    all_clean
}

/// What a keeper has.
struct Keeper {
    descriptors: usize,
    pss_kb: f64,
}

impl Keeper {
    fn look(pid: u32) -> Self {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Self { descriptors, pss_kb: pss_kb(pid) }
    }
}

impl std::fmt::Display for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} descriptors, {:.0} kB", self.descriptors, self.pss_kb)
    }
}
