//! What each vector of a response means, built in Rust.

use drover_proto::latest::*;

use super::whole::{
    description_of_runs, full_description, full_plan, full_status, reloading, scheduled, unready, waiting,
};

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
        "status_reply_of_a_master_with_a_profile" => last(1, {
            let master = MasterStatus { profile: "dev".into(), ..Default::default() };
            Body::Status(StatusReply { master: Some(master), ..Default::default() })
        }),
        "status_reply_of_a_master_with_a_keeper" => last(1, {
            let master = MasterStatus { keeper: 4699, is_protected: true, ..Default::default() };
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
        "status_reply_of_an_app_with_a_schedule" => last(2, {
            let report = scheduled();
            Body::Status(StatusReply { apps: vec![report], ..Default::default() })
        }),
        "describe_reply_with_runs" => last(3, Body::Description(description_of_runs())),
        "status_reply_of_an_app_with_gauges" => last(2, {
            let gauges = vec![Gauge { name: "queue_length".into(), value: 12.5 }];
            let worker = WorkerStatus { id: 7, gauges, gauges_refused: 3, ..Default::default() };
            let web = AppStatus { name: "web".into(), workers: vec![worker], ..Default::default() };
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
        "description_as_a_file" => {
            last(10, Body::Description(DescribeReply { file: "version = 1\n".into(), ..Default::default() }))
        }
        "plan_with_a_profile" => last(11, Body::Plan(Plan { profile: "dev".into(), ..Default::default() })),
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
            ..Default::default()
        }),
        "log_line_of_a_known_worker" => log(LogLine {
            app: "web".into(),
            slot: 2,
            stream: OutputStream::Stdout.into(),
            time_ms: 1_767_225_600_002,
            text: "hello".into(),
            generation: 3,
            worker: 17,
            pid: 4711,
        }),
        "log_line_that_is_not_utf8" => log(LogLine {
            app: "web".into(),
            slot: 1,
            stream: OutputStream::Stderr.into(),
            time_ms: 1_767_225_600_001,
            text: vec![0x00, 0xff, 0xfe, b'!'],
            ..Default::default()
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
        "upgrade_reply" => {
            let upgraded = UpgradeReply { pid: 4711, version: "0.2.0".into() };
            ControlResponse { reply_to: 24, body: Some(Body::Upgrade(upgraded)), ..Default::default() }
        }
        "unknown_body_in_a_response" => ControlResponse { reply_to: 6, more: true, body: None },
        _ => return None,
    })
}
