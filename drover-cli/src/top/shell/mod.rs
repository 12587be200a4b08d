//! The loop around the view: news, keys, signals and time come in, screens go out.

mod act;
mod desires;
mod follow;
mod signals;
mod time;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::model::{Act, Console, Input};
use super::terminal::{FullScreen, Keyboard, Terminal};
use super::view::view;
use crate::args::TopArgs;
use crate::exit_status::ExitStatus;
use crate::output::message;
use desires::Desires;
use signals::{Caught, Signals};
use time::Clocks;

/// News that wait to be shown: a burst waits in the sockets, and then with the master, which counts what it lets go of.
const NEWS: usize = 256;

/// Between two screens: what changes faster is seen by nobody.
const FRAME: Duration = Duration::from_millis(40);

/// How often time alone changes what is shown: uptimes, and the seconds until a next try.
const SECOND: Duration = Duration::from_secs(1);

/// The live view, until somebody leaves it.
pub(crate) async fn run(terminal: Terminal, path: PathBuf, args: &TopArgs) -> ExitStatus {
    let signals = Signals::new();
    let (screen, keyboard) = match terminal.take() {
        Ok(taken) => taken,
        Err(error) => {
            message::error_text(&format!("the terminal can't be set up: {error}"));
            return ExitStatus::Failed;
        }
    };
    let (news, inputs) = mpsc::channel(NEWS);
    let console = Console::new(args.apps.clone(), args.read_only, screen.size());
    let desires = Desires::new(path, args.apps.clone(), news);
    let shell =
        Shell { screen, keyboard, signals, inputs, desires, console, time: Clocks::new(), is_paused: false };
    shell.run().await
}

struct Shell {
    screen: FullScreen,
    keyboard: Keyboard,
    signals: Signals,
    inputs: mpsc::Receiver<Input>,
    desires: Desires,
    console: Console,
    time: Clocks,
    /// Whether the terminal is wanted back by the shell.
    is_paused: bool,
}

/// What one turn of the loop came to.
enum Turn {
    Go,
    Leave,
}

impl Shell {
    async fn run(mut self) -> ExitStatus {
        let (mut drawn, mut second) = (Instant::now() - FRAME, Instant::now() + SECOND);
        let mut is_changed = true;
        loop {
            self.desires.serve(&self.console);
            let draw_at = drawn + FRAME;
            if is_changed && Instant::now() >= draw_at {
                self.screen.show(view(&self.console));
                (drawn, is_changed) = (Instant::now(), false);
                continue;
            }
            let wake = self.desires.wakes_at().into_iter().chain(is_changed.then_some(draw_at));
            let wake = wake.chain([second]).min().unwrap_or(second);
            let turn = tokio::select! {
                input = self.inputs.recv() => self.news(input),
                keys = self.keyboard.next() => match keys {
                    Ok(keys) => self.keys(keys),
                    // The terminal is gone.
                    Err(_) => Turn::Leave,
                },
                caught = self.signals.next() => self.caught(caught),
                () = tokio::time::sleep_until(wake) => {
                    if Instant::now() < second {
                        // Something is due that is not a change in itself.
                        continue;
                    }
                    second = Instant::now() + SECOND;
                    self.apply(Input::TimePassed)
                }
            };
            is_changed = true;
            if std::mem::take(&mut self.is_paused) {
                self.pause().await;
            }
            if let Turn::Leave = turn {
                return self.end().await;
            }
        }
    }

    async fn end(self) -> ExitStatus {
        self.screen.leave().await;
        match &self.console.lost {
            Some(why) => {
                message::error_text(&format!("the master is gone: {why}"));
                ExitStatus::Unreachable
            }
            None => ExitStatus::Done,
        }
    }

    /// Takes what has come by now: more of it in one screen.
    fn news(&mut self, first: Option<Input>) -> Turn {
        let mut next = first;
        for _ in 0..NEWS {
            let Some(input) = next.take() else { break };
            self.desires.note(&input);
            if let Turn::Leave = self.apply(input) {
                return Turn::Leave;
            }
            next = self.inputs.try_recv().ok();
        }
        if let Some(input) = next {
            self.desires.note(&input);
            return self.apply(input);
        }
        Turn::Go
    }

    fn keys(&mut self, keys: Vec<super::model::Key>) -> Turn {
        for key in keys {
            if let Turn::Leave = self.apply(Input::Pressed(key)) {
                return Turn::Leave;
            }
        }
        Turn::Go
    }

    fn apply(&mut self, input: Input) -> Turn {
        match self.console.apply(input, self.time.now()) {
            None => {}
            Some(Act::Quit) => return Turn::Leave,
            Some(Act::Carry(order)) => self.desires.carry(order),
            Some(Act::Pause) => self.is_paused = true,
            Some(Act::Repaint) => self.screen.repaint(),
        }
        Turn::Go
    }

    fn caught(&mut self, caught: Caught) -> Turn {
        match caught {
            Caught::End => Turn::Leave,
            Caught::Resize => {
                let (columns, rows) = self.screen.size();
                self.apply(Input::Resized(columns, rows))
            }
            Caught::Pause => {
                self.is_paused = true;
                Turn::Go
            }
            Caught::Continue => self.come_back(),
        }
    }

    /// Back to the shell, where there is one that can continue this.
    async fn pause(&mut self) {
        if signals::has_shell() {
            self.screen.leave().await;
            signals::stop_here().await;
            // Continued: SIGCONT is told as well, and finds everything set up.
            self.come_back();
        }
    }

    fn come_back(&mut self) -> Turn {
        if self.screen.enter().is_err() {
            return Turn::Leave;
        }
        let (columns, rows) = self.screen.size();
        self.apply(Input::Resized(columns, rows))
    }
}
