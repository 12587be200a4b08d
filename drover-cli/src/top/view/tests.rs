//! Screens, as text files beside this one. To write them anew: `DROVER_BLESS=1 cargo test -p drover-cli --lib screens`.

use std::path::Path;
use std::{env, fs};

use drover_proto::latest::{
    AppStatus, DescribeReply, Event, Exit, LogLine, MasterStatus, OutputStream, Phase, StatusReply,
    WorkerDescription, WorkerRole, WorkerStatus,
};
use ratatui_core::buffer::Buffer;
use ratatui_core::style::{Color, Modifier};

use super::view;
use crate::top::model::{Act, Clock, Console, Input, Key, Order, OrderKind, Use};

/// 2026-03-01T09:30:00Z, and milliseconds after it.
fn at(ms: u64) -> Clock {
    Clock { steady: ms, wall: 1_772_357_400_000 + ms }
}

fn worker(slot: u32, phase: Phase) -> WorkerStatus {
    let has_process = !matches!(phase, Phase::BackingOff | Phase::Failed | Phase::ShutDown);
    WorkerStatus {
        id: u64::from(slot) + 1,
        slot,
        generation: 1,
        pid: if has_process { 4000 + slot } else { 0 },
        phase: phase.into(),
        uptime_ms: 61_000 + u64::from(slot) * 1000,
        role: WorkerRole::Occupant.into(),
        ..Default::default()
    }
}

fn app(name: &str, workers: Vec<WorkerStatus>) -> AppStatus {
    let ready = workers.iter().filter(|worker| worker.phase() == Phase::Started).count();
    AppStatus {
        name: name.into(),
        phase: Phase::Started.into(),
        desired: u32::try_from(workers.len()).unwrap(),
        ready: u32::try_from(ready).unwrap(),
        generation: 1,
        workers,
        ..Default::default()
    }
}

fn status(apps: Vec<AppStatus>) -> Input {
    let master = MasterStatus {
        pid: 3999,
        version: "0.1.0".into(),
        uptime_ms: 3_720_000,
        file: "/srv/shop/drover.toml".into(),
    };
    Input::Status(StatusReply { master: Some(master), apps, last_seq: 9 })
}

fn exit(text: &str, time: u64, words: &[&str]) -> Exit {
    Exit {
        text: text.into(),
        time_ms: at(time).wall,
        uptime_ms: 1500,
        cpu_ms: 20,
        max_rss_kb: 5120,
        stderr_tail: words.iter().map(|line| (*line).to_owned()).collect(),
        ..Default::default()
    }
}

/// A shop: a web server that is being reloaded, a mailer that fails, a large app of batches.
fn shop() -> Vec<AppStatus> {
    let mut web: Vec<WorkerStatus> = (0..3).map(|slot| worker(slot, Phase::Started)).collect();
    web[0].in_flight = Some(12);
    web[1].role = WorkerRole::Leaving.into();
    web[1].phase = Phase::Stopping.into();
    web[1].in_flight = Some(3);
    web[1].left_ms = Some(18_000);
    let new = WorkerStatus {
        id: 9,
        generation: 2,
        pid: 4101,
        uptime_ms: 900,
        role: WorkerRole::Occupant.into(),
        ..worker(1, Phase::Started)
    };
    web.insert(1, new);
    let mut web = app("web", web);
    (web.desired, web.ready, web.generation, web.operation) = (3, 3, 2, "reload".into());
    let mut mail = vec![worker(0, Phase::Started), worker(1, Phase::BackingOff)];
    mail[1].restarts = 4;
    mail[1].next_try_ms = Some(3200);
    mail[1].last_exit = Some(exit("exited with code 3 while starting", 0, &[]));
    let mut batch: Vec<WorkerStatus> = (0..40).map(|slot| worker(slot, Phase::Started)).collect();
    batch[17].unready = "GET /health answered 503".into();
    vec![web, app("mail", mail), app("batch", batch)]
}

fn line(app: &str, slot: u32, ms: u64, text: &str) -> LogLine {
    LogLine {
        app: app.into(),
        slot,
        stream: OutputStream::Stdout.into(),
        time_ms: at(ms).wall,
        text: text.as_bytes().to_vec(),
    }
}

fn event(app: &str, slot: Option<u32>, ms: u64, name: &str, phase: Phase) -> Event {
    Event {
        time_ms: at(ms).wall,
        app: app.into(),
        slot,
        name: name.into(),
        phase: phase.into(),
        pid: 4101,
        generation: 2,
        ..Default::default()
    }
}

fn console(columns: u16, rows: u16) -> Console {
    let mut console = Console::new(Vec::new(), false, (columns, rows));
    console.apply(status(shop()), at(0));
    console.apply(Input::LinesBegin(1), at(0));
    let used = (0..40).map(|slot| (4000 + slot, Use { cpu: 0.5 * f64::from(slot), memory: 24 << 20 }));
    console.apply(Input::Used(used.collect()), at(0));
    for (ms, text) in [
        (10, "listening on 127.0.0.1:2525"),
        (40, r#"{"level":"error","msg":"the queue is full"}"#),
        (50, "\x1b[31mred\x1b[0m and \x1b[2Jsly"),
    ] {
        console.apply(Input::Line(1, line("mail", 0, ms, text)), at(ms));
    }
    for (slot, ms, name, phase) in [
        (Some(0), 20, "ready_again", Phase::Started),
        (Some(1), 30, "exited", Phase::BackingOff),
        (None, 35, "app_started", Phase::Started),
    ] {
        console.apply(Input::Event(Box::new(event("mail", slot, ms, name, phase))), at(ms));
    }
    console
}

fn press(console: &mut Console, keys: &str) -> Option<Act> {
    let mut act = None;
    for key in keys.chars() {
        let key = match key {
            '⏎' => Key::Enter,
            '⎋' => Key::Escape,
            '↑' => Key::Up,
            '↓' => Key::Down,
            '⇥' => Key::Tab,
            '⌫' => Key::Backspace,
            '⇞' => Key::PageUp,
            key => Key::Char(key),
        };
        act = console.apply(Input::Pressed(key), at(1000));
    }
    act
}

fn text(screen: &Buffer) -> String {
    let area = screen.area;
    let row = |y| {
        let row: String = (0..area.width).map(|x| screen[(x, y)].symbol()).collect();
        row.trim_end().to_owned() + "\n"
    };
    (0..area.height).map(row).collect()
}

/// Compares with the file of this name, or writes it.
fn is_as_in(name: &str, console: &Console) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/top/view/screens/{name}.txt"));
    let shown = text(&view(console));
    if env::var_os("DROVER_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, shown).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == shown,
        "{name} is another one; look at it, and bless it.\nkept:\n{kept}\nshown:\n{shown}"
    );
}

const SIZES: [(u16, u16); 3] = [(80, 24), (20, 10), (200, 50)];

#[test]
fn screens_of_the_list_and_the_logs_are_as_they_were_blessed() {
    for (columns, rows) in SIZES {
        is_as_in(&format!("logs-{columns}x{rows}"), &console(columns, rows));
    }
}

#[test]
fn screens_of_the_other_panes_are_as_they_were_blessed() {
    for (columns, rows) in SIZES {
        let mut console = console(columns, rows);
        // The worker that backs off.
        press(&mut console, "↓3");
        let history = vec![
            exit("exited with code 1 while starting", 0, &["first"]),
            exit("exited with code 3 while starting", 500, &["can't bind", "\x1b[2Jgiving up"]),
        ];
        let described = WorkerDescription { app: "mail".into(), status: None, history };
        let reply = DescribeReply { apps: vec![], workers: vec![described] };
        console.apply(Input::Evidence("mail/1".into(), reply), at(900));
        if rows < 14 {
            press(&mut console, "z");
        }
        is_as_in(&format!("ends-{columns}x{rows}"), &console);
        let replaced = Event { replaced_pid: 4001, ..event("web", Some(1), 60, "replaced", Phase::Started) };
        let begun = event("web", None, 55, "reload_started", Phase::Started);
        for event in [begun, replaced] {
            console.apply(Input::Event(Box::new(event)), at(900));
        }
        let web = console.list.rows(console.status.as_ref().unwrap());
        let place = web.iter().map(|row| row.place()).find(|place| place.app == "web").unwrap();
        console.list.selected = Some(place);
        press(&mut console, "4");
        is_as_in(&format!("reload-{columns}x{rows}"), &console);
    }
}

#[test]
fn screens_of_a_question_and_the_keys_are_as_they_were_blessed() {
    for (columns, rows) in SIZES {
        let mut console = console(columns, rows);
        press(&mut console, "+++");
        is_as_in(&format!("question-{columns}x{rows}"), &console);
        press(&mut console, "⎋?");
        is_as_in(&format!("keys-{columns}x{rows}"), &console);
    }
}

#[test]
fn screens_of_every_size_can_be_drawn() {
    for columns in [0, 1, 2, 5, 19, 20, 39, 40, 61, 200] {
        for rows in [0, 1, 2, 3, 4, 5, 13, 14, 50] {
            let mut console = console(columns, rows);
            for keys in ["", "?", "⎋r", "⎋/x", "⎋3", "4", "z", "1⇥↑", "⎋⎋⎋"] {
                press(&mut console, keys);
                view(&console);
            }
        }
    }
}

#[test]
fn an_order_is_asked_for_with_its_command_line_and_carried_out_only_when_it_is_confirmed() {
    let mut console = console(80, 24);
    for (keys, line) in [
        ("r", "drover reload mail"),
        ("R", "drover restart mail"),
        ("+", "drover scale mail=+1"),
        ("+++-", "drover scale mail=+2"),
        ("+-", "drover scale mail=-1"),
        ("s", "drover stop mail"),
        ("S", "drover start mail"),
        ("u", "drover suspend mail"),
        ("U", "drover resume mail"),
        ("p", "drover reload --promote mail"),
        ("a", "drover reload --abort mail"),
    ] {
        assert_eq!(press(&mut console, keys), None);
        let shown = text(&view(&console));
        assert!(shown.contains(line), "{shown}");
        assert_eq!(press(&mut console, "x"), None, "{keys}");
        let Some(Act::Carry(order)) = press(&mut console, "y") else { panic!("{keys}") };
        assert_eq!(order.line(), line);
    }
    for no in ["n", "⎋", "q"] {
        assert_eq!(press(&mut console, &format!("r{no}")), None);
        assert!(!text(&view(&console)).contains("drover reload"), "{no}");
    }
    // Of a worker, what is about workers; the rest is about its app.
    press(&mut console, "↓");
    let expected = Order { what: OrderKind::Restart, name: "mail/1".into() };
    assert_eq!(press(&mut console, "Ry"), Some(Act::Carry(expected)));
    let expected = Order { what: OrderKind::Reload, name: "mail".into() };
    assert_eq!(press(&mut console, "r⏎"), Some(Act::Carry(expected)));
}

#[test]
fn who_only_looks_changes_nothing_and_is_not_shown_how() {
    let mut console = console(80, 24);
    console.is_read_only = true;
    for key in "rR+-sSuUpa".chars() {
        assert_eq!(press(&mut console, &format!("{key}y")), None, "{key}");
    }
    press(&mut console, "r");
    assert!(text(&view(&console)).contains("this view is read-only"));
    press(&mut console, "?");
    assert!(!text(&view(&console)).contains("reload the app"));
}

#[test]
fn a_search_finds_as_it_is_typed_and_goes_from_match_to_match() {
    let mut console = console(80, 14);
    for number in 0..50 {
        let text = if number % 10 == 0 { format!("mark {number}") } else { format!("line {number}") };
        console.apply(Input::Line(1, line("mail", 0, 100 + number, &text)), at(100 + number));
    }
    press(&mut console, "/MARK");
    let shown = view(&console);
    // Capitals count once they are typed.
    assert!(text(&shown).contains("/MARK▏") && !text(&shown).contains("mark 40"), "{}", text(&shown));
    press(&mut console, "⌫⌫⌫⌫mark");
    let shown = view(&console);
    assert!(text(&shown).contains("mark 40"), "{}", text(&shown));
    let is_found = |screen: &Buffer| screen.content().iter().filter(|cell| cell.bg == Color::Yellow).count();
    assert_eq!(is_found(&shown), 4);
    press(&mut console, "⏎N");
    assert!(text(&view(&console)).contains("mark 30"));
    press(&mut console, "NNN");
    assert!(text(&view(&console)).contains("mark 0"));
    press(&mut console, "N");
    assert!(text(&view(&console)).contains("mark 40"));
    press(&mut console, "n");
    assert!(text(&view(&console)).contains("mark 0"));
    press(&mut console, "⎋/nothing⏎");
    assert!(text(&view(&console)).contains("nothing here matches nothing"));
    press(&mut console, "/(");
    assert!(text(&view(&console)).contains("not a regular expression"));
}

#[test]
fn a_filter_leaves_what_matches_and_escape_brings_all_back() {
    let mut console = console(80, 24);
    press(&mut console, "&queue⏎");
    let shown = text(&view(&console));
    assert!(shown.contains("the queue is full") && !shown.contains("listening"), "{shown}");
    press(&mut console, "⎋");
    assert!(text(&view(&console)).contains("listening"));
}

#[test]
fn it_follows_until_it_is_scrolled_and_counts_what_came_since() {
    let mut console = console(80, 14);
    for number in 0..30 {
        console.apply(Input::Line(1, line("mail", 0, 100 + number, &format!("<{number}>"))), at(0));
    }
    assert!(text(&view(&console)).contains("<29>"));
    press(&mut console, "⇥↑");
    let shown = text(&view(&console));
    assert!(!shown.contains("<29>") && shown.contains("<28>") && shown.contains("+1 new"), "{shown}");
    for number in 30..33 {
        console.apply(Input::Line(1, line("mail", 0, 100 + number, &format!("<{number}>"))), at(0));
    }
    let shown = text(&view(&console));
    assert!(shown.contains("<28>") && !shown.contains("<29>") && shown.contains("+4 new"), "{shown}");
    press(&mut console, "⇞⇞⇞⇞⇞⇞⇞⇞⇞");
    assert!(text(&view(&console)).contains("listening"));
    press(&mut console, "f");
    let shown = text(&view(&console));
    assert!(shown.contains("<32>") && shown.contains("following"), "{shown}");
}

#[test]
fn lines_that_were_followed_before_are_not_shown_among_those_of_another() {
    let mut console = console(80, 24);
    console.apply(Input::LinesBegin(2), at(0));
    console.apply(Input::Line(1, line("mail", 0, 70, "late")), at(70));
    console.apply(Input::Line(2, line("mail", 1, 80, "current")), at(80));
    console.apply(Input::LinesMissed(2, 7), at(90));
    let shown = text(&view(&console));
    assert!(!shown.contains("late") && shown.contains("current"), "{shown}");
    assert!(!shown.contains("listening") && shown.contains("7 lines were missed"), "{shown}");
}

#[test]
fn failures_and_levels_have_their_colours() {
    let console = console(80, 24);
    let screen = view(&console);
    let colour = |words: &str| {
        let (y, row) = text(&screen)
            .lines()
            .enumerate()
            .find_map(|(y, row)| {
                Some((y, row.char_indices().position(|(at, _)| row[at..].starts_with(words))?))
            })
            .unwrap();
        let cell = &screen[(u16::try_from(row).unwrap(), u16::try_from(y).unwrap())];
        (cell.fg, cell.modifier.contains(Modifier::REVERSED))
    };
    assert_eq!(colour("backing off"), (Color::Yellow, false));
    assert_eq!(colour("ready"), (Color::Green, false));
    assert_eq!(colour(r#"{"level":"error""#), (Color::Red, false));
    assert_eq!(colour("running"), (Color::Green, true));
}

#[test]
fn a_master_that_is_gone_is_told_until_it_is_there_again() {
    let mut console = console(80, 24);
    console.apply(Input::Lost("no master answers".into()), at(0));
    assert!(text(&view(&console)).starts_with("the master is gone: no master answers"));
    console.apply(Input::Found, at(0));
    assert!(text(&view(&console)).starts_with("master pid 3999, up 1 h 2 min, from /srv/shop/drover.toml"));
}

#[test]
fn only_what_is_shown_is_asked_for() {
    let mut console = console(80, 24);
    assert_eq!(console.wanted().lines.as_deref(), Some("mail"));
    assert!(console.wanted().status, "something has happened since");
    console.apply(status(shop()), at(0));
    assert!(!console.wanted().status && console.wanted().in_flight);
    press(&mut console, "3");
    assert_eq!((console.wanted().lines, console.wanted().evidence), (None, None));
    press(&mut console, "↓");
    assert_eq!(console.wanted().evidence, Some(("mail/1".into(), 2, 4)));
    console.apply(Input::Resized(80, 10), at(0));
    assert_eq!(console.wanted().evidence, None);
}
