//! What each vector of the control channel means, built in Rust.

use drover_proto::latest::*;

/// The request that the vector of this name holds, if it is one.
pub(crate) fn request(name: &str) -> Option<ControlRequest> {
    use control_request::Body;
    let asks = |seq, body| ControlRequest { seq, body: Some(body) };
    Some(match name {
        "status_request" => asks(1, Body::Status(StatusRequest { apps: vec![] })),
        "status_request_for_two_apps" => {
            asks(2, Body::Status(StatusRequest { apps: vec!["web".into(), "mail".into()] }))
        }
        "events_request" => asks(3, Body::Events(EventsRequest { since_seq: 17, follow: true })),
        "down_request" => asks(4, Body::Down(DownRequest { now: false })),
        "down_request_now" => asks(5, Body::Down(DownRequest { now: true })),
        "operate_request" => asks(7, {
            let names = vec!["web/1".into(), "mail".into()];
            let operation = Operation::Restart.into();
            Body::Operate(OperateRequest { operation, names, ..Default::default() })
        }),
        "operate_request_to_stop_now_without_waiting" => asks(8, {
            let operation = Operation::Stop.into();
            Body::Operate(OperateRequest { operation, names: vec!["web*".into()], no_wait: true, now: true })
        }),
        "signal_request" => {
            asks(9, Body::Signal(SignalRequest { signal: "SIGUSR1".into(), names: vec!["web@7".into()] }))
        }
        "send_request" => asks(20, {
            let (names, topic, payload) = (vec!["web/0".into()], "cache/get".into(), b"key"[..].into());
            Body::Send(SendRequest {
                names,
                topic,
                payload,
                request: true,
                timeout_ms: 2000,
                ..Default::default()
            })
        }),
        "publish_request" => asks(21, {
            let (names, topic, payload) = (vec!["web".into()], "prices".into(), b"42"[..].into());
            Body::Send(SendRequest { names, topic, payload, publish: true, ..Default::default() })
        }),
        "scale_request" => asks(10, {
            let target = |app: &str, count| ScaleTarget { app: app.into(), count: Some(count) };
            let targets = vec![
                target("web", scale_target::Count::To(4)),
                target("mail", scale_target::Count::By(-1)),
                target("w*", scale_target::Count::Auto(true)),
            ];
            Body::Scale(ScaleRequest { targets, no_wait: true })
        }),
        "operate_request_to_renew" => asks(13, {
            let operation = Operation::Renew.into();
            Body::Operate(OperateRequest { operation, names: vec!["web/0".into()], ..Default::default() })
        }),
        "operate_request_to_suspend" | "operate_request_to_resume" => {
            let (seq, operation) = match name {
                "operate_request_to_suspend" => (18, Operation::Suspend),
                _ => (19, Operation::Resume),
            };
            let (operation, names) = (operation.into(), vec!["web".into()]);
            asks(seq, Body::Operate(OperateRequest { operation, names, ..Default::default() }))
        }
        "reload_request" => asks(14, {
            let change = UpdateChange {
                max_surge: Some(Share { amount: Some(share::Amount::Percent(25)) }),
                max_unavailable: Some(Share { amount: Some(share::Amount::Count(1)) }),
                soak_ms: Some(2000),
                timeout_ms: Some(600_000),
                on_failure: UpdateFailure::Rollback.into(),
            };
            Body::Reload(ReloadRequest {
                apps: vec!["web".into(), "w*".into()],
                step: ReloadStep::Begin.into(),
                canary: Some(2),
                change: Some(change),
                no_wait: true,
            })
        }),
        "reload_request_to_pause_by_the_policy_otherwise" => asks(15, {
            let change = UpdateChange { on_failure: UpdateFailure::Pause.into(), ..Default::default() };
            Body::Reload(ReloadRequest { change: Some(change), ..reload_of_web(ReloadStep::Begin) })
        }),
        "reload_request_to_promote" => asks(16, Body::Reload(reload_of_web(ReloadStep::Promote))),
        "reload_request_to_abort" => asks(17, Body::Reload(reload_of_web(ReloadStep::Abort))),
        "diff_request" => asks(11, Body::Diff(DiffRequest { file: "/srv/drover.toml".into(), color: true })),
        "apply_request" => asks(12, {
            let file = "/srv/drover.toml".into();
            Body::Apply(ApplyRequest { file, color: true, no_wait: true, plan_id: Some(77) })
        }),
        "apply_request_of_the_first_file" => asks(13, Body::Apply(ApplyRequest::default())),
        "describe_request" => asks(10, Body::Describe(DescribeRequest { names: vec!["web".into()] })),
        "logs_request" => asks(11, Body::Logs(LogsRequest::default())),
        "logs_request_to_follow_without_kept_lines" => asks(12, {
            Body::Logs(LogsRequest { names: vec!["web/0".into()], lines: Some(0), follow: true })
        }),
        "unknown_body_in_a_request" => ControlRequest { seq: 6, body: None },
        _ => return None,
    })
}

fn reload_of_web(step: ReloadStep) -> ReloadRequest {
    ReloadRequest { apps: vec!["web".into()], step: step.into(), ..Default::default() }
}

/// The response that the vector of this name holds, if it is one.
pub(crate) fn response(name: &str) -> Option<ControlResponse> {
    use control_response::Body;
    let last = |reply_to, body| ControlResponse { reply_to, more: false, body: Some(body) };
    let event = |event| ControlResponse { reply_to: 3, more: true, body: Some(Body::Event(event)) };
    let result = |result| ControlResponse { reply_to: 7, more: true, body: Some(Body::Operation(result)) };
    let step = |step| ControlResponse { reply_to: 12, more: true, body: Some(Body::Step(step)) };
    let log = |line| ControlResponse { reply_to: 11, more: true, body: Some(Body::Log(line)) };
    let of_web = |seq, name: &str, phase: Phase| Event {
        seq,
        time_ms: 1_767_225_600_000 + (seq - 18),
        app: "web".into(),
        generation: 2,
        name: name.into(),
        phase: phase.into(),
        ..Default::default()
    };
    Some(match name {
        "status_reply_before_the_first_worker" => last(1, {
            let master = MasterStatus { pid: 4700, version: "0.1.0".into(), ..Default::default() };
            Body::Status(StatusReply { master: Some(master), ..Default::default() })
        }),
        "status_reply" => last(2, Body::Status(full_status())),
        "status_reply_of_a_master_with_a_file" => last(1, {
            let file = "/srv/shop/drover.toml".into();
            let master = MasterStatus { pid: 4700, version: "0.1.0".into(), file, ..Default::default() };
            Body::Status(StatusReply { master: Some(master), ..Default::default() })
        }),
        "status_reply_of_an_app_that_waits" => last(2, {
            let waits_for = vec!["db".into(), "web".into()];
            let mail = AppStatus { name: "mail".into(), waits_for, ..Default::default() };
            Body::Status(StatusReply { apps: vec![mail], ..Default::default() })
        }),
        "status_reply_of_an_app_that_reloads" => last(2, {
            let web = reloading();
            Body::Status(StatusReply { apps: vec![web], ..Default::default() })
        }),
        "status_reply_of_an_app_whose_reload_waits" => last(2, {
            let web = waiting();
            Body::Status(StatusReply { apps: vec![web], ..Default::default() })
        }),
        "status_reply_of_an_app_with_an_unready_worker" => last(2, {
            let web = unready();
            Body::Status(StatusReply { apps: vec![web], ..Default::default() })
        }),
        "event" => {
            event(Event { slot: Some(0), worker: 7, pid: 4711, ..of_web(18, "started", Phase::Started) })
        }
        "event_of_an_app" => {
            event(Event { detail: "10 failures within 5m".into(), ..of_web(19, "gave_up", Phase::Failed) })
        }
        "event_exited_by_itself" => event(Event {
            slot: Some(1),
            worker: 8,
            pid: 4712,
            exit: Some(Exit {
                kind: ExitKind::NormalExit.into(),
                code: Some(0),
                during: Phase::ShuttingDown.into(),
                uptime_ms: 5,
                ..Default::default()
            }),
            ..of_web(20, "exited", Phase::ShutDown)
        }),
        "event_spawn_failed" => event(Event {
            slot: Some(1),
            worker: 9,
            exit: Some(Exit {
                kind: ExitKind::SpawnFailed.into(),
                during: Phase::Initialized.into(),
                step: "exec".into(),
                errno: 2,
                text: "exec: no such file or directory".into(),
                ..Default::default()
            }),
            ..of_web(21, "exited", Phase::Failed)
        }),
        "event_restart_scheduled" => event(Event {
            slot: Some(1),
            worker: 9,
            next_try_ms: Some(200),
            ..of_web(22, "restart_scheduled", Phase::BackingOff)
        }),
        "event_replaced" => event(Event {
            slot: Some(0),
            generation: 3,
            worker: 9,
            pid: 4713,
            detail: "in the place of worker 7, pid 4711".into(),
            replaced_pid: 4711,
            ..of_web(23, "replaced", Phase::Started)
        }),
        "unknown_phase_in_an_event" => event(Event { seq: 1, phase: 99, ..Default::default() }),
        "events_missed" => ControlResponse {
            reply_to: 3,
            more: true,
            body: Some(Body::Missed(EventsMissed { count: 100, next_seq: 123 })),
        },
        "done" => last(4, Body::Done(Done { message: "3 workers of 1 app ended".into() })),
        "operation_done_for_a_worker" => {
            result(OperationResult { name: "web/1".into(), pid: 4720, ..Default::default() })
        }
        "operation_done_for_an_app" => ControlResponse {
            reply_to: 10,
            ..result(OperationResult { name: "web".into(), desired: 4, ..Default::default() })
        },
        "operation_done_for_an_app_that_is_held" => ControlResponse {
            reply_to: 14,
            ..result(OperationResult {
                name: "web".into(),
                desired: 2,
                generation: 3,
                operation: "canary".into(),
                last_seq: 44,
                ..Default::default()
            })
        },
        "operation_rolled_back" => ControlResponse {
            reply_to: 14,
            ..result(OperationResult {
                name: "web".into(),
                error: Some(Error {
                    code: ErrorCode::RolledBack.into(),
                    message: "new worker 0 exited".into(),
                }),
                last_words: vec!["no database".into()],
                desired: 2,
                generation: 2,
                last_seq: 51,
                ..Default::default()
            })
        },
        "operation_failed" => result(OperationResult {
            name: "mail".into(),
            error: Some(Error {
                code: ErrorCode::Unspecified.into(),
                message: "app `mail` failed to start: worker 0 exited with code 3 while starting".into(),
            }),
            last_words: vec!["cannot open spool".into()],
            ..Default::default()
        }),
        "plan_of_another_file" => last(13, {
            let (file, running_file) = ("/srv/blog/drover.toml".into(), "/srv/shop/drover.toml".into());
            Body::Plan(Plan { file, running_file, id: 79, ..Default::default() })
        }),
        "plan" => ControlResponse { more: true, ..last(12, Body::Plan(full_plan())) },
        "plan_without_a_change" => {
            last(11, Body::Plan(Plan { file: "drover.toml".into(), id: 78, ..Default::default() }))
        }
        "step_done" => {
            step(StepResult { app: "mail".into(), class: ChangeClass::Add.into(), ..Default::default() })
        }
        "step_rolled_back" => step(StepResult {
            app: "web".into(),
            class: ChangeClass::Reload.into(),
            error: Some(Error {
                code: ErrorCode::Failed.into(),
                message: "app `web`: worker 0 exited with code 3 while starting".into(),
            }),
            last_words: vec!["no config".into()],
            is_rolled_back: true,
            is_skipped: false,
        }),
        "step_skipped" => step(StepResult {
            app: "old".into(),
            class: ChangeClass::Remove.into(),
            is_skipped: true,
            ..Default::default()
        }),
        "describe_reply" => last(10, Body::Description(full_description())),
        "log_line" => log(LogLine {
            app: "web".into(),
            slot: 0,
            stream: OutputStream::Stdout.into(),
            time_ms: 1_767_225_600_000,
            text: "request 7: größer".into(),
        }),
        "log_line_that_is_not_utf8" => log(LogLine {
            app: "web".into(),
            slot: 1,
            stream: OutputStream::Stderr.into(),
            time_ms: 1_767_225_600_001,
            text: vec![0x00, 0xff, 0xfe, b'!'],
        }),
        "logs_missed" => ControlResponse {
            reply_to: 11,
            more: true,
            body: Some(Body::LogsMissed(LogsMissed { count: 1000 })),
        },
        "control_error" => {
            let message = "no app is called mail".into();
            last(2, Body::Error(Error { code: ErrorCode::NotFound.into(), message }))
        }
        "send_result" => {
            let (name, reply) = ("web/0".into(), b"value"[..].into());
            let sent = SendResult { name, worker: 7, reply, ..Default::default() };
            ControlResponse { reply_to: 20, more: true, body: Some(Body::Sent(sent)) }
        }
        "send_result_that_failed" => {
            let error = Error { code: ErrorCode::Deadline.into(), message: "no reply within 2 s".into() };
            let (name, error) = ("web/1".into(), Some(error));
            let sent = SendResult { name, worker: 8, error, ..Default::default() };
            ControlResponse { reply_to: 20, more: true, body: Some(Body::Sent(sent)) }
        }
        "unknown_body_in_a_response" => ControlResponse { reply_to: 6, more: true, body: None },
        _ => return None,
    })
}

fn full_status() -> StatusReply {
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

fn reloading() -> AppStatus {
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

fn waiting() -> AppStatus {
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

fn unready() -> AppStatus {
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

fn full_description() -> DescribeReply {
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
    DescribeReply { apps: vec![AppDescription { status: Some(status), settings }], workers: vec![worker] }
}

fn full_plan() -> Plan {
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
