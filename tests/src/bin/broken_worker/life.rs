//! Its states, and what it does in each. Whoever drains does so beside the loop that reads.
//!
//! ```text
//!  starting ──► started ──Stop──► stopping ──► stopped ──Quit──► leaving ──► exit
//!                  ▲─────────────── Resume ───────┘
//! ```

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use drover_proto::latest::{
    ErrorCode, Extend, Limits, MasterFrame, Pong, ShutDown, Started, Status, Stopped, WorkerFrame,
    master_frame, worker_frame::Body,
};

use crate::comeback::{another_master, now};
use crate::handshake::{be_welcomed, has_bus};
use crate::link::{Link, Reading};
use crate::messages::Messages;
use crate::serving::Serving;
use crate::vice::Vice;

/// How many Pings the forgetful one answers of those that come at once.
const REMEMBERED: u64 = 500;

/// How often one extends that never gets done.
const EXTENDS_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Started,
    Stopping,
    Stopped,
    Leaving,
}

/// What is asked on the connection of today, to be answered when it is done.
#[derive(Debug, Default)]
struct Asked {
    stop: Option<u64>,
    quit: Option<u64>,
}

struct Worker {
    vice: Vice,
    link: Link,
    phase: Arc<Mutex<Phase>>,
    asked: Arc<Mutex<Asked>>,
    has_come_back: bool,
    serving: Serving,
    messages: Messages,
    limits: Limits,
    pings: u64,
    last_ping: u64,
    has_resumed: bool,
}

/// Lives until the master is gone, or ends the process before.
pub(crate) fn live(vice: Vice) -> Result<(), String> {
    let (link, mut reading, welcome) = be_welcomed(vice)?;
    let limits = welcome.limits.unwrap_or_default();
    reading.keep_to(limits.max_frame_bytes);
    let mut worker = Worker {
        vice,
        messages: Messages::new(link.clone(), vice),
        phase: Arc::new(Mutex::new(Phase::Starting)),
        asked: Arc::default(),
        has_come_back: false,
        serving: Serving::of_the_master(vice),
        limits,
        link,
        pings: 0,
        last_ping: 0,
        has_resumed: false,
    };
    let knows = |capability: &String| ["bus", "app"].contains(&capability.as_str());
    if vice.is("refuses unknown capabilities") && !welcome.capabilities.iter().all(knows) {
        return Err("this master is too new".to_owned());
    }
    if has_bus(&welcome) {
        worker.messages.begin();
    } else if vice.is("sends without a bus") {
        worker.messages.greet();
    }
    worker.begin();
    loop {
        match reading.next::<WorkerFrame, MasterFrame>() {
            Ok(Some(frame)) => worker.take(frame)?,
            Ok(None) => worker.lost(&mut reading),
            Err(why) if vice.is("aborts") => {
                drover_e2e::complain(&why);
                std::process::abort()
            }
            Err(why) => {
                worker.link.refuse(0, ErrorCode::BadFrame, &why);
                return Err(why);
            }
        }
    }
}

impl Worker {
    fn begin(&mut self) {
        self.serving.begin();
        *self.phase() = Phase::Started;
        if !self.vice.is("says Started before Welcome") {
            self.link.say(0, Body::Started(Started {}));
        }
        if self.vice.is("says Started twice") {
            self.link.say(0, Body::Started(Started {}));
        }
    }

    /// Does what is asked.
    fn take(&mut self, frame: MasterFrame) -> Result<(), String> {
        let MasterFrame { seq, reply_to, expects_reply, must_understand, body } = frame;
        self.bear(body.as_ref())?;
        match body {
            None if must_understand && !self.vice.is("goes on without understanding") => {
                return Err("the master demands what is unknown here".to_owned());
            }
            None if expects_reply && !self.vice.is("ignores the unknown") => {
                self.link.refuse(seq, ErrorCode::Unimplemented, "unknown here");
            }
            None if self.vice.is("answers what asks nothing") => {
                self.link.refuse(seq, ErrorCode::Unimplemented, "unknown here");
            }
            None => {}
            Some(master_frame::Body::Ping(_)) => self.pong(seq),
            Some(master_frame::Body::Stop(_)) => return self.stop(seq, expects_reply),
            Some(master_frame::Body::Resume(_)) => self.resume(seq, expects_reply),
            Some(master_frame::Body::Quit(quit)) => self.quit(seq, quit.deadline_ms),
            Some(master_frame::Body::Message(message)) => self.messages.attend(seq, expects_reply, message),
            Some(master_frame::Body::Reply(reply)) => self.messages.pass_on(reply_to, &reply.payload),
            Some(master_frame::Body::Error(_)) if expects_reply && self.vice.is("answers an Error") => {
                self.link.refuse(seq, ErrorCode::Failed, "so there was an error");
            }
            Some(master_frame::Body::Error(error)) => {
                self.messages.pass_on_refusal(reply_to, &error.message);
            }
            Some(master_frame::Body::Accepted(_)) => self.messages.pass_on(reply_to, b""),
        }
        Ok(())
    }

    /// Some leave at what is not a reason to.
    fn bear(&self, body: Option<&master_frame::Body>) -> Result<(), String> {
        use master_frame::Body::{Error, Message, Quit, Stop};
        let why = match body {
            Some(Error(_)) if self.vice.is("leaves at an Error") => "an error",
            Some(Error(error))
                if self.vice.is("leaves at an unknown code") && ErrorCode::try_from(error.code).is_err() =>
            {
                "an error of an unknown kind"
            }
            Some(
                Stop(drover_proto::latest::Stop { deadline_ms })
                | Quit(drover_proto::latest::Quit { deadline_ms }),
            ) if self.vice.is("takes a large deadline for a past one")
                && i64::try_from(*deadline_ms).is_err() =>
            {
                "a deadline in the past"
            }
            Some(Message(message)) if self.vice.is("bears no empty topic") && message.topic.is_empty() => {
                "a message about nothing"
            }
            _ => return Ok(()),
        };
        Err(why.to_owned())
    }

    fn pong(&mut self, seq: u64) {
        self.pings += 1;
        if self.vice.is("expects numbers in order") {
            if seq < self.last_ping {
                return;
            }
            self.last_ping = seq;
        }
        if self.vice.is("forgets Pings") && self.pings > REMEMBERED {
            return;
        }
        let seq = if self.vice.is("answers no Ping by its number") { 0 } else { seq };
        self.link.say(seq, Body::Pong(Pong {}));
        if self.vice.is("answers twice") {
            self.link.say(seq, Body::Pong(Pong {}));
        }
    }

    fn stop(&mut self, seq: u64, expects_reply: bool) -> Result<(), String> {
        let before = *self.phase();
        match before {
            _ if seq == 0 && self.vice.is("is silent without a number") => {}
            Phase::Stopped if self.vice.is("is silent at a second Stop") => {}
            Phase::Stopped if self.vice.is("leaves at a second Stop") => {
                return Err("it was stopped already".to_owned());
            }
            _ if self.has_come_back && self.vice.is("is silent at a Stop that comes again") => {}
            Phase::Stopping
                if self.has_come_back && self.vice.is("says Stopped at a Stop that comes again") =>
            {
                self.link.say(seq, Body::Stopped(Stopped {}));
            }
            // It may say so again.
            Phase::Stopped => self.link.say(seq, Body::Stopped(Stopped {})),
            Phase::Starting | Phase::Started => self.drain(seq),
            // It has come again, on another connection.
            Phase::Stopping if locked(&self.asked).stop.is_none() => locked(&self.asked).stop = Some(seq),
            Phase::Stopping | Phase::Leaving if expects_reply => {
                self.link.refuse(seq, ErrorCode::BadState, "it is stopping already");
            }
            Phase::Stopping | Phase::Leaving => {}
        }
        Ok(())
    }

    fn drain(&mut self, seq: u64) {
        *self.phase() = Phase::Stopping;
        locked(&self.asked).stop = Some(seq);
        self.serving.cease();
        let clients = self.serving.clients();
        if self.vice.is("cuts requests off at Stop") {
            clients.cut_off();
        }
        let (link, phase, vice) = (self.link.clone(), Arc::clone(&self.phase), self.vice);
        let asked = Arc::clone(&self.asked);
        let drain = move || {
            clients.until_none();
            if vice.is("extends for ever at Stop") {
                extend_for_ever(&link);
            }
            // A Quit that came meanwhile is answered instead, and not before this is said.
            let mut phase = locked(&phase);
            if *phase == Phase::Stopping {
                *phase = Phase::Stopped;
                // If the connection is lost, it is asked again.
                if let Some(seq) = locked(&asked).stop {
                    link.say(seq, Body::Stopped(Stopped {}));
                }
                if vice.is("says Started after an early Stop") {
                    link.say(0, Body::Started(Started {}));
                }
                if vice.is("leaves when it is stopped") {
                    leave(0);
                }
            }
        };
        // Where it reads, no Pong comes before what it says here.
        match self.vice.is("drains where it reads") || self.vice.is("says Started after an early Stop") {
            true => drain(),
            false => drop(std::thread::spawn(drain)),
        }
    }

    fn resume(&mut self, seq: u64, expects_reply: bool) {
        if *self.phase() != Phase::Stopped {
            if expects_reply {
                self.link.refuse(seq, ErrorCode::BadState, "it is not stopped");
            }
            return;
        }
        *self.phase() = Phase::Started;
        self.has_resumed = true;
        if !self.vice.is("accepts nobody after Resume") {
            self.serving.begin();
        }
        self.link.say(if self.vice.is("resumes unasked") { 0 } else { seq }, Body::Started(Started {}));
    }

    fn quit(&mut self, seq: u64, deadline_ms: u64) {
        let is_ignored = match *self.phase() {
            Phase::Stopping => self.vice.is("ignores Quit while it stops"),
            _ => self.has_resumed && self.vice.is("ignores Quit once it has resumed"),
        };
        if is_ignored || (deadline_ms == 0 && self.vice.is("takes no time for all the time")) {
            return;
        }
        locked(&self.asked).quit = Some(seq);
        if std::mem::replace(&mut *self.phase(), Phase::Leaving) == Phase::Leaving {
            return;
        }
        self.serving.cease();
        let clients = self.serving.clients();
        if self.vice.is("cuts requests off at Quit") {
            clients.cut_off();
        }
        let (link, vice) = (self.link.clone(), self.vice);
        let asked = Arc::clone(&self.asked);
        std::thread::spawn(move || {
            clients.until_none();
            if vice.is("extends for ever at Quit") {
                extend_for_ever(&link);
            }
            if let Some(seq) = locked(&asked).quit {
                link.say(seq, Body::ShutDown(ShutDown {}));
            }
            leave(i32::from(vice.is("fails after ShutDown")));
        });
    }

    /// The connection is lost: it goes on under another master, or ends.
    fn lost(&mut self, reading: &mut Reading) {
        let ended = now();
        self.bear_the_end();
        if self.vice.is("cuts requests off when its connection is lost") {
            self.serving.clients().cut_off();
        }
        self.link.close();
        // Whoever is done while there is no connection is asked again.
        *locked(&self.asked) = Asked::default();
        let Some(welcome) = another_master(self.vice, &self.link, reading, ended, self.grace()) else {
            self.end(ended)
        };
        self.has_come_back = true;
        self.limits = welcome.limits.unwrap_or_default();
        reading.keep_to(self.limits.max_frame_bytes);
        if has_bus(&welcome) {
            self.messages.begin();
        }
        let repeats = *self.phase() == Phase::Started && !self.has_resumed;
        if repeats && !self.vice.is("does not say Started again") {
            self.link.say(0, Body::Started(Started {}));
        }
    }

    fn grace(&self) -> Duration {
        let Limits { drain_timeout_ms, quit_timeout_ms, .. } = self.limits;
        Duration::from_millis(drain_timeout_ms.saturating_add(quit_timeout_ms)).max(Duration::from_secs(1))
    }

    /// Some do not take an end for one.
    fn bear_the_end(&self) {
        if self.vice.is("outlives its master") {
            drover_e2e::wait_for_ever();
        }
        if self.vice.is("waits for the other to close") {
            // As long as it can write, it believes in its master.
            let status = || WorkerFrame { body: Some(Body::Status(Status::default())), ..Default::default() };
            while self.link.send(&status()).is_ok() {
                // So that the master is not flooded.
                pause(Duration::from_millis(20));
            }
        }
    }

    /// The master is dead: it drains and leaves, in time.
    fn end(&mut self, ended: Instant) -> ! {
        self.serving.cease();
        let clients = self.serving.clients();
        if self.vice.is("cuts requests off without a master") {
            clients.cut_off();
        }
        self.link.close();
        if !self.vice.is("waits for its clients without a master") {
            // Had somebody held the socket, it would have taken as long again to find out.
            let left = self.grace().saturating_sub(now() - ended);
            let left = if left.is_zero() { self.grace() } else { left };
            std::thread::spawn(move || {
                pause(left);
                leave(70);
            });
        }
        clients.until_none();
        leave(i32::from(self.vice.is("fails without a master")));
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        locked(&self.phase)
    }
}

/// Ends the process, from whichever thread gets done.
#[expect(clippy::disallowed_methods, reason = "this is its end")]
pub(crate) fn leave(code: i32) -> ! {
    std::process::exit(code)
}

#[expect(clippy::disallowed_methods, reason = "a deadline, in a process that has no runtime")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().expect("nobody panics while it holds the phase")
}

fn extend_for_ever(link: &Link) -> ! {
    loop {
        link.say(0, Body::Extend(Extend { timeout_ms: 5000 }));
        pause(EXTENDS_EVERY);
    }
}
