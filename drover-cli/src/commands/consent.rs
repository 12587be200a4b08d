//! The question before much is ended.

use std::io::{self, IsTerminal, Write};

use drover_master::control::Name;

use super::deed::Deed;
use crate::args::Consent;
use crate::output::message;

/// Whether the user agrees; `extent` is how much the names mean. Only a person on a terminal is asked, and only about whole apps or a
/// pattern: whoever names a worker means it, and a script has nobody to ask.
pub(super) fn given(consent: Consent, deed: Deed, names: &[Name], extent: &str) -> bool {
    let is_much = names.iter().any(|name| name.is_of_apps() || name.is_pattern());
    if consent.yes || !is_much || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return true;
    }
    let agrees = ask(&question(deed, names, extent));
    if !agrees {
        message::note("nothing was done");
    }
    agrees
}

fn question(deed: Deed, names: &[Name], extent: &str) -> String {
    let verb = match deed {
        Deed::Start => "start",
        Deed::Stop => "stop",
        Deed::Restart | Deed::Renew => "restart",
        Deed::Suspend => "suspend",
        Deed::Resume => "resume",
        Deed::Scale => "scale",
        Deed::Signal => "signal",
        Deed::Reset => "reset",
    };
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    format!("{verb} {}, {extent}? [y/N] ", names.join(" "))
}

/// Whether the user agrees to a plan that was shown. Only a person is asked.
pub(super) fn given_to_plan(yes: bool) -> bool {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return true;
    }
    let agrees = ask("apply this? [y/N] ");
    if !agrees {
        message::note("nothing was done");
    }
    agrees
}

/// Whether the user means a master that was found only because no other runs. Without a person the answer is no.
pub(super) fn given_to_master(which: &str) -> bool {
    let is_person = io::stdin().is_terminal() && io::stderr().is_terminal();
    is_person && ask(&format!("{which}; use it? [y/N] "))
}

/// Nothing else is under way, so the thread may wait for the person; Ctrl-C still ends the program.
fn ask(question: &str) -> bool {
    let mut stderr = io::stderr().lock();
    let mut answer = String::new();
    let asked = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
    asked.and_then(|()| io::stdin().read_line(&mut answer)).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes")
}
