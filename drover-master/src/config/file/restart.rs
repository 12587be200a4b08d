//! Values of `app.NAME.restart`.

use super::mistake::{Mistakes, shown};
use super::reader::Entry;
use super::value;
use crate::config::RestartWhen;

/// Reads a policy's word; those of compose, systemd, supervisord and pm2 are answered with ours.
pub(in crate::config) fn policy<'t>(
    words: &'static [(&'static str, RestartWhen)],
    entry: &Entry<'t>,
    mistakes: &mut Mistakes<'t>,
) -> Option<RestartWhen> {
    let ours = match entry.item.as_str() {
        Some("unless-stopped" | "unless_stopped" | "yes" | "true" | "any") => "always",
        Some("on-abnormal" | "on-abort" | "on_failure" | "unexpected" | "transient") => "on-failure",
        Some("no" | "none" | "false" | "off" | "temporary") => "never",
        _ => return value::word(words)(entry, mistakes),
    };
    let text = mistakes.source(&entry.span).trim_matches(['"', '\'']).to_owned();
    mistakes
        .add(entry.span.clone(), format!("unknown word `{}` for {}", shown(&text), entry.path))
        .help(format!("here it is `{ours}`"));
    None
}

/// Exit codes.
pub(in crate::config) fn codes<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Vec<i32>> {
    let codes = value::elements(entry, mistakes, ("exit codes", "an exit code from 0 to 255"), |value| {
        value.as_integer().and_then(|code| u8::try_from(code).ok()).map(i32::from)
    })?;
    Some(codes.into_iter().map(|(code, _)| code).collect())
}
