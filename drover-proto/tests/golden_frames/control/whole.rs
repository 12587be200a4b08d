//! The longest answers: a status, its apps, a description, a plan.

use drover_proto::latest::*;

pub(super) fn full_status() -> StatusReply {
    let killed = Exit {
        kind: ExitKind::KilledByMaster.into(),
        code: None,
        signal: "SIGKILL".into(),
        core_dumped: true,
        kill_cause: KillCause::StopDeadline.into(),
        during: Phase::Stopping.into(),
        uptime_ms: 86_400_000,
        max_rss_kb: 51_200,
        cpu_ms: 1_234,
        stderr_tail: vec!["waiting for 3 requests".into(), "still waiting".into()],
        asked_by: "drover down".into(),
        text: "killed: it did not drain within 20s".into(),
        ..Default::default()
    };
    let serving = WorkerStatus {
        id: 7,
        slot: 0,
        generation: 2,
        pid: 4711,
        phase: Phase::Started.into(),
        uptime_ms: 60_000,
        restarts: 1,
        next_try_ms: None,
        last_exit: Some(killed),
        status_text: "ready".into(),
        in_flight: Some(0),
        role: WorkerRole::Unspecified.into(),
        unready: String::new(),
        left_ms: None,
        ..Default::default()
    };
    let backing_off = WorkerStatus {
        id: 8,
        slot: 1,
        generation: 2,
        phase: Phase::BackingOff.into(),
        restarts: 3,
        next_try_ms: Some(0),
        last_exit: Some(Exit {
            kind: ExitKind::AbnormalExit.into(),
            code: Some(1),
            during: Phase::Starting.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let empty_slot = WorkerStatus { slot: 2, phase: Phase::Initialized.into(), ..Default::default() };
    let web = AppStatus {
        name: "web".into(),
        phase: Phase::Started.into(),
        desired: 3,
        ready: 1,
        generation: 2,
        operation: "start".into(),
        workers: vec![serving, backing_off, empty_slot],
        listeners: vec!["http=127.0.0.1:1999".into()],
        outcome: String::new(),
        waits_for: Vec::new(),
        queued: String::new(),
        cron: None,
    };
    StatusReply {
        master: Some(MasterStatus {
            pid: 4700,
            version: "0.1.0".into(),
            uptime_ms: 90_061_000,
            ..Default::default()
        }),
        apps: vec![web],
        last_seq: 41,
    }
}

pub(super) fn reloading() -> AppStatus {
    let worker = |id, slot, generation, pid, phase: Phase, role: WorkerRole| WorkerStatus {
        id,
        slot,
        generation,
        pid,
        phase: phase.into(),
        role: role.into(),
        ..Default::default()
    };
    AppStatus {
        name: "web".into(),
        phase: Phase::Started.into(),
        desired: 2,
        ready: 2,
        generation: 2,
        operation: "reload".into(),
        workers: vec![
            worker(9, 0, 3, 4713, Phase::Started, WorkerRole::Occupant),
            worker(7, 0, 2, 4711, Phase::ShuttingDown, WorkerRole::Leaving),
            worker(8, 1, 2, 4712, Phase::Started, WorkerRole::Occupant),
            worker(10, 1, 3, 4714, Phase::Starting, WorkerRole::Incoming),
        ],
        ..Default::default()
    }
}

pub(super) fn waiting() -> AppStatus {
    let ended = Exit {
        kind: ExitKind::NormalExit.into(),
        code: Some(0),
        time_ms: 1_709_210_096_000,
        ..Default::default()
    };
    let leaving = WorkerStatus {
        id: 7,
        generation: 1,
        pid: 4711,
        phase: Phase::ShuttingDown.into(),
        last_exit: Some(ended),
        role: WorkerRole::Leaving.into(),
        left_ms: Some(17_000),
        ..Default::default()
    };
    AppStatus {
        name: "web".into(),
        phase: Phase::Started.into(),
        generation: 2,
        workers: vec![leaving],
        queued: "a reload waits until old workers are gone".into(),
        ..Default::default()
    }
}

pub(super) fn unready() -> AppStatus {
    let unhealthy = Exit {
        kind: ExitKind::KilledByMaster.into(),
        kill_cause: KillCause::Unhealthy.into(),
        ..Default::default()
    };
    let worker = WorkerStatus {
        id: 7,
        generation: 2,
        pid: 4711,
        phase: Phase::Started.into(),
        last_exit: Some(unhealthy),
        role: WorkerRole::Occupant.into(),
        unready: "GET /health answered 500".into(),
        ..Default::default()
    };
    AppStatus {
        name: "web".into(),
        phase: Phase::Started.into(),
        desired: 1,
        generation: 2,
        workers: vec![worker],
        ..Default::default()
    }
}

fn finished_run() -> CronRun {
    let exit = Exit { kind: ExitKind::AbnormalExit.into(), code: Some(3), ..Default::default() };
    CronRun {
        number: 12,
        due_ms: Some(1_709_210_100_000),
        began_ms: 1_709_210_100_004,
        ended_ms: Some(1_709_210_101_000),
        exit: Some(exit),
        failed: true,
        ..Default::default()
    }
}

pub(super) fn scheduled() -> AppStatus {
    let cron = CronStatus {
        schedule: "*/5 * * * *".into(),
        timezone: "Europe/Berlin".into(),
        next_ms: Some(1_709_210_400_000),
        waiting_ms: Some(1_709_210_100_000),
        runs: 12,
        failed: 1,
        skipped: 2,
        last: Some(finished_run()),
    };
    AppStatus {
        name: "report".into(),
        phase: Phase::Started.into(),
        desired: 1,
        ready: 1,
        cron: Some(cron),
        ..Default::default()
    }
}

pub(super) fn description_of_runs() -> DescribeReply {
    let skipped = CronRun {
        due_ms: Some(1_709_209_800_000),
        skipped: "the run before it is under way".into(),
        count: 2,
        ..Default::default()
    };
    let under_way = CronRun { number: 13, began_ms: 1_709_210_160_000, ..Default::default() };
    let runs = vec![skipped, finished_run(), under_way];
    let status = AppStatus { name: "report".into(), ..Default::default() };
    let report = AppDescription { status: Some(status), runs, ..Default::default() };
    DescribeReply { apps: vec![report], ..Default::default() }
}

pub(super) fn full_description() -> DescribeReply {
    let failed = |code| Exit {
        kind: ExitKind::AbnormalExit.into(),
        code: Some(code),
        during: Phase::Starting.into(),
        ..Default::default()
    };
    let status = AppStatus {
        name: "mail".into(),
        phase: Phase::Failed.into(),
        desired: 1,
        outcome: "failed to start".into(),
        ..Default::default()
    };
    let setting = |key: &str, value: &str| Setting { key: key.into(), value: value.into() };
    let settings = vec![setting("command", "[\"./mail\"]"), setting("stop.drain_timeout", "20s")];
    let worker = WorkerDescription {
        app: "mail".into(),
        status: Some(WorkerStatus {
            slot: 0,
            phase: Phase::Failed.into(),
            restarts: 1,
            ..Default::default()
        }),
        history: vec![failed(3), failed(4)],
    };
    let log_files =
        AppLogFiles { dir: b"/var/log/mail".to_vec(), per_worker: true, json: true, timestamps: true };
    let app = AppDescription { status: Some(status), settings, log_files: Some(log_files), runs: Vec::new() };
    DescribeReply { apps: vec![app], workers: vec![worker], ..Default::default() }
}

pub(super) fn full_plan() -> Plan {
    let change = |app: &str, key: &str, class: ChangeClass| Change {
        app: app.into(),
        key: key.into(),
        class: class.into(),
        ..Default::default()
    };
    let changes = vec![
        Change {
            from: Some("shop".into()),
            to: Some("store".into()),
            why: "the master takes it when it starts".into(),
            ..change("", "master.name", ChangeClass::Master)
        },
        Change { to: Some("(hidden)".into()), ..change("web", "app.web.env.TOKEN", ChangeClass::Reload) },
        Change {
            from: Some("2".into()),
            to: Some("4".into()),
            ..change("web", "app.web.workers", ChangeClass::Live)
        },
        Change { from: Some("1 worker of ./old".into()), ..change("old", "app.old", ChangeClass::Remove) },
    ];
    Plan { file: "/srv/drover.toml".into(), changes, id: 77, ..Default::default() }
}
