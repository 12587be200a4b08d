//! The pure machines: what happens, decided without tokio, clock, I/O or a random source of their own.
//!
//! The law of this folder: time comes in as [`Instant`](std::time::Instant) values, chance as a passed generator, news
//! as *inputs* named in the past tense; out go *actions* named in the imperative, which the driver carries out. A
//! machine never calls anything that waits.
//!
//! | machine | what it keeps |
//! | --- | --- |
//! | [`worker`] | the life of one process, from spawn to reap |
//! | [`fleet`] | the slots of one app: start, heal, stop; it owns the workers |
//! | [`composite`] | several apps as one: started in order, kept by a strategy, ended in reverse |
//! | [`restart`], [`backoff`] | whether and when an ended worker is tried again |
//! | [`gate`] | which request is accepted, ignored, joined or refused |
//! | [`wish`] | which signals are one wish |
//! | [`timetable`] | when the runs of an app are due, whatever happens to the clock |
//! | [`deadlines`] | when the next deadline falls due, for any number of them |
//! | [`readable`] | what a worker says, fit for a line |
//! | [`attention`] | whether they are looked at in time, and by how much they move if not |

pub mod attention;
pub mod backoff;
pub mod composite;
pub mod deadlines;
pub mod exit;
pub mod fleet;
pub mod gate;
pub mod phase;
pub mod readable;
pub mod restart;
#[cfg(test)]
pub(crate) mod testing;
pub mod timetable;
pub mod wish;
pub mod worker;
