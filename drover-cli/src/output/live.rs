//! A line at the terminal about what is under way, below everything else; without a trace once that is over.

use std::io::{self, IsTerminal};
use std::time::Duration;

use drover_master::control::status_of;
use drover_master::supervisor::SupervisorHandle;
use drover_master::{EventKind, keep_standing};

use super::course::{Course, CourseLook, CourseScope};
use super::message;

/// What takes no longer than this has no line: it would only flicker.
pub(crate) const BRIEF: Duration = Duration::from_millis(300);

/// How often its time goes on.
pub(crate) const EACH: Duration = Duration::from_millis(100);

/// A terminal that does not say how wide it is.
const WIDTH: usize = 80;

/// The line. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct LiveLine(());

impl LiveLine {
    /// The line of this process, if stderr is a terminal that can take one away again. From now on nothing else is said there but by
    /// the thread that writes it.
    pub(crate) fn begin(is_quiet: bool) -> Option<Self> {
        let is_possible = !is_quiet && io::stderr().is_terminal() && !message::is_dumb();
        is_possible.then(|| {
            message::say_by_the_writer();
            Self(())
        })
    }

    /// How it is to look now; a window may have another size each time.
    pub(crate) fn look(&self) -> CourseLook {
        let width = terminal_size::terminal_size_of(io::stderr()).map_or(0, |(columns, _)| columns.0.into());
        CourseLook { width: if width == 0 { WIDTH } else { width }, colour: message::is_stderr_coloured() }
    }

    /// Shows this from now on.
    pub(crate) fn show(&self, line: Option<String>) {
        keep_standing(line);
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        keep_standing(None);
    }
}

/// Shows what a master in the foreground starts, replaces and ends, for as long as it is polled.
pub(crate) async fn follow(line: LiveLine, supervisor: SupervisorHandle) {
    let mut events = supervisor.events().since(0);
    let mut course = Course::new(CourseScope::Apps);
    tokio::time::sleep(BRIEF).await;
    loop {
        while events.try_next().is_some() {}
        let told = course.line(&status_of(&supervisor), |_| true, Duration::ZERO, line.look());
        let is_idle = told.is_none();
        line.show(told);
        if is_idle {
            // What was missed may have begun something.
            while events.next().await.is_ok_and(|event| !begins_something(&event.kind)) {}
        }
        tokio::time::sleep(EACH).await;
    }
}

/// Whether an app may do something as a whole from now on.
fn begins_something(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::AppStarting
            | EventKind::AppStopping { .. }
            | EventKind::ReloadStarted { .. }
            | EventKind::RollingBack { .. }
    )
}
