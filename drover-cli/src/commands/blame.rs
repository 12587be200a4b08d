//! `drover blame`: what the start waited for, from the events of the master and what apps depend on.

use std::time::{Duration, SystemTime};

use drover_master::control::{ClientError, ControlClient, Follow};
use drover_proto::latest::{AppDescription, Event, StatusReply};
use serde_json::json;

use super::{find, refusal::report};
use crate::args::{BlameArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) async fn run(global: &Global, args: &BlameArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    match ask(&mut client).await {
        Ok((begun, apps, events)) => {
            let blame = Blame::of(begun, &apps, &events);
            message::whole_result(&if args.json { blame.as_json() } else { blame.as_text() })
        }
        Err(error) => report(&error),
    }
}

/// When the master began, in milliseconds since 1970; its apps with what they depend on; all events that are kept.
async fn ask(client: &mut ControlClient) -> Result<(u64, Vec<AppNeeds>, Vec<Event>), ClientError> {
    let status = client.status(&[]).await?;
    let described = client.describe(&["*".to_owned()]).await?;
    let apps = described.apps.iter().map(AppNeeds::of).collect();
    let mut answers = client.events(0, false).await?;
    let mut events = Vec::new();
    while let Some(next) = answers.next().await? {
        if let Follow::Event(event) = next {
            events.push(*event);
        }
    }
    Ok((beginning(&status), apps, events))
}

fn beginning(status: &StatusReply) -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let uptime = status.master.as_ref().map_or(0, |master| master.uptime_ms);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX).saturating_sub(uptime)
}

/// An app, and the apps that have to be there before it is started.
#[derive(Debug)]
struct AppNeeds {
    name: String,
    needs: Vec<String>,
}

impl AppNeeds {
    fn of(described: &AppDescription) -> Self {
        let name = described.status.as_ref().map_or_else(String::new, |status| status.name.clone());
        let setting = described.settings.iter().find(|setting| setting.key.ends_with("depends_on"));
        // As `describe` shows it: `db ready, migrate completed`.
        let needs = setting.map_or_else(Vec::new, |setting| {
            let each = setting.value.split(", ");
            each.filter_map(|need| need.split_once(' ')).map(|(app, _)| app.to_owned()).collect()
        });
        Self { name, needs }
    }
}

/// How the first start of everything went. Times are in milliseconds since the master began.
#[derive(Debug, PartialEq, Eq)]
struct Blame {
    /// Those that took longest first.
    apps: Vec<AppStart>,
    /// The apps that the start as a whole waited for, one after the other.
    chain: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct AppStart {
    name: String,
    needs: Vec<String>,
    begun: Option<u64>,
    /// When it was ready, or had completed.
    ready: Option<u64>,
    workers: Vec<WorkerStart>,
}

#[derive(Debug, PartialEq, Eq)]
struct WorkerStart {
    slot: u32,
    spawned: u64,
    ready: Option<u64>,
}

impl AppStart {
    fn took(&self) -> Option<u64> {
        Some(self.ready?.saturating_sub(self.begun?))
    }
}

impl WorkerStart {
    fn took(&self) -> Option<u64> {
        Some(self.ready?.saturating_sub(self.spawned))
    }
}

impl Blame {
    fn of(begun: u64, apps: &[AppNeeds], events: &[Event]) -> Self {
        let mut apps: Vec<AppStart> = apps.iter().map(|app| start_of(app, begun, events)).collect();
        let chain = chain(&apps);
        apps.sort_by_key(|app| std::cmp::Reverse(app.took()));
        Self { apps, chain }
    }

    fn as_text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(last) = self.chain.last().and_then(|name| self.app(name)).and_then(|app| app.ready) {
            let link = |name: &String| {
                let took = self.app(name).and_then(AppStart::took);
                format!("{name} {}", shown(took))
            };
            let links: Vec<String> = self.chain.iter().map(link).collect();
            lines.push(format!(
                "everything was ready after {}; the start waited for {}",
                shown(Some(last)),
                links.join(" → ")
            ));
            lines.push(String::new());
        }
        for app in &self.apps {
            let needs = if app.needs.is_empty() {
                String::new()
            } else {
                format!(", once {} was there", app.needs.join(", "))
            };
            let begun = app.begun.map_or_else(
                || "not begun, or its events are gone".to_owned(),
                |begun| format!("begun after {}{needs}", shown(Some(begun))),
            );
            lines.push(format!("{:>10}  {}  {begun}", shown(app.took()), app.name));
            for worker in &app.workers {
                lines.push(format!(
                    "{:>10}    {}/{}  spawned after {}",
                    shown(worker.took()),
                    app.name,
                    worker.slot,
                    shown(Some(worker.spawned))
                ));
            }
        }
        lines.join("\n")
    }

    fn as_json(&self) -> String {
        let worker = |worker: &WorkerStart| {
            json!({
                "slot": worker.slot,
                "spawned_ms": worker.spawned,
                "ready_ms": worker.ready,
                "took_ms": worker.took(),
            })
        };
        let app = |app: &AppStart| {
            json!({
                "name": app.name,
                "depends_on": app.needs,
                "begun_ms": app.begun,
                "ready_ms": app.ready,
                "took_ms": app.took(),
                "workers": app.workers.iter().map(worker).collect::<Vec<_>>(),
            })
        };
        json!({ "chain": self.chain, "apps": self.apps.iter().map(app).collect::<Vec<_>>() }).to_string()
    }

    fn app(&self, name: &str) -> Option<&AppStart> {
        self.apps.iter().find(|app| app.name == name)
    }
}

/// The first start of an app, and of the first worker in each of its slots. One that did not get ready counts until the next try did.
fn start_of(app: &AppNeeds, begun: u64, events: &[Event]) -> AppStart {
    let own = || events.iter().filter(|event| event.app == app.name);
    let since = |event: &Event| event.time_ms.saturating_sub(begun);
    let first = |names: &[&str], from: u64| {
        let is_it =
            |event: &&Event| event.slot.is_none() && names.contains(&&*event.name) && event.seq >= from;
        own().find(is_it)
    };
    let starting = first(&["app_starting"], 0);
    let ready = starting.and_then(|starting| first(&["app_started", "app_ended"], starting.seq));
    let last = ready.map_or(u64::MAX, |ready| ready.seq);
    let mut workers: Vec<WorkerStart> = Vec::new();
    for event in
        own().filter(|event| starting.is_some_and(|starting| event.seq > starting.seq) && event.seq < last)
    {
        let Some(slot) = event.slot else { continue };
        let known = workers.iter_mut().find(|worker| worker.slot == slot);
        match (&*event.name, known) {
            ("spawned", None) => workers.push(WorkerStart { slot, spawned: since(event), ready: None }),
            ("started", Some(worker)) if worker.ready.is_none() => worker.ready = Some(since(event)),
            _ => {}
        }
    }
    workers.sort_by_key(|worker| (std::cmp::Reverse(worker.took()), worker.slot));
    AppStart {
        name: app.name.clone(),
        needs: app.needs.clone(),
        begun: starting.map(since),
        ready: ready.map(since),
        workers,
    }
}

/// Backwards from the app that was ready last: of what each needed, the one that was ready last.
fn chain(apps: &[AppStart]) -> Vec<String> {
    let latest = |apps: &mut dyn Iterator<Item = &'_ AppStart>| {
        apps.filter(|app| app.ready.is_some()).max_by_key(|app| app.ready).map(|app| app.name.clone())
    };
    let mut next = latest(&mut apps.iter());
    let mut chain = Vec::new();
    // A file whose apps wait for each other is refused; what runs after an apply that failed halfway may be such.
    while let Some(name) = next.filter(|name| !chain.contains(name)) {
        let needs = apps.iter().find(|app| app.name == name).map_or(&[][..], |app| &app.needs);
        next = latest(&mut apps.iter().filter(|app| needs.contains(&app.name)));
        chain.insert(0, name);
    }
    chain
}

fn shown(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{:.3} s", Duration::from_millis(ms).as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, time_ms: u64, app: &str, slot: Option<u32>, name: &str) -> Event {
        Event { seq, time_ms, app: app.into(), slot, name: name.into(), ..Default::default() }
    }

    fn app(name: &str, needs: &[&str]) -> AppNeeds {
        AppNeeds { name: name.into(), needs: needs.iter().map(|need| (*need).to_owned()).collect() }
    }

    #[test]
    fn the_start_waited_for_what_was_ready_last_and_for_what_that_needed() {
        let events = [
            event(1, 1_000, "db", None, "app_starting"),
            event(2, 1_010, "db", Some(0), "spawned"),
            event(3, 1_000, "log", None, "app_starting"),
            event(4, 1_020, "log", Some(0), "spawned"),
            event(5, 1_100, "log", Some(0), "started"),
            event(6, 1_101, "log", None, "app_started"),
            event(7, 2_000, "db", Some(0), "started"),
            event(8, 2_001, "db", None, "app_started"),
            event(9, 2_002, "web", None, "app_starting"),
            event(10, 2_010, "web", Some(0), "spawned"),
            event(11, 2_011, "web", Some(1), "spawned"),
            event(12, 2_500, "web", Some(1), "started"),
            event(13, 3_000, "web", Some(0), "started"),
            event(14, 3_001, "web", None, "app_started"),
            // A later life says nothing of the start.
            event(15, 9_000, "web", Some(0), "spawned"),
            event(16, 9_900, "web", Some(0), "started"),
        ];
        let apps = [app("log", &[]), app("db", &[]), app("web", &["db", "log"]), app("new", &["web"])];
        let blame = Blame::of(900, &apps, &events);
        assert_eq!(blame.chain, ["db", "web"]);
        let took = |name: &str| blame.app(name).unwrap().took();
        assert_eq!(
            (took("db"), took("web"), took("log"), took("new")),
            (Some(1001), Some(999), Some(101), None)
        );
        let web = blame.app("web").unwrap();
        assert_eq!(web.workers[0], WorkerStart { slot: 0, spawned: 1110, ready: Some(2100) });
        assert_eq!(web.workers[1], WorkerStart { slot: 1, spawned: 1111, ready: Some(1600) });
        let text = blame.as_text();
        assert!(
            text.starts_with(
                "everything was ready after 2.101 s; the start waited for db 1.001 s → web 0.999 s\n"
            ),
            "{text}"
        );
        assert!(text.contains("   0.999 s  web  begun after 1.102 s, once db, log was there\n"), "{text}");
        assert!(text.contains("         -  new  not begun, or its events are gone"), "{text}");
    }

    #[test]
    fn apps_that_need_each_other_end_the_chain() {
        let start = |name: &str, need: &str, ready| AppStart {
            name: name.into(),
            needs: vec![need.into()],
            begun: Some(0),
            ready: Some(ready),
            workers: Vec::new(),
        };
        assert_eq!(chain(&[start("a", "b", 5), start("b", "a", 3)]), ["b", "a"]);
        assert!(chain(&[]).is_empty());
    }
}
