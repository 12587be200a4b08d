//! Workers that speak raw frames, a program, and what each hears.

mod messages;
mod requests;
mod stage;
