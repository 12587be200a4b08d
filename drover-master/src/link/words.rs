//! What a frame says of a worker's life, and what it is called in traces.

use std::time::Duration;

use drover_proto::latest::{WorkerFrame, worker_frame};

use crate::machine::worker::{WorkerGauges, WorkerReport};

/// How much of a worker's status text is kept, in bytes. It is a line for people, kept for every worker.
const STATUS_TEXT: usize = 4096;

/// As much of a text as is kept.
pub(super) fn line(text: &str) -> &str {
    let end = (0..=STATUS_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// What of a frame concerns the worker's life. An Error does not.
pub(super) fn said(frame: &WorkerFrame) -> Option<WorkerReport> {
    Some(match frame.body.as_ref()? {
        worker_frame::Body::Started(_) => WorkerReport::Started,
        worker_frame::Body::Stopped(_) => WorkerReport::Stopped,
        worker_frame::Body::ShutDown(_) => WorkerReport::ShutDown,
        worker_frame::Body::Extend(extend) => {
            WorkerReport::Extend { by: Duration::from_millis(extend.timeout_ms) }
        }
        worker_frame::Body::Status(status) => WorkerReport::Status {
            text: line(&status.text).to_owned(),
            in_flight: status.in_flight,
            requests: status.requests,
            gauges: WorkerGauges::of(status.gauges.iter().map(|gauge| (&*gauge.name, gauge.value))),
        },
        worker_frame::Body::Pong(_) => WorkerReport::Pong,
        worker_frame::Body::Progress(_) => WorkerReport::Progress,
        worker_frame::Body::Error(_)
        | worker_frame::Body::Message(_)
        | worker_frame::Body::Reply(_)
        | worker_frame::Body::Subscribe(_)
        | worker_frame::Body::Unsubscribe(_)
        | worker_frame::Body::Consumed(_) => return None,
    })
}

pub(super) fn name(frame: &WorkerFrame) -> &'static str {
    match &frame.body {
        Some(worker_frame::Body::Started(_)) => "Started",
        Some(worker_frame::Body::Stopped(_)) => "Stopped",
        Some(worker_frame::Body::ShutDown(_)) => "ShutDown",
        Some(worker_frame::Body::Extend(_)) => "Extend",
        Some(worker_frame::Body::Status(_)) => "Status",
        Some(worker_frame::Body::Pong(_)) => "Pong",
        Some(worker_frame::Body::Error(_)) => "Error",
        Some(worker_frame::Body::Progress(_)) => "Progress",
        Some(worker_frame::Body::Message(_)) => "Message",
        Some(worker_frame::Body::Reply(_)) => "Reply",
        Some(worker_frame::Body::Subscribe(_)) => "Subscribe",
        Some(worker_frame::Body::Unsubscribe(_)) => "Unsubscribe",
        Some(worker_frame::Body::Consumed(_)) => "Consumed",
        None => "a message of a later version",
    }
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{Gauge, Status};

    use super::*;

    #[test]
    fn a_status_text_without_end_is_cut_at_a_whole_character() {
        let text = format!("x{}", "ü".repeat(STATUS_TEXT));
        let gauges = vec![Gauge { name: "queue_length".into(), value: 12.5 }];
        let status = Status { text, in_flight: 3, requests: 9, gauges };
        let frame = WorkerFrame { body: Some(worker_frame::Body::Status(status)), ..Default::default() };
        let Some(WorkerReport::Status { text, in_flight: 3, requests: 9, gauges }) = said(&frame) else {
            panic!("{frame:?}")
        };
        assert_eq!(text.len(), STATUS_TEXT - 1);
        assert!(text.ends_with('ü'));
        assert_eq!(gauges.kept().collect::<Vec<_>>(), [("queue_length", 12.5)]);
    }
}
