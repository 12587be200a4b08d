//! What a probe asks, as a file has it.

use std::ops::Range;

use toml_edit::{Array, Value};

use super::address::peer_of;
use super::surroundings::command;
use crate::config::probe::text_fault;
use crate::config::text::mistake::{Mistakes, shown};
use crate::config::text::reader::{KeyValue, TableReader};
use crate::config::text::value;
use crate::config::{ConfigError, HttpUrl, ProbeKind, fill_in};

/// What can be asked; a probe has one of these.
const KINDS: [&str; 4] = ["tcp", "http", "exec", "log"];

/// Reads what is asked; a probe of a start may also listen.
pub(super) fn question(table: &mut TableReader<'_, '_>, may_listen: bool) -> Option<ProbeKind> {
    let kinds = KINDS.map(|key| if may_listen || key != "log" { table.entry(key) } else { None });
    let [tcp, http, exec, log] = &kinds;
    let spans: Vec<(&str, Range<usize>)> =
        kinds.iter().flatten().map(|kind| (kind.name, kind.key_span.clone())).collect();
    if let [(first, at), (other, again), ..] = &spans[..] {
        let message = format!("{} asks by `{first}` and by `{other}`", table.path());
        let mistake = table.mistakes().add(again.clone(), message);
        mistake.label(at.clone(), "the first of them").help("leave one: a probe asks one thing");
    }
    if spans.is_empty() {
        let keys = if may_listen { "`tcp`, `http`, `exec` or `log`" } else { "`tcp`, `http` or `exec`" };
        table.miss(
            "tcp",
            format!("missing key {keys} in {}", table.path()),
            "say what to ask, for example `tcp = \"127.0.0.1:8080\"`",
        );
    }
    let host = of_http(table, "host", http.is_some(), host);
    let status = of_http(table, "status", http.is_some(), status).unwrap_or_default();
    if log.is_some() {
        for key in ["interval", "timeout"] {
            if let Some(entry) = table.entry(key) {
                let message = format!("{} has no meaning with `log`: nothing is tried again", entry.path);
                table
                    .mistakes()
                    .add(entry.key_span, message)
                    .help("leave it out; start.timeout bounds the wait");
            }
        }
    }
    let mistakes = table.mistakes();
    match (tcp, http, exec) {
        (Some(tcp), ..) => peer(tcp, mistakes).map(|addr| ProbeKind::Tcp { addr }),
        (None, Some(http), _) => url(http, mistakes).map(|url| ProbeKind::Http { url, host, status }),
        (None, None, Some(exec)) => command(exec, mistakes).map(|words| {
            let mut words = words.into_iter().map(Into::into);
            ProbeKind::Exec { program: words.next().unwrap_or_default(), args: words.collect() }
        }),
        (None, None, None) => log.as_ref().and_then(|log| awaited(log, mistakes)),
    }
}

/// The text that is to stand in a line.
fn awaited<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<ProbeKind> {
    let text = value::string(entry, mistakes)?;
    if let Some(fault) = text_fault(text) {
        entry
            .refuse(mistakes, fault)
            .help("write what the program prints once it serves, such as `listening on`");
        return None;
    }
    Some(ProbeKind::Log { text: text.to_owned() })
}

/// An address to connect to; with placeholders it has to be one for the first slot.
fn peer<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
    let text = value::string(entry, mistakes)?;
    match fill_in(text, 0, 1) {
        Ok(first) => {
            let addr = peer_of(entry, &first, mistakes)?;
            Some(if text == first { addr } else { text.to_owned() })
        }
        Err(fault) => {
            let message = format!("{} has a placeholder that can't be filled in: {fault}", entry.path);
            mistakes.add(entry.span.clone(), message).help("write for example `127.0.0.1:{9000+slot}`");
            None
        }
    }
}

/// Asks for a key that stands beside `http`.
fn of_http<'t, T>(
    table: &mut TableReader<'t, '_>,
    key: &'static str,
    is_http: bool,
    read: impl FnOnce(&KeyValue<'t>, &mut Mistakes<'t>) -> Option<T>,
) -> Option<T> {
    let entry = table.entry(key)?;
    if !is_http {
        let message = format!("{} has no meaning without `http`", entry.path);
        table.mistakes().add(entry.key_span, message).help("leave it out");
        return None;
    }
    read(&entry, table.mistakes())
}

fn url<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<HttpUrl> {
    let text = value::string(entry, mistakes)?;
    match text.parse() {
        Ok(url) => Some(url),
        Err(error) => {
            let fault = match error {
                ConfigError::ProbeUrl { reason, .. } => reason.to_owned(),
                ConfigError::Placeholder { fault, .. } => fault.to_string(),
                error => error.to_string(),
            };
            mistakes
                .add(entry.span.clone(), format!("{} is not a URL that a probe can ask: {fault}", entry.path))
                .help("write for example `http://127.0.0.1:8080/health` or `unix:/run/web.sock:/health`");
            None
        }
    }
}

fn host<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
    let text = value::filled_string(entry, mistakes)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("{} can't be part of a request: `{}`", entry.path, shown(text));
        mistakes.add(entry.span.clone(), message).help("write a name without blanks, such as `shop.example`");
        return None;
    }
    Some(text.to_owned())
}

fn status<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<u16>> {
    let code = |value: &Value| {
        value.as_integer().and_then(|code| u16::try_from(code).ok()).filter(|code| (200..=599).contains(code))
    };
    let codes = value::elements(entry, mistakes, ("status codes", "a status code from 200 to 599"), code)?;
    if entry.item.as_array().is_some_and(Array::is_empty) {
        mistakes
            .add(entry.span.clone(), format!("{} is empty: no answer would pass", entry.path))
            .help("leave it out for 200 to 399");
    }
    Some(codes.into_iter().map(|(code, _)| code).collect())
}

/// What is asked, as a file has it.
pub(super) fn written(kind: &ProbeKind) -> Vec<(&'static str, Value)> {
    match kind {
        ProbeKind::Tcp { addr } => vec![("tcp", addr.into())],
        ProbeKind::Http { url, host, status } => {
            let mut rows = vec![("http", url.to_string().into())];
            rows.extend(host.iter().map(|host| ("host", host.into())));
            if !status.is_empty() {
                let codes = Array::from_iter(status.iter().map(|code| i64::from(*code)));
                rows.push(("status", codes.into()));
            }
            rows
        }
        // Words of a file, which are text.
        ProbeKind::Exec { program, args } => {
            let words = std::iter::once(program).chain(args).map(|word| word.to_string_lossy().into_owned());
            vec![("exec", Array::from_iter(words).into())]
        }
        ProbeKind::Log { text } => vec![("log", text.into())],
    }
}
