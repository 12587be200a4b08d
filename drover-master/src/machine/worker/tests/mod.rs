//! One worker, on a simulated clock.

mod ending;
mod health;
mod heartbeat;
mod life;
mod notified;
mod remains;
mod replaced;
mod starting;
mod transitions;
