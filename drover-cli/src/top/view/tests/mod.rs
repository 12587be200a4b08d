//! The view of a shop whose time is a number.

mod keys;
mod screens;

use drover_proto::latest::{
    AppStatus, Event, Exit, LogLine, MasterStatus, OutputStream, Phase, StatusReply, WorkerRole, WorkerStatus,
};
use ratatui_core::buffer::Buffer;

use crate::top::model::{Act, Clock, Console, Input, Key, Use};

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
        ..Default::default()
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
        ..Default::default()
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
            '→' => Key::Right,
            '←' => Key::Left,
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
