//! One app from start to end, on a simulated clock and over a simulated kernel. A [`Witness`](witness::Witness) looks
//! on in every test: what must always hold is checked after every single step.

mod cron;
mod ending;
mod healing;
mod health;
mod histories;
mod matrix;
mod operations;
mod properties;
mod recycling;
mod requests;
mod resetting;
mod rollback;
mod rollout;
mod scaling;
mod self_reload;
mod stage;
mod starting;
mod succession;
mod suspending;
mod witness;
