//! What each vector of a request means, built in Rust.

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
        "diff_request" => {
            asks(11, Body::Diff(DiffRequest { file: "/srv/drover.toml".into(), color: true, profile: None }))
        }
        "diff_request_without_a_profile" => {
            asks(11, Body::Diff(DiffRequest { profile: Some(String::new()), ..Default::default() }))
        }
        "apply_request_with_a_profile" => {
            asks(12, Body::Apply(ApplyRequest { profile: Some("dev".into()), ..Default::default() }))
        }
        "apply_request" => asks(12, {
            let file = "/srv/drover.toml".into();
            Body::Apply(ApplyRequest { file, color: true, no_wait: true, plan_id: Some(77), profile: None })
        }),
        "reset_request" => asks(22, Body::Reset(ResetRequest { names: vec!["web/0".into()] })),
        "reopen_logs_request" => {
            asks(23, Body::ReopenLogs(ReopenLogsRequest { names: vec!["web".into(), "db*".into()] }))
        }
        "upgrade_request" => {
            asks(24, Body::Upgrade(UpgradeRequest { binary: "/opt/drover".into(), check: true }))
        }
        "rollback_request" => asks(21, {
            let apps = vec!["web".to_owned()];
            Body::Rollback(RollbackRequest { apps, dry_run: true, no_wait: true, plan_id: Some(77) })
        }),
        "apply_request_of_the_first_file" => asks(13, Body::Apply(ApplyRequest::default())),
        "describe_request" => {
            asks(10, Body::Describe(DescribeRequest { names: vec!["web".into()], ..Default::default() }))
        }
        "describe_request_as_a_file" => {
            asks(10, Body::Describe(DescribeRequest { as_file: true, ..Default::default() }))
        }
        "logs_request" => asks(11, Body::Logs(LogsRequest::default())),
        "logs_request_to_follow_without_kept_lines" => asks(12, {
            Body::Logs(LogsRequest {
                names: vec!["web/0".into()],
                lines: Some(0),
                follow: true,
                ..Default::default()
            })
        }),
        "logs_request_of_a_time_and_a_stream" => asks(14, {
            Body::Logs(LogsRequest {
                since_ms: Some(1_767_225_600_000),
                until_ms: Some(1_767_225_660_000),
                stream: OutputStream::Stderr.into(),
                ..Default::default()
            })
        }),
        "unknown_body_in_a_request" => ControlRequest { seq: 6, body: None },
        _ => return None,
    })
}

fn reload_of_web(step: ReloadStep) -> ReloadRequest {
    ReloadRequest { apps: vec!["web".into()], step: step.into(), ..Default::default() }
}
