//! No request is lost by a reload under load, whether it comes to anything or not, and never do fewer serve than it may cost.

use drover_e2e::load::notes::Version;
use drover_e2e::load::step::{Pace, Step};

use crate::load::{fewest, trials};

#[tokio::test]
async fn reloads_of_one_worker_after_the_other_lose_no_request() {
    assert_eq!(fewest(&[Step::Reload(Pace::OneByOne); 3]).await, 4);
}

#[tokio::test]
async fn reloads_of_all_workers_at_once_lose_no_request() {
    assert_eq!(fewest(&[Step::Reload(Pace::AllAtOnce); 5]).await, 4);
}

#[tokio::test]
async fn reloads_that_may_leave_one_out_lose_no_request_and_leave_three_at_work() {
    assert_eq!(fewest(&[Step::Reload(Pace::OneMissing); 3]).await, 3);
}

#[tokio::test]
async fn a_version_that_cannot_serve_is_rolled_back_and_loses_no_request() {
    for pace in Pace::ALL {
        let bad = [Version::Fails, Version::NeverReady, Version::Crashes];
        let steps: Vec<Step> = bad.map(|bad| Step::ReloadInVain(pace, bad)).into();
        for report in trials(&[&steps[..], &[Step::Reload(pace)]].concat()).await {
            assert!(report.observed.crashes > 0, "{report}");
            assert_eq!(report.observed.serving.len(), 4, "{report}");
        }
    }
}
