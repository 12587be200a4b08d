//! Reloads: those that lose what served, interleave with others, or take twice the memory.

use std::time::Duration;

use drover_e2e::harness::{App, patiently};
use drover_master::{Command, Count, EventKind, OperateError, Reload, Target, UpdatePolicy};

use super::{running, told};

fn to(app: &App, program: &str) -> Reload {
    let mut spec = (*app.master().spec()).clone();
    spec.command = Command::new(program);
    Reload::to(spec)
}

/// "A failed reload loses the old workers": they were stopped before the new ones were known to work.
#[tokio::test]
async fn defect_04_a_reload_that_fails_leaves_the_old_workers_and_no_other() {
    let app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let old = told(&app);
    let verdict =
        patiently("the verdict", app.master().reload(to(&app, program!("worker_exits_at_start")))).await;
    assert!(matches!(verdict, Err(OperateError::RolledBack { .. })), "{verdict:?}");
    assert_eq!((told(&app), running(&app)), (old.clone(), old));
    // And a later one is not hindered by it.
    patiently("the reload", app.master().reload(Reload::new())).await.unwrap();
    assert_eq!(running(&app), told(&app));
    app.end().await;
}

/// "Operations at the same time interleave": a reload, a scale and a restart left workers that nobody knew.
#[tokio::test]
async fn defect_06_reloads_scales_and_restarts_at_the_same_time_do_not_interleave() {
    let app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let master = app.master();
    let first = master.reload(Reload::new());
    let scale = master.scale(Count::To(3));
    let second = master.reload(Reload::new());
    let restart = master.restart(Target::All);
    for (what, ticket) in [("the first", first), ("the scale", scale), ("the second", second)] {
        patiently(what, ticket).await.unwrap();
    }
    // Refused while workers are replaced, or done: nothing between.
    let restarted = patiently("the restart", restart).await;
    assert!(matches!(restarted, Ok(()) | Err(OperateError::Denied { .. })), "{restarted:?}");
    assert_eq!((running(&app), told(&app).len()), (told(&app), 3));
    app.end().await;
}

/// "A reload doubles the memory": all new workers ran beside all old ones.
#[tokio::test]
async fn defect_10_a_reload_has_one_worker_more_than_there_are_slots_and_drains_side_by_side() {
    let app = App::started(App::builder(program!("worker_good")).workers(4)).await;
    let mut events = app.master().events();
    patiently("the reload", app.master().reload(Reload::new())).await.unwrap();
    let (mut coming, mut most) = (0_i32, 0);
    while let Some(event) = events.try_next() {
        match event.unwrap().kind {
            EventKind::Spawned => coming += 1,
            // From here on the old one drains.
            EventKind::Replaced { .. } => coming -= 1,
            _ => {}
        }
        most = most.max(coming);
    }
    assert_eq!((coming, most), (4, 5));
    app.end().await;
}

/// "A reload copies living objects": the copy had the timers and listeners of the first, and both went on.
#[tokio::test]
async fn defect_17_a_reload_by_another_description_leaves_one_master_with_the_new_one() {
    let app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let other = app.master().clone();
    let mut spec = (*other.spec()).clone();
    spec.update = UpdatePolicy { soak: Duration::from_millis(1), ..UpdatePolicy::default() };
    patiently("the reload", app.master().reload(Reload::to(spec))).await.unwrap();
    assert_eq!(other.spec().update.soak, Duration::from_millis(1));
    assert_eq!(other.snapshot().status.generation.0, 2);
    // The clone and the first are one: what one asks for the other shows.
    patiently("the restart", other.restart(Target::All)).await.unwrap();
    assert_eq!(running(&app), told(&app));
    drop(other);
    app.end().await;
}
