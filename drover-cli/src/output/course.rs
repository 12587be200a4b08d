//! The line about what is under way: from a status to a row of a terminal.

use std::collections::HashMap;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use drover_master::Readable;
use drover_proto::latest::{AppStatus, Phase, StatusReply, WorkerStatus};

use super::clock::uptime;

/// So many apps are told one by one; more are told as a sum.
const APPS: usize = 3;

/// A bar of fewer cells tells nothing, and one of more is no better.
const BAR: std::ops::RangeInclusive<usize> = 10..=30;

const DONE: Style = AnsiColor::Green.on_default();
const NOTE: Style = Style::new().dimmed();

/// What counts as under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CourseScope {
    /// What apps do as a whole: whoever looks at a master does not care about one worker that is tried again.
    Apps,
    /// What each worker does too, of the apps that somebody waits for.
    Workers,
}

/// The row that the line has to fit into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CourseLook {
    /// How many columns it has.
    pub(crate) width: usize,
    /// Whether it may be coloured.
    pub(crate) colour: bool,
}

/// How far the apps are, since somebody began to look.
#[derive(Debug)]
pub(crate) struct Course {
    scope: CourseScope,
    /// Of each app that ends, how many processes it had at most.
    most: HashMap<String, usize>,
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    done: usize,
    of: usize,
    word: &'static str,
}

impl Course {
    pub(crate) fn new(scope: CourseScope) -> Self {
        Self { scope, most: HashMap::new() }
    }

    /// The line, `since` the status was asked; none where nothing is under way.
    pub(crate) fn line(
        &mut self,
        reply: &StatusReply,
        is_meant: impl Fn(&AppStatus) -> bool,
        since: Duration,
        look: CourseLook,
    ) -> Option<String> {
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let under_way: Vec<(&AppStatus, Extent)> = reply
            .apps
            .iter()
            .filter(|app| is_meant(app))
            .filter_map(|app| self.extent(app).map(|extent| (app, extent)))
            .collect();
        let first = under_way.first()?.1;
        let sum = Extent {
            done: under_way.iter().map(|(_, extent)| extent.done).sum(),
            of: under_way.iter().map(|(_, extent)| extent.of).sum(),
            // Apps stop one after the other while others still start.
            word: if under_way.iter().all(|(_, extent)| extent.word == first.word) {
                first.word
            } else {
                "done"
            },
        };
        let named = |(app, extent): &(&AppStatus, Extent)| format!("{} {}", app.name, extent.text());
        let each = under_way.iter().map(named).collect::<Vec<_>>().join(" · ");
        let short = match under_way.len() {
            1 => each.clone(),
            count => format!("{count} apps {}", sum.text()),
        };
        let heads = if under_way.len() > APPS { [&short, &short] } else { [&each, &short] };
        Some(fitted(heads, &waits(&under_way, since), sum, look))
    }

    /// How far an app is; none: nothing of it is under way.
    fn extent(&mut self, app: &AppStatus) -> Option<Extent> {
        let living = app.workers.iter().filter(|worker| worker.pid != 0).count();
        if matches!(app.phase(), Phase::Stopping | Phase::ShuttingDown) {
            let of = *self
                .most
                .entry(app.name.clone())
                .and_modify(|most| *most = living.max(*most))
                .or_insert(living);
            return Some(Extent { done: of - living, of, word: "stopped" });
        }
        self.most.remove(&app.name);
        let in_place = |is_it: fn(u64, u64) -> bool| {
            let own = app
                .workers
                .iter()
                .filter(|worker| worker.role().is_occupant() && worker.phase() == Phase::Started);
            own.filter(|worker| is_it(worker.generation, app.generation)).count()
        };
        let of = app.desired as usize;
        match &*app.operation {
            // Somebody has to decide.
            "canary" | "paused reload" => return None,
            // Workers that reload themselves by a signal stay, and nothing of another generation is there.
            "reload" if app.workers.iter().any(|worker| worker.generation > app.generation) => {
                return Some(Extent { done: in_place(|one, app| one > app).min(of), of, word: "replaced" });
            }
            "rollback" => {
                return Some(Extent { done: in_place(|one, app| one == app).min(of), of, word: "back" });
            }
            _ => {}
        }
        let waits = !app.operation.is_empty() || !app.queued.is_empty() || !app.waits_for.is_empty();
        let is_under_way = waits
            || (self.scope == CourseScope::Workers && app.workers.iter().any(|one| does(one).is_some()));
        is_under_way.then_some(Extent { done: app.ready as usize, of, word: "ready" })
    }
}

impl Extent {
    fn text(self) -> String {
        format!("{}/{} {}", self.done, self.of, self.word)
    }
}

/// What a worker does that somebody waits for.
fn does(worker: &WorkerStatus) -> Option<&'static str> {
    match worker.phase() {
        Phase::Starting => Some("starting"),
        Phase::Stopping => Some("draining"),
        Phase::ShuttingDown => Some("quitting"),
        Phase::BackingOff => Some("backing off"),
        _ => None,
    }
}

/// For what they wait; empty if nothing is known.
fn waits(under_way: &[(&AppStatus, Extent)], since: u64) -> String {
    let workers = under_way.iter().flat_map(|(app, _)| app.workers.iter().map(|worker| (*app, worker)));
    let mut busy = workers.filter_map(|(app, worker)| does(worker).map(|does| (app, worker, does)));
    let Some((app, worker, does)) = busy.next() else {
        return under_way
            .iter()
            .find(|(app, _)| !app.queued.is_empty())
            .map_or_else(String::new, |(app, _)| app.queued.clone());
    };
    let why = match worker.unready.as_str() {
        "" => String::new(),
        why => format!(": {}", Readable(why)),
    };
    let time = match (worker.phase(), worker.left_ms, worker.next_try_ms) {
        (Phase::BackingOff, _, Some(left)) => format!(", next try in {}", uptime(left.saturating_sub(since))),
        (Phase::BackingOff, ..) => String::new(),
        (Phase::Starting, ..) => format!(", {}", uptime(worker.uptime_ms.saturating_add(since))),
        (_, Some(left), _) => format!(", {} left", uptime(left.saturating_sub(since))),
        _ => String::new(),
    };
    let more = match busy.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("waiting for {}/{} ({does}{why}{time}){more}", app.name, worker.slot)
}

/// As much as the row has place for: how far each is, or all together; before it a bar, behind it the wait.
fn fitted(heads: [&String; 2], waits: &str, sum: Extent, look: CourseLook) -> String {
    // The last column stays empty: a terminal that is full to the edge wraps what comes next.
    let room = look.width.saturating_sub(1).max(1);
    let head = heads.into_iter().find(|head| length(head) <= room).unwrap_or(heads[1]);
    let (head, rest) = match cut(head, room) {
        whole if whole == *head && !waits.is_empty() => (whole, format!(" · {waits}")),
        whole => (whole, String::new()),
    };
    let left = room - length(&head);
    let rest = cut(&rest, left);
    // What is left of it says whose turn it is, or nothing.
    let rest = if rest.ends_with('…') && length(&rest) < 24 { String::new() } else { rest };
    let cells = (room - length(&head) - length(&rest)).saturating_sub("[] ".len()).min(*BAR.end());
    let bar = if BAR.contains(&cells) && sum.of > 0 { bar(cells, sum, look.colour) } else { String::new() };
    match (look.colour, rest.is_empty()) {
        (true, false) => format!("{bar}{head}{NOTE}{rest}{NOTE:#}"),
        _ => format!("{bar}{head}{rest}"),
    }
}

fn bar(cells: usize, extent: Extent, colour: bool) -> String {
    let full = cells * extent.done.min(extent.of) / extent.of;
    let style = if colour { DONE } else { Style::new() };
    format!("[{style}{}{style:#}{}] ", "#".repeat(full), ".".repeat(cells - full))
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// At most so many characters of it, and a mark where some are missing.
fn cut(text: &str, room: usize) -> String {
    if length(text) <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain((room > 0).then_some('…')).collect()
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::WorkerRole;

    use super::*;

    fn worker(slot: u32, phase: Phase) -> WorkerStatus {
        let role = WorkerRole::Occupant.into();
        WorkerStatus {
            id: 1,
            slot,
            pid: 100 + slot,
            phase: phase.into(),
            role,
            generation: 1,
            uptime_ms: 2_000,
            ..Default::default()
        }
    }

    /// An app of eight workers, of which five are ready.
    fn web(phase: Phase, operation: &str) -> AppStatus {
        let mut workers: Vec<WorkerStatus> = (0..8).map(|slot| worker(slot, Phase::Started)).collect();
        for slot in [5, 6, 7] {
            workers[slot].phase = Phase::Starting.into();
        }
        AppStatus {
            name: "web".into(),
            phase: phase.into(),
            operation: operation.into(),
            desired: 8,
            ready: 5,
            generation: 1,
            workers,
            ..Default::default()
        }
    }

    fn line(apps: &[AppStatus], scope: CourseScope, width: usize) -> Option<String> {
        let reply = StatusReply { apps: apps.to_vec(), ..Default::default() };
        Course::new(scope).line(
            &reply,
            |app| app.name != "other",
            Duration::from_millis(150),
            CourseLook { width, colour: false },
        )
    }

    #[test]
    fn a_start_has_as_much_as_the_row_has_place_for() {
        let starting = [web(Phase::Starting, "start")];
        for (width, expected) in [
            (
                120,
                "[##################............] web 5/8 ready · waiting for web/5 (starting, 2.1 s) and 2 more",
            ),
            (80, "[########......] web 5/8 ready · waiting for web/5 (starting, 2.1 s) and 2 more"),
            (50, "web 5/8 ready · waiting for web/5 (starting, 2.1…"),
            (30, "[########.....] web 5/8 ready"),
            (20, "web 5/8 ready"),
            (10, "web 5/8 …"),
            (0, "…"),
        ] {
            let line = line(&starting, CourseScope::Apps, width).unwrap();
            assert_eq!(line, expected, "{width}");
        }
    }

    #[test]
    fn what_is_under_way_is_told_and_nothing_else() {
        let wide = |apps: &[AppStatus], scope| line(apps, scope, 72);
        let busy = |operation: &str, change: &dyn Fn(&mut AppStatus)| {
            let mut app = web(Phase::Started, operation);
            change(&mut app);
            app
        };
        let replaced = |app: &mut AppStatus| {
            for worker in &mut app.workers[..3] {
                worker.generation = 2;
            }
            app.workers[5] = WorkerStatus {
                left_ms: Some(17_200),
                role: WorkerRole::Leaving.into(),
                ..worker(5, Phase::Stopping)
            };
            app.workers.truncate(6);
        };
        let tried = |app: &mut AppStatus| {
            app.workers.truncate(1);
            app.workers[0] =
                WorkerStatus { pid: 0, next_try_ms: Some(9_000), ..worker(0, Phase::BackingOff) };
            (app.desired, app.ready) = (1, 0);
        };
        let stands = |app: &mut AppStatus| {
            app.workers.truncate(6);
            app.workers[5].unready = "it\u{7} stands".into();
        };
        for (app, scope, expected) in [
            (
                busy("", &stands),
                CourseScope::Workers,
                Some("web 5/8 ready · waiting for web/5 (starting: it\\u{7} stands, 2.1 s)"),
            ),
            (busy("", &tried), CourseScope::Apps, None),
            (
                busy("", &tried),
                CourseScope::Workers,
                Some("web 0/1 ready · waiting for web/0 (backing off, next try in 8.8 s)"),
            ),
            (busy("canary", &|_| {}), CourseScope::Workers, None),
            (
                busy("reload", &replaced),
                CourseScope::Apps,
                Some("web 3/8 replaced · waiting for web/5 (draining, 17 s left)"),
            ),
            (
                busy("rollback", &replaced),
                CourseScope::Apps,
                Some("web 2/8 back · waiting for web/5 (draining, 17 s left)"),
            ),
            (AppStatus { name: "other".into(), ..busy("start", &|_| {}) }, CourseScope::Workers, None),
        ] {
            let found = wide(std::slice::from_ref(&app), scope);
            let found = found.as_deref().map(|line| line.rsplit("] ").next().unwrap());
            assert_eq!(found, expected, "{}", app.operation);
        }
        let waits = AppStatus {
            queued: "a reload waits".into(),
            desired: 2,
            ready: 2,
            name: "api".into(),
            ..Default::default()
        };
        assert_eq!(
            wide(std::slice::from_ref(&waits), CourseScope::Apps).unwrap(),
            "[##############################] api 2/2 ready · a reload waits"
        );
    }

    #[test]
    fn several_are_told_one_by_one_or_together() {
        let named = |name: &str| AppStatus { name: name.into(), ..web(Phase::Starting, "start") };
        let two = [named("web"), named("api")];
        assert_eq!(
            line(&two, CourseScope::Apps, 90).unwrap(),
            "web 5/8 ready · api 5/8 ready · waiting for web/5 (starting, 2.1 s) and 5 more"
        );
        assert_eq!(line(&two, CourseScope::Apps, 25).unwrap(), "2 apps 10/16 ready");
        let four = [named("a"), named("b"), named("c"), web(Phase::ShuttingDown, "shutdown")];
        assert!(
            line(&four, CourseScope::Apps, 79)
                .unwrap()
                .contains("4 apps 15/32 done · waiting for a/5 (starting, 2.1 s) and 11 more")
        );
    }

    #[test]
    fn an_end_counts_down_from_the_processes_that_there_were() {
        let mut course = Course::new(CourseScope::Apps);
        let mut app = web(Phase::ShuttingDown, "shutdown");
        let mut told = |app: &AppStatus| {
            let reply = StatusReply { apps: vec![app.clone()], ..Default::default() };
            course.line(&reply, |_| true, Duration::ZERO, CourseLook { width: 60, colour: true })
        };
        app.workers.iter_mut().for_each(|worker| worker.phase = Phase::Stopping.into());
        assert_eq!(
            told(&app).unwrap(),
            "web 0/8 stopped\x1b[2m · waiting for web/0 (draining) and 7 more\x1b[0m"
        );
        app.workers.drain(1..);
        app.workers[0].phase = Phase::ShuttingDown.into();
        let bar = format!("[\x1b[32m{}\x1b[0m..] ", "#".repeat(8));
        assert_eq!(
            told(&app).unwrap(),
            format!("{bar}web 7/8 stopped\x1b[2m · waiting for web/0 (quitting)\x1b[0m")
        );
        app.phase = Phase::ShutDown.into();
        app.operation.clear();
        assert_eq!(told(&app), None);
    }
}
