//! No request is lost while workers come and go, at full length.

use drover_e2e::load::generator::Clients;
use drover_e2e::load::notes::Version;
use drover_e2e::load::service::{Service, Setup};
use drover_e2e::load::step::{Pace, Step};
use drover_e2e::load::trial::under_load;
use drover_e2e::say;

use crate::options::Options;
use crate::program::DROVER;

pub(crate) const WORKER: &str = env!("CARGO_BIN_EXE_worker_http");
pub(crate) const WORKERS: u32 = 4;

/// Every kind of client.
pub(crate) const ALL: Clients = Clients { once: 8, kept: 8, slow: 40 };

/// At least so many requests in each trial.
const REQUESTS: u64 = 100_000;

/// How workers share a socket: in words, and as lines of `drover.toml`.
pub(crate) const MODES: [(&str, &str); 2] = [("shared", ""), ("reuseport", "mode = \"reuseport\"")];

/// How many steps of a kind a trial has.
const STEPS: usize = 20;

/// The service, with these lines for its socket and its app.
pub(crate) fn setup(socket: &'static str, app: &'static str) -> Setup {
    Setup { drover: DROVER.into(), worker: WORKER.into(), workers: WORKERS, socket, app }
}

/// Whether every trial was clean.
pub(crate) async fn trials(options: &Options) -> bool {
    let steps = options.rounds(STEPS);
    let mut all_clean = true;
    for (mode, socket) in MODES {
        for (what, steps) in [
            ("reload, one by one", vec![Step::Reload(Pace::OneByOne); steps]),
            ("reload, all at once", vec![Step::Reload(Pace::AllAtOnce); steps]),
            ("reload, one missing", vec![Step::Reload(Pace::OneMissing); steps]),
            ("reload in vain", bad_reloads().take(steps).collect()),
            ("scale", scales(steps)),
            (
                "suspend and resume",
                slots(steps).flat_map(|slot| [Step::Suspend(slot), Step::Resume(slot)]).collect(),
            ),
            ("restart", slots(steps).map(Step::Restart).collect()),
            ("restart beside", slots(steps).map(Step::Renew).collect()),
            ("stop and start", slots(steps).map(Step::StopAndStart).collect()),
            ("restart of all", vec![Step::RestartAll; steps]),
            ("scale in vain", bad_versions().cycle().take(steps.div_ceil(3)).collect()),
            ("crash loop", slots(steps.div_ceil(3)).map(Step::CrashLoop).collect()),
            // Neighbouring numbers, so that young ones are killed as well as old ones.
            ("kill", (0..steps).map(Step::Kill).collect()),
        ] {
            let service = Service::start(setup(socket, "")).await;
            let requests = if options.is_quick() { REQUESTS / 10 } else { REQUESTS };
            let report = under_load(&service, ALL, &steps, requests).await;
            say(&format!("load, {mode}, {what}: {report}"));
            for problem in &report.problems {
                say(&format!("  FAILED: {problem}"));
            }
            all_clean &= report.problems.is_empty();
            service.end().await;
        }
    }
    all_clean
}

fn scales(steps: usize) -> Vec<Step> {
    [6, 3, 8, 1, 5, 2, 7, 4].into_iter().cycle().take(steps).map(Step::Scale).collect()
}

fn slots(steps: usize) -> impl Iterator<Item = u32> {
    (0..WORKERS).cycle().take(steps)
}

fn bad_reloads() -> impl Iterator<Item = Step> {
    let bad = [Version::Fails, Version::NeverReady, Version::Crashes].into_iter().cycle();
    bad.zip(Pace::ALL.into_iter().cycle().flat_map(|pace| [pace; 3]))
        .map(|(bad, pace)| Step::ReloadInVain(pace, bad))
}

fn bad_versions() -> impl Iterator<Item = Step> + Clone {
    [Version::Fails, Version::NeverReady].into_iter().map(|version| Step::ScaleInVain(6, version))
}
