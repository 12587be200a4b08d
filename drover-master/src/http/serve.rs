//! One request, from its head to the answer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError};

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Method, Request, StatusCode};

use super::admin::Admin;
use super::guard::{self, Requester};
use super::metrics::{self, Measured, TextForm};
use super::reply::{HttpReply, json, refusal, reply};
use super::route::{Route, route};
use super::{health, look, operate, page};
use crate::control::{json as stable, status_of};
use crate::usage::{ProcessUsage, usage_of};

/// Answers a request.
pub(super) async fn serve(admin: Arc<Admin>, request: Request<Incoming>) -> Result<HttpReply, Infallible> {
    Ok(answer(&admin, &request).await.unwrap_or_else(|refused| refused))
}

async fn answer(admin: &Arc<Admin>, request: &Request<Incoming>) -> Result<HttpReply, HttpReply> {
    let headers = request.headers();
    let sender = Requester {
        host: text(headers, header::HOST)
            .or_else(|| request.uri().authority().map(|authority| authority.as_str())),
        origin: text(headers, header::ORIGIN),
        authorization: text(headers, header::AUTHORIZATION),
    };
    guard::may_look(&admin.spec, sender)?;
    let found = route(request.method(), request.uri().path(), request.uri().query())?;
    if matches!(found, Route::Events { .. } | Route::Logs { .. }) && request.method() == Method::HEAD {
        return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "a stream is read by GET"));
    }
    Ok(match found {
        Route::Page => page::reply(),
        Route::Live => health::live(),
        Route::Ready => health::ready(&admin.snapshots()),
        Route::Metrics => measure(admin, TextForm::of(text(headers, header::ACCEPT))).await,
        Route::Status => status(admin).await,
        Route::History => {
            json(StatusCode::OK, admin.history.lock().unwrap_or_else(PoisonError::into_inner).json())
        }
        Route::Description(names) => operate::describe(admin, &names).await,
        Route::Events { since } => {
            let last = text(headers, HeaderName::from_static("last-event-id")).and_then(|id| id.parse().ok());
            look::events(admin, last.or(since).unwrap_or(0))
        }
        Route::Logs { names, lines } => look::logs(admin, &names, lines),
        Route::Operate { names, deed } => {
            guard::may_change(&admin.spec, sender)?;
            operate::operate(admin, names, deed).await
        }
    })
}

/// A header; none where it is not there once, or no text.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    only.to_str().ok()
}

/// How everything stands, and what it uses.
async fn status(admin: &Admin) -> HttpReply {
    let now = status_of(&admin.supervisor);
    // Of a thousand processes that takes 10 ms: not on the thread that supervises.
    let written = tokio::task::spawn_blocking(move || {
        let workers = now.apps.iter().flat_map(|app| &app.workers).map(|worker| worker.pid);
        stable::status(&now, &usage_of(workers.filter(|pid| *pid != 0)))
    });
    match written.await {
        Ok(text) => json(StatusCode::OK, text),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the status could not be written"),
    }
}

async fn measure(admin: &Arc<Admin>, form: TextForm) -> HttpReply {
    let admin = Arc::clone(admin);
    // Measuring a thousand processes takes 10 ms, writing the text a few more: not on the thread that supervises.
    let measured = tokio::task::spawn_blocking(move || {
        let snapshots = admin.snapshots();
        let workers = snapshots.iter().flat_map(|shot| &shot.workers);
        let usage: HashMap<u32, ProcessUsage> = usage_of(workers.filter_map(|worker| worker.pid));
        let uptime = admin.supervisor.uptime(tokio::time::Instant::now().into_std());
        let mut counts = admin.counts.lock().unwrap_or_else(PoisonError::into_inner);
        metrics::text(
            form,
            Measured { counts: &mut counts, snapshots, traffic: admin.traffic(), usage, uptime },
        )
    });
    match measured.await {
        Ok(Ok(text)) => reply(StatusCode::OK, form.content_type(), text),
        _ => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written"),
    }
}
