//! A worker may live on, exit or be killed while no master runs, whatever its kind and its phase: the outcome has to be the same as under a
//! master that lives. Each case runs twice, without a crash and with one, and the outcomes are compared.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use drover_e2e::harness::{is_running, signal};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::home::{Home, app_of, number, workers_of};

/// How many cases are run at a time. With more, a worker of the protocol that is to leave would come near to its 5 s on a slow machine.
const AT_ONCE: usize = 4;

const KINDS: [&str; 3] = ["plain", "notify", "drover"];

/// How the app comes to have a worker in some phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Starting,
    Started,
    /// Asked to stop, it drains. Only a worker of the protocol tells that apart from leaving.
    Stopping,
    Leaving,
    LeavingByScale,
    /// In a reload: the new one is not ready yet.
    NewInReload,
    /// In a reload: the old one leaves.
    OldInReload,
    Suspended,
}

const MOMENTS: [Moment; 8] = [
    Moment::Starting,
    Moment::Started,
    Moment::Stopping,
    Moment::Leaving,
    Moment::LeavingByScale,
    Moment::NewInReload,
    Moment::OldInReload,
    Moment::Suspended,
];

/// What becomes of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    Exits,
    IsKilled,
}

const FATES: [Fate; 3] = [Fate::Lives, Fate::Exits, Fate::IsKilled];

type Case = (&'static str, Moment, Fate);

/// What is the case in the end, and what has happened: each line as often.
type Outcome = BTreeMap<String, usize>;

#[test]
fn whatever_becomes_of_a_worker_while_there_is_no_master_ends_as_if_there_had_been_one() {
    let of_kind = |kind| MOMENTS.into_iter().flat_map(move |moment| FATES.map(|fate| (kind, moment, fate)));
    let cases: Vec<Case> = KINDS
        .into_iter()
        .flat_map(of_kind)
        .filter(|(kind, moment, _)| *kind == "drover" || *moment != Moment::Stopping)
        .collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tried = std::panic::catch_unwind(|| {
                        let (expected, found) = (outcome(*case, false), outcome(*case, true));
                        let only = |of: &Outcome, other: &Outcome| {
                            let lines = of.iter().filter(|(line, count)| other.get(*line) != Some(count));
                            lines.map(|(line, count)| format!("{count} × {line}\n")).collect::<String>()
                        };
                        let (missing, strange) = (only(&expected, &found), only(&found, &expected));
                        assert!(
                            found == expected,
                            "{case:?}: without a crash\n{missing}and with it\n{strange}"
                        );
                    });
                    if tried.is_err() {
                        failed.lock().unwrap().push(*case);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_by_key(|(kind, moment, fate)| (*kind, *moment as u8, *fate as u8));
    assert!(failed.is_empty(), "{failed:#?}");
}

fn outcome(case: Case, crashes: bool) -> Outcome {
    let (kind, moment, fate) = case;
    let mut home =
        Home::up(&format!("{case:?}, {}", if crashes { "a crash" } else { "no crash" }), &described(kind));
    let worker = reach(&home, moment);
    let master = home.master();
    if crashes {
        // Nobody follows as long as the keeper is stopped.
        signal(home.keeper(), Signal::SIGSTOP);
        signal(master, Signal::SIGKILL);
        home.until("the end of the master", || (!is_running(master)).then_some(()));
    }
    match fate {
        Fate::Lives => {}
        Fate::Exits => home.place(&format!("fate-{worker}")),
        Fate::IsKilled => signal(worker, Signal::SIGKILL),
    }
    if fate != Fate::Lives {
        home.until("the end of the worker", || (!is_running(worker)).then_some(()));
    }
    if crashes {
        signal(home.keeper(), Signal::SIGCONT);
    }
    if moment == Moment::Starting && fate != Fate::Lives {
        // An app that can't be started is the end of all.
        ["drained", "leave"].iter().for_each(|file| home.place(file));
        home.is_over(1);
        let log = home.log();
        let lines = log.lines().filter(|line| line.starts_with("drover: a/") || line.starts_with("error"));
        return lines.map(|line| (without_numbers(&line.into()), 1)).collect();
    }
    if crashes {
        let status = home.until_so("another master", |status| status["master"]["pid"] != master);
        home.has_what_it_should(&status);
    }
    let status = settle(&home, moment);
    let mut told = events_of(&home);
    told.insert(state_of(&status, worker).to_string(), 1);
    home.end();
    told
}

fn described(kind: &str) -> String {
    let more = match kind {
        "plain" => {
            "start.probe = { exec = [\"test\", \"-e\", \"DIR/go\"], interval = \"20ms\" }\nsuspend = { signal = \"USR1\", resume_signal = \"USR2\" }\n"
        }
        "notify" => "protocol = \"notify\"\nsuspend = { signal = \"USR1\", resume_signal = \"USR2\" }\n",
        _ => "protocol = \"drover\"\n",
    };
    format!(
        "[app.a]\ncommand = [\"{}\"]\nworkers = 2\nrestart.backoff = {{ initial = \"20ms\", jitter = 0 }}\n\
         start.timeout = \"2m\"\nstop.drain_timeout = \"2m\"\nstop.term_timeout = \"2m\"\n\
         env.E2E_KIND = \"{kind}\"\n{more}",
        program!("worker_of_fate")
    )
}

/// Brings a worker to where it is to be; its pid.
fn reach(home: &Home, moment: Moment) -> u32 {
    if moment == Moment::Starting {
        let is_there =
            |status: &Value| of_slot(status, 0, |_| true).filter(|_| workers(status, |_| true) == 2);
        return home.until("both", || is_there(&home.status()?));
    }
    home.place("go");
    let status = home.until_ready("a", 2);
    if moment == Moment::Started {
        return of_slot(&status, 0, |_| true).unwrap();
    }
    if moment != Moment::Stopping {
        home.place("drained");
    }
    let found: fn(&Value) -> Option<u32> = match moment {
        Moment::Starting | Moment::Started => unreachable!(),
        Moment::Stopping => {
            later(home, &["stop", "a"]);
            |status| {
                let is_so = |worker: &Value| worker["phase"] == "stopping";
                of_slot(status, 0, is_so).filter(|_| workers(status, is_so) == 2)
            }
        }
        Moment::Leaving => {
            later(home, &["stop", "a"]);
            |status| {
                let is_so = |worker: &Value| worker["phase"] == "shutting_down";
                of_slot(status, 0, is_so).filter(|_| workers(status, is_so) == 2)
            }
        }
        Moment::LeavingByScale => {
            later(home, &["scale", "a=1"]);
            |status| of_slot(status, 1, |worker| worker["phase"] == "shutting_down")
        }
        Moment::NewInReload => {
            home.take("go");
            later(home, &["reload", "a"]);
            |status| of_slot(status, 0, |worker| worker["generation"] == 2)
        }
        Moment::OldInReload => {
            later(home, &["reload", "a"]);
            |status| {
                of_slot(status, 0, |worker| worker["generation"] == 1 && worker["phase"] == "shutting_down")
            }
        }
        Moment::Suspended => {
            home.run(&["suspend", "a"]);
            |status| of_slot(status, 0, |worker| worker["phase"] == "stopped")
        }
    };
    home.until(&format!("{moment:?}"), || found(&home.status()?))
}

/// Lets everything that waits go on, until nothing changes any more.
fn settle(home: &Home, moment: Moment) -> Value {
    ["go", "drained", "leave"].iter().for_each(|file| home.place(file));
    match moment {
        Moment::Stopping | Moment::Leaving => {
            home.until_so("the end of the app", |status| app_of(status, "a")["phase"] == "shut_down")
        }
        Moment::LeavingByScale => home.until_ready("a", 1),
        Moment::Suspended => {
            home.run(&["resume", "a"]);
            home.until_ready("a", 2)
        }
        _ => home.until_ready("a", 2),
    }
}

/// The app, and its workers; `fated` is one of them, or is gone.
fn state_of(status: &Value, fated: u32) -> Value {
    let app = app_of(status, "a");
    let workers: Vec<Value> = workers_of(status, "a")
        .iter()
        .map(|worker| {
            let exit = &worker["last_exit"];
            json!({
                "slot": worker["slot"], "id": worker["id"], "phase": worker["phase"], "role": worker["role"],
                "generation": worker["generation"], "restarts": worker["restarts"],
                "is_fated": worker["pid"] == fated,
                "exit": exit_of(exit),
            })
        })
        .collect();
    json!({
        "phase": app["phase"], "generation": app["generation"], "desired": app["desired"], "ready": app["ready"],
        "outcome": without_numbers(&app["outcome"]), "operation": app["operation"], "workers": workers,
    })
}

fn events_of(home: &Home) -> Outcome {
    let output = home.output_of(&["events", "--json"]);
    let mut events = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        // Workers of the protocol greet the next master as well; and it is left to chance whether the end of a connection is told before
        // that of its worker.
        if ["master_replaced", "handshaken", "disconnected"].iter().any(|name| event["event"] == *name) {
            continue;
        }
        let told = json!([
            event["event"],
            event["slot"],
            event["worker"],
            event["generation"],
            event["phase"],
            without_numbers(&event["detail"]),
            exit_of(&event["exit"]),
            event["exit"]["cpu_ms"].is_null(),
        ]);
        *events.entry(told.to_string()).or_default() += 1;
    }
    events
}

fn exit_of(exit: &Value) -> Value {
    json!([exit["kind"], exit["code"], exit["signal"], exit["during"], without_numbers(&exit["asked_by"])])
}

/// Pids and durations differ each time.
fn without_numbers(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    text.split(' ')
        .map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "…" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The pid of the worker of a slot that is so.
fn of_slot(status: &Value, slot: u32, is_so: impl Fn(&Value) -> bool) -> Option<u32> {
    let all = workers_of(status, "a");
    let found = all.iter().find(|worker| worker["slot"] == slot && !worker["pid"].is_null() && is_so(worker));
    found.map(|worker| number(&worker["pid"]))
}

/// How many workers are so, that have a process.
fn workers(status: &Value, is_so: impl Fn(&Value) -> bool) -> usize {
    workers_of(status, "a").iter().filter(|worker| !worker["pid"].is_null() && is_so(worker)).count()
}

/// A verb that nobody waits for.
fn later(home: &Home, args: &[&str]) {
    let child = home.begin(args);
    std::thread::spawn(|| child.wait_with_output());
}
