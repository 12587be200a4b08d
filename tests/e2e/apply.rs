//! Everything is brought to another description while it runs.

use std::time::Duration;

use drover_e2e::harness::{Names, Several, of_app, patiently, signal, variable_of};
use drover_master::config::{AppSpec, Condition, Dependency, Description};
use drover_master::supervisor::{ApplyError, End, Fate, Standing, StepOutcome, Steps, Supervisor};
use drover_master::{ExitDecision, Master, MasterBuilder, Outcome, Request};
use nix::sys::signal::SIGKILL;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::composite::plain;

/// A description of an app of one plain worker.
fn app(names: &Names, role: &str) -> MasterBuilder {
    plain(names.app(role, program!("worker_plain")))
}

/// What runs, changed.
fn changed(apps: &Several, change: impl FnOnce(&mut Description)) -> Description {
    let mut description = apps.handle().description();
    change(&mut description);
    description
}

fn of<'a>(description: &'a mut Description, name: &str) -> &'a mut AppSpec {
    description.apps.iter_mut().find(|app| app.name == name).expect("there is such an app")
}

fn set_env(app: &mut AppSpec, key: &str, value: &str) {
    app.command = app.command.clone().env(key, value);
}

async fn begin(apps: &Several, wanted: Description) -> Result<Steps, ApplyError> {
    let planned = apps.handle().compare(wanted).expect("it can be meant");
    patiently("the beginning", apps.handle().apply(planned, "a test")).await
}

/// Every step, as `web done`.
async fn told(mut steps: Steps) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(step) = patiently("a step", steps.next()).await {
        let role = step.app.as_deref().map_or("all", |app| app.rsplit('-').next().unwrap_or_default());
        told.push(match step.outcome {
            StepOutcome::Done => format!("{role} done"),
            StepOutcome::Skipped => format!("{role} skipped"),
            StepOutcome::RolledBack(error) => format!("{role} rolled back: {error}"),
            StepOutcome::Failed(error) => format!("{role} failed: {error}"),
            other => panic!("{other:?}"),
        });
    }
    told
}

async fn applied(apps: &Several, wanted: Description) -> Vec<String> {
    told(begin(apps, wanted).await.expect("it begins")).await
}

fn no_difference(apps: &Several, wanted: Description) {
    let planned = apps.handle().compare(wanted).expect("it can be meant");
    assert_eq!(planned.changes, []);
}

async fn ended(apps: Several) -> Vec<String> {
    apps.handle().shutdown().await;
    let (end, story) = apps.end().await;
    assert_eq!(end.end, End::ShutDown);
    story
}

#[tokio::test]
async fn new_apps_start_after_what_they_need_and_old_ones_leave_dependents_first() {
    let names = Names::new();
    let (old_db, old_web) = (app(&names, "olddb"), app(&names, "oldweb"));
    let old_web = old_web.depends_on(names.of("olddb"), Condition::Ready);
    let new_web = app(&names, "newweb").depends_on(names.of("newdb"), Condition::Ready);
    let new = [new_web.spec().clone(), app(&names, "newdb").spec().clone()];
    let gone = [names.of("olddb"), names.of("oldweb")];
    let mut apps = names.run(Supervisor::builder().app(app(&Names::new(), "stays")).app(old_db).app(old_web));
    apps.until("oldweb", "app_started").await;
    let kept = apps.handle().masters()[0].snapshot().workers[0].pid;

    let wanted = changed(&apps, |all| {
        all.apps.truncate(1);
        all.apps.extend(new);
    });
    assert_eq!(
        applied(&apps, wanted.clone()).await,
        ["newdb done", "newweb done", "oldweb done", "olddb done"]
    );
    no_difference(&apps, wanted);
    assert_eq!(apps.handle().masters().len(), 3);
    assert_eq!(apps.handle().masters()[0].snapshot().workers[0].pid, kept, "it was not touched");
    for name in gone {
        assert_eq!(of_app(&name), [0; 0]);
        let start = apps.handle().start_app(&name, "a test");
        assert!(
            patiently("the refusal", start).await.unwrap_err().to_string().starts_with("there is no app")
        );
    }
    let story = ended(apps).await;
    let at = |line: &str| {
        story.iter().position(|told| told == line).unwrap_or_else(|| panic!("{line}: {story:#?}"))
    };
    assert!(at("newdb started") < at("newweb starting"));
    assert!(at("oldweb ended: shut down, asked by a test") < at("olddb stopping"));
    assert!(at("newweb ended: shut down, asked by shutdown()") < at("newdb stopping"));
}

#[tokio::test]
async fn a_changed_environment_reaches_new_workers_and_other_apps_keep_theirs() {
    let names = Names::new();
    let (db, web) = (app(&names, "db"), app(&names, "web").env("COLOUR", "red"));
    let mut apps = names.run(Supervisor::builder().app(db).app(web));
    apps.until("web", "app_started").await;
    apps.until_started(&["db", "web"]).await;
    let (db, web) = (apps.pid("db"), apps.pid("web"));
    let name = apps.name("web");
    let wanted = changed(&apps, |all| {
        let web = of(all, &name);
        set_env(web, "COLOUR", "green");
        web.command = web.command.clone().umask(0o77);
    });
    assert_eq!(applied(&apps, wanted.clone()).await, ["web done"]);
    assert_eq!((apps.pid("db"), variable_of(apps.pid("web"), "COLOUR").as_deref()), (db, Some("green")));
    assert_ne!(apps.pid("web"), web);
    no_difference(&apps, wanted);
    ended(apps).await;
}

#[tokio::test]
async fn what_fails_is_as_it_was_and_what_comes_after_it_is_not_tried() {
    let names = Names::new();
    let (db, web) = (app(&names, "db"), app(&names, "web").depends_on(names.of("db"), Condition::Ready));
    let (broken, later) = (names.app("broken", program!("worker_exits_at_start")), app(&names, "later"));
    let (broken, later) = (broken.spec().clone(), later.spec().clone());
    let mut apps = names.run(Supervisor::builder().app(db).app(web).app(app(&Names::new(), "old")));
    apps.until("web", "app_started").await;
    let (db_name, web_name, web) = (apps.name("db"), apps.name("web"), apps.pid("web"));
    let mut later = later;
    later.depends_on = vec![Dependency { app: web_name.clone(), condition: Condition::Ready }];
    let before = apps.handle().description();

    let wanted = changed(&apps, |all| {
        all.apps.truncate(2);
        let db = of(all, &db_name);
        set_env(db, "E2E_AFTER_MS", "0");
        set_env(db, "E2E_CODE", "3");
        set_env(of(all, &web_name), "COLOUR", "green");
        all.apps.push(later.clone());
    });
    let told = applied(&apps, wanted).await;
    let reason = "worker 0 exited with code 3 while starting";
    assert!(told[0].starts_with("db rolled back: ") && told[0].ends_with(reason), "{told:?}");
    assert_eq!(told[1..], ["old skipped", "later skipped", "web skipped"]);
    no_difference(&apps, before.clone());
    assert_eq!(apps.pid("web"), web);
    assert!(variable_of(apps.pid("db"), "E2E_CODE").is_none(), "it runs as before");

    let wanted = changed(&apps, |all| all.apps.push(broken));
    let told = applied(&apps, wanted).await;
    assert!(told[0].starts_with("broken rolled back: app"), "{told:?}");
    no_difference(&apps, before);
    ended(apps).await;
}

#[tokio::test]
async fn a_renamed_app_keeps_its_socket_open() {
    let names = Names::new();
    let web = names.app("web", program!("worker_good")).listen("http", "127.0.0.1:0");
    let site = names.of("site");
    let mut apps = names.run(Supervisor::builder().app(web));
    apps.until_started(&["web"]).await;
    let addr = apps.handle().masters()[0].listener_addr("http").unwrap();
    let wanted = changed(&apps, |all| all.apps[0].name = site);
    assert_eq!(applied(&apps, wanted).await, ["site done", "web done"]);
    assert_eq!(apps.handle().masters()[0].listener_addr("http"), Some(addr));
    let mut greeting = String::new();
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    patiently("the greeting", BufReader::new(stream).read_line(&mut greeting)).await.unwrap();
    assert_eq!(greeting, format!("0 {}\n", apps.pid("site")));
    ended(apps).await;
}

#[tokio::test]
async fn live_changes_touch_no_process_that_goes_on() {
    let names = Names::new();
    let (db, web) = (app(&names, "db"), app(&names, "web"));
    let mut apps = names.run(Supervisor::builder().app(db).app(web));
    apps.until_started(&["db", "web"]).await;
    let (db_name, name, pids) = (apps.name("db"), apps.name("web"), [apps.pid("db"), apps.pid("web")]);
    let wanted = changed(&apps, |all| {
        all.shutdown_timeout = Duration::from_secs(30);
        let web = of(all, &name);
        web.workers = 2;
        web.depends_on = vec![Dependency { app: db_name, condition: Condition::Ready }];
        web.stop.drain_timeout = Duration::from_secs(1);
    });
    assert_eq!(applied(&apps, wanted.clone()).await, ["all done", "web done"]);
    no_difference(&apps, wanted);
    assert_eq!([apps.pid("db"), apps.pid("web")], pids);
    assert_eq!(of_app(&name).len(), 2);

    // Who was scaled by hand is brought back to the file.
    let wanted = apps.handle().description();
    let web = apps.handle().masters().into_iter().find(|master| master.spec().name == name).unwrap();
    patiently("the scale", web.scale(drover_master::Count::To(3))).await.unwrap();
    assert_eq!(applied(&apps, wanted).await, ["web done"]);
    assert_eq!(of_app(&name).len(), 2);
    let story = ended(apps).await;
    let at = |line: &str| story.iter().position(|told| told == line).unwrap();
    assert!(at("web ended: shut down, asked by shutdown()") < at("db stopping"), "{story:#?}");
}

#[tokio::test]
async fn what_is_held_stays_down_and_starts_as_described() {
    let names = Names::new();
    let web = app(&names, "web");
    let mut apps = names.run(Supervisor::builder().app(web));
    apps.until_started(&["web"]).await;
    let name = apps.name("web");
    let stop = apps.handle().stop_app(&name, Request::Shutdown, "a test");
    patiently("the stop", stop).await.unwrap();
    let wanted = changed(&apps, |all| set_env(of(all, &name), "COLOUR", "green"));
    assert_eq!(applied(&apps, wanted).await, ["web done"]);
    assert_eq!((of_app(&name), apps.handle().standings()), (vec![], vec![Standing::Held]));
    let start = apps.handle().start_app(&name, "a test");
    patiently("the start", start).await.unwrap();
    assert_eq!(variable_of(apps.pid("web"), "COLOUR").as_deref(), Some("green"));
    ended(apps).await;
}

#[tokio::test]
async fn what_has_failed_or_is_done_is_tried_as_it_is_described_now() {
    let names = Names::new();
    let job = app(&names, "job").env("E2E_AFTER_MS", "200").env("E2E_CODE", "3");
    let mut apps = names.run(Supervisor::builder().app(app(&Names::new(), "stays")).app(job));
    apps.until("job", "app_ended").await;
    let name = apps.name("job");
    let master = |apps: &Several| -> Master { apps.handle().masters().remove(1) };
    assert!(matches!(master(&apps).wait().await, Ok(Outcome::Failed { .. })));
    let cured = changed(&apps, |all| set_env(of(all, &name), "E2E_CODE", "0"));
    assert_eq!(applied(&apps, cured).await, ["job done"]);
    let outcome = patiently("the outcome", async { master(&apps).wait().await }).await;
    assert_eq!(outcome, Ok(Outcome::Completed));
    let again = changed(&apps, |all| set_env(of(all, &name), "COLOUR", "green"));
    assert_eq!(applied(&apps, again).await, ["job done"]);
    let outcome = patiently("the outcome", async { master(&apps).wait().await }).await;
    assert_eq!(outcome, Ok(Outcome::Completed));
    let rules = changed(&apps, |all| of(all, &name).stop.drain_timeout = Duration::from_secs(1));
    assert_eq!(applied(&apps, rules).await, ["job done"]);
    assert_eq!(apps.handle().standings()[1], Standing::Ended(Fate::Completed));
    let story = ended(apps).await;
    let starts = story.iter().filter(|line| *line == "job starting").count();
    assert_eq!(starts, 3, "{story:#?}");
}

#[tokio::test]
async fn one_apply_at_a_time_and_the_end_of_all_ends_it() {
    let names = Names::new();
    let web = app(&names, "web");
    let slow = names.app("slow", program!("worker_never_ready")).spec().clone();
    let mut apps = names.run(Supervisor::builder().app(web));
    apps.until_started(&["web"]).await;
    let wanted = changed(&apps, |all| all.apps.push(slow));
    let first = begin(&apps, wanted.clone()).await.unwrap();
    apps.until("slow", "handshaken").await;
    let refused = begin(&apps, wanted).await.unwrap_err();
    assert_eq!(refused.to_string(), "another apply is under way, asked by a test; wait for its end");
    let handle = apps.handle().clone();
    ended(apps).await;
    drop(first);
    let description = handle.description();
    let planned = handle.compare(description).unwrap();
    assert!(matches!(handle.apply(planned, "a test").await, Err(ApplyError::Gone | ApplyError::Ending)));
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused_and_nothing_is_touched() {
    let names = Names::new();
    let web = app(&names, "web");
    let mut apps = names.run(Supervisor::builder().app(web));
    apps.until_started(&["web"]).await;
    let (name, pid) = (apps.name("web"), apps.pid("web"));
    let refused = |change: &dyn Fn(&mut Description)| {
        let wanted = changed(&apps, |all| change(all));
        apps.handle().compare(wanted).unwrap_err().to_string()
    };
    assert_eq!(refused(&|all| all.apps.clear()), "no app is given");
    let on = |app: &str| vec![Dependency { app: app.to_owned(), condition: Condition::Ready }];
    let unknown = refused(&|all| of(all, &name).depends_on = on("nobody"));
    assert!(unknown.contains("depends on `nobody`, which is not one of the apps"), "{unknown}");
    let twice = refused(&|all| all.apps.push(all.apps[0].clone()));
    assert_eq!(twice, format!("the app name `{name}` is given twice"));
    assert!(refused(&|all| of(all, &name).workers = 0).contains("workers is 0"));
    assert_eq!(apps.pid("web"), pid);
    ended(apps).await;
}

#[tokio::test]
async fn a_plan_has_a_number_that_secrets_change_too() {
    let names = Names::new();
    let web = app(&names, "web").env("TOKEN", "one");
    let mut apps = names.run(Supervisor::builder().app(web));
    apps.until_started(&["web"]).await;
    let name = apps.name("web");
    let plan = |token: &str| {
        let wanted = changed(&apps, |all| set_env(of(all, &name), "TOKEN", token));
        apps.handle().compare(wanted).unwrap()
    };
    assert_eq!(plan("two").id, plan("two").id);
    assert_eq!(plan("two").changes, plan("three").changes);
    assert_ne!(plan("two").id, plan("three").id);
    let told = format!("{:?}", plan("two"));
    assert!(!told.contains("\"two\""), "{told}");
    ended(apps).await;
}

#[tokio::test]
async fn what_the_program_decides_at_an_exit_outlives_an_apply_that_makes_another_master() {
    let names = Names::new();
    let (asked, mut asks) = tokio::sync::mpsc::channel(1);
    let web = app(&names, "web").listen("http", "127.0.0.1:0").on_exit(move |context| {
        asked.try_send(context.worker.slot.0).expect("it is asked once");
        ExitDecision::Leave
    });
    let mut apps = names.run(Supervisor::builder().app(web));
    apps.until_started(&["web"]).await;
    let name = apps.name("web");
    let before = apps.pid("web");
    let renamed = changed(&apps, |all| of(all, &name).listeners[0].name = "site".to_owned());
    assert_eq!(applied(&apps, renamed).await, ["web done"]);
    let master = apps.handle().master(&name).expect("there is such an app");
    assert!(master.listener_addr("site").is_some(), "it is the master that there is now");
    assert_ne!(apps.pid("web"), before, "it was restarted");
    signal(apps.pid("web"), SIGKILL);
    assert_eq!(patiently("the question", asks.recv()).await, Some(0));
    let (end, _) = apps.end().await;
    assert_eq!(end.end, End::Failed);
}
