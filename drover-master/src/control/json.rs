//! The stable JSON of what a master tells: fields are only ever added.

use std::collections::HashMap;
use std::time::Duration;

use drover_proto::latest::{
    AppDescription, AppStatus, Change, CronRun, CronStatus, DescribeReply, Event, EventsMissed, Exit,
    LogLine, LogsMissed, MasterStatus, OperationResult, OutputStream, Plan, SendResult, StatusReply,
    WorkerDescription, WorkerStatus,
};
use serde_json::{Map, Value, json};

use crate::usage::ProcessUsage;

/// What `status --json` prints. `usage`: what the workers' processes use, as far as that is known.
pub fn status(reply: &StatusReply, usage: &HashMap<u32, ProcessUsage>) -> String {
    let master = reply.master.clone().unwrap_or_default();
    json!({
        "master": {
            "pid": master.pid,
            "version": master.version,
            "uptime_ms": master.uptime_ms,
            "file": text(&master.file),
            "profile": text(&master.profile),
            "keeper": keeper(&master),
        },
        "apps": reply.apps.iter().map(|status| app_in_use(status, usage)).collect::<Vec<_>>(),
        "last_seq": reply.last_seq,
    })
    .to_string()
}

/// None if there is none, or the master is too old to say.
pub fn keeper(master: &MasterStatus) -> Option<Value> {
    (master.keeper != 0).then(|| json!({ "pid": master.keeper, "protected": master.is_protected }))
}

/// An app, and what each of its workers uses.
fn app_in_use(status: &AppStatus, usage: &HashMap<u32, ProcessUsage>) -> Value {
    let mut value = app(status);
    value["workers"] = status.workers.iter().map(|status| worker_in_use(status, usage)).collect();
    value
}

fn worker_in_use(status: &WorkerStatus, usage: &HashMap<u32, ProcessUsage>) -> Value {
    let used = usage.get(&status.pid).filter(|_| status.pid != 0);
    let lived = Duration::from_millis(status.uptime_ms);
    let mut value = worker(status);
    value["cpu_ms"] = json!(used.map(|used| u64::try_from(used.cpu.as_millis()).unwrap_or(u64::MAX)));
    value["cpu_percent"] = json!(used.map(|used| (used.cpu_percent(lived) * 10.0).round() / 10.0));
    value["resident_bytes"] = json!(used.map(|used| used.resident));
    value
}

fn app(app: &AppStatus) -> Value {
    json!({
        "name": app.name,
        "phase": app.phase().name(),
        "desired": app.desired,
        "ready": app.ready,
        "generation": app.generation,
        "operation": text(&app.operation),
        "queued": text(&app.queued),
        "waits_for": app.waits_for,
        "outcome": text(&app.outcome),
        "cron": app.cron.as_ref().map(cron),
        "listeners": app.listeners,
        "workers": app.workers.iter().map(worker).collect::<Vec<_>>(),
    })
}

fn cron(cron: &CronStatus) -> Value {
    json!({
        "schedule": cron.schedule,
        "timezone": cron.timezone,
        "next_ms": cron.next_ms,
        "waiting_ms": cron.waiting_ms,
        "runs": cron.runs,
        "failed": cron.failed,
        "skipped": cron.skipped,
        "last": cron.last.as_ref().map(run),
    })
}

fn run(run: &CronRun) -> Value {
    json!({
        "number": number(run.number),
        "due_ms": run.due_ms,
        "began_ms": number(run.began_ms),
        "ended_ms": run.ended_ms,
        "exit": run.exit.as_ref().map(exit),
        "failed": run.failed,
        "skipped": text(&run.skipped),
        "count": number(run.count),
    })
}

fn worker(worker: &WorkerStatus) -> Value {
    json!({
        "id": number(worker.id),
        "slot": worker.slot,
        "role": worker.role().name(),
        "generation": worker.generation,
        "pid": number(worker.pid.into()),
        "phase": worker.phase().name(),
        "uptime_ms": worker.uptime_ms,
        "restarts": worker.restarts,
        "next_try_ms": worker.next_try_ms,
        "last_exit": worker.last_exit.as_ref().map(exit),
        "status": text(&worker.status_text),
        "unready": text(&worker.unready),
        "left_ms": worker.left_ms,
        "in_flight": worker.in_flight,
        "gauges": worker.gauges.iter().map(|gauge| (gauge.name.clone(), json!(gauge.value))).collect::<Map<_, _>>(),
        "gauges_refused": worker.gauges_refused,
    })
}

/// One line of `send --json`. A reply that is not text is shown in hexadecimal.
pub fn sent(sent: &SendResult, is_request: bool) -> String {
    let reply = str::from_utf8(&sent.reply).ok().filter(|_| is_request && sent.error.is_none());
    let hex = || sent.reply.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({
        "name": sent.name,
        "worker": number(sent.worker),
        "reply": reply,
        "reply_hex": (!sent.reply.is_empty() && reply.is_none()).then(hex),
        "error": sent.error.as_ref().map(|error| json!({
            "code": error.code().as_str_name().trim_start_matches("ERROR_CODE_").to_lowercase(),
            "message": error.message,
        })),
    })
    .to_string()
}

/// `describe --json`.
pub fn description(reply: &DescribeReply) -> String {
    json!({
        "apps": reply.apps.iter().map(described_app).collect::<Vec<_>>(),
        "workers": reply.workers.iter().map(described_worker).collect::<Vec<_>>(),
    })
    .to_string()
}

fn described_app(described: &AppDescription) -> Value {
    let settings =
        described.settings.iter().map(|setting| (setting.key.clone(), setting.value.as_str().into()));
    let mut value = app(&described.status.clone().unwrap_or_default());
    // They stand by themselves, each with its app's name.
    value.as_object_mut().map(|app| app.remove("workers"));
    value["settings"] = Value::Object(settings.collect());
    value["runs"] = described.runs.iter().map(run).collect();
    value
}

fn described_worker(described: &WorkerDescription) -> Value {
    let mut value = worker(&described.status.clone().unwrap_or_default());
    value["app"] = described.app.as_str().into();
    value["history"] = described.history.iter().map(exit).collect();
    value
}

/// How an operation went for one app or worker.
pub fn result(result: &OperationResult) -> Value {
    json!({
        "name": result.name,
        "pid": number(result.pid.into()),
        "desired": result.desired,
        "generation": result.generation,
        "error": result.error.as_ref().map(|error| error.message.as_str()),
        "last_words": result.last_words,
    })
}

/// `diff --json`.
pub fn plan(plan: &Plan) -> String {
    let change = |change: &Change| {
        json!({
            "app": text(&change.app),
            "key": change.key,
            "class": change.class().name(),
            "from": change.from,
            "to": change.to,
            "why": text(&change.why),
        })
    };
    json!({
        "file": plan.file,
        "running_file": text(&plan.running_file),
        "profile": text(&plan.profile),
        "changes": plan.changes.iter().map(change).collect::<Vec<_>>(),
    })
    .to_string()
}

/// One line of `events --json`.
pub fn event(event: &Event) -> String {
    json!({
        "seq": event.seq,
        "time_ms": event.time_ms,
        "app": event.app,
        "slot": event.slot,
        "generation": event.generation,
        "worker": number(event.worker),
        "pid": number(event.pid.into()),
        "event": event.name,
        "phase": event.phase().name(),
        "exit": event.exit.as_ref().map(exit),
        "next_try_ms": event.next_try_ms,
        "replaced_pid": number(event.replaced_pid.into()),
        "detail": text(&event.detail),
    })
    .to_string()
}

/// The line that stands for events that are gone.
pub fn missed(missed: &EventsMissed) -> String {
    json!({ "event": "missed", "count": missed.count, "next_seq": missed.next_seq }).to_string()
}

/// One line of `logs --json`. Bytes that are not UTF-8 become `\u{fffd}`.
pub fn log_line(line: &LogLine) -> String {
    json!({
        "app": line.app,
        "slot": line.slot,
        "generation": number(line.generation),
        "worker": number(line.worker),
        "pid": number(line.pid.into()),
        "stream": match line.stream() {
            OutputStream::Stderr => "stderr",
            OutputStream::Stdout | OutputStream::Unspecified => "stdout",
        },
        "time_ms": number(line.time_ms),
        "text": String::from_utf8_lossy(&line.text),
    })
    .to_string()
}

/// The line that stands for lines that are gone.
pub fn logs_missed(missed: &LogsMissed) -> String {
    json!({ "missed": missed.count }).to_string()
}

fn exit(exit: &Exit) -> Value {
    json!({
        "kind": exit.kind().name(),
        "signal": text(&exit.signal),
        "code": exit.code,
        "core_dumped": exit.core_dumped,
        "cause": exit.kill_cause().name(),
        "during": exit.during().name(),
        "uptime_ms": exit.uptime_ms,
        "max_rss_kb": exit.max_rss_kb,
        "cpu_ms": exit.cpu_ms,
        "stderr_tail": exit.stderr_tail,
        "asked_by": text(&exit.asked_by),
        "step": text(&exit.step),
        "errno": number(u64::from(exit.errno.unsigned_abs())),
        "text": exit.text,
        "time_ms": number(exit.time_ms),
    })
}

/// What the wire leaves empty is null.
fn text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn number(number: u64) -> Option<u64> {
    Some(number).filter(|number| *number != 0)
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{ExitKind, Gauge, Phase};

    use super::*;

    #[test]
    fn the_status_has_the_promised_fields_and_nulls() {
        let reply = StatusReply {
            master: Some(MasterStatus {
                pid: 7,
                version: "0.1.0".into(),
                uptime_ms: 12,
                file: "/srv/drover.toml".into(),
                profile: String::new(),
                keeper: 6,
                is_protected: true,
            }),
            apps: vec![AppStatus {
                name: "web".into(),
                phase: Phase::Started.into(),
                desired: 1,
                workers: vec![WorkerStatus {
                    phase: Phase::BackingOff.into(),
                    next_try_ms: Some(5),
                    gauges: vec![Gauge { name: "lag".into(), value: -0.5 }],
                    gauges_refused: 1,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            last_seq: 3,
        };
        let value: Value = serde_json::from_str(&status(&reply, &HashMap::new())).unwrap();
        assert_eq!(
            value["master"],
            json!({"pid": 7, "version": "0.1.0", "uptime_ms": 12, "file": "/srv/drover.toml", "profile": null,
                "keeper": {"pid": 6, "protected": true}})
        );
        let app = &value["apps"][0];
        assert_eq!((&app["phase"], &app["operation"]), (&json!("started"), &Value::Null));
        let worker = &app["workers"][0];
        assert_eq!(
            (&worker["id"], &worker["pid"], &worker["last_exit"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        assert_eq!((&worker["phase"], &worker["next_try_ms"]), (&json!("backing_off"), &json!(5)));
        assert_eq!((&worker["gauges"], &worker["gauges_refused"]), (&json!({"lag": -0.5}), &json!(1)));
    }

    #[test]
    fn what_a_worker_uses_is_told_as_far_as_it_is_known() {
        let worker = |pid| WorkerStatus { pid, uptime_ms: 2000, ..Default::default() };
        let workers = vec![worker(7), worker(8), worker(0)];
        let reply =
            StatusReply { apps: vec![AppStatus { workers, ..Default::default() }], ..Default::default() };
        let used = ProcessUsage { cpu: Duration::from_millis(250), own_cpu: Duration::ZERO, resident: 4096 };
        let value: Value =
            serde_json::from_str(&status(&reply, &HashMap::from([(7, used), (0, used)]))).unwrap();
        let workers = &value["apps"][0]["workers"];
        let of = |worker: usize| {
            ["cpu_ms", "cpu_percent", "resident_bytes"].map(|field| workers[worker][field].clone())
        };
        assert_eq!(of(0), [json!(250), json!(12.5), json!(4096)]);
        assert_eq!(of(1), [Value::Null, Value::Null, Value::Null]);
        assert_eq!(of(2), [Value::Null, Value::Null, Value::Null]);
    }

    #[test]
    fn an_exit_in_an_event_has_the_promised_fields() {
        let ended = Exit {
            kind: ExitKind::ExternalSignal.into(),
            signal: "SIGKILL".into(),
            during: Phase::Started.into(),
            stderr_tail: vec!["bye".into()],
            ..Default::default()
        };
        let line =
            event(&Event { name: "exited".into(), slot: Some(0), exit: Some(ended), ..Default::default() });
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["slot"], 0);
        let exit = &value["exit"];
        assert_eq!(exit["kind"], "external_signal");
        assert_eq!(exit["signal"], "SIGKILL");
        assert_eq!((&exit["code"], &exit["asked_by"]), (&Value::Null, &Value::Null));
        assert_eq!(exit["stderr_tail"], json!(["bye"]));
    }
}
