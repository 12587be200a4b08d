//! Drover as a whole, from the outside: a file a behaviour.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

/// The path of one of this crate's programs.
macro_rules! program {
    ($name:literal) => {
        env!(concat!("CARGO_BIN_EXE_", $name))
    };
}

mod activation;
mod admin;
mod apply;
mod bad_workers;
mod bus;
mod commands;
mod composite;
mod composite_operations;
mod conform;
mod conform_master;
mod crash;
mod cron;
mod ending;
mod events;
mod exits;
mod fairness;
mod first_start;
mod foreign;
mod foreign_workers;
mod health;
mod heartbeat;
mod hook;
mod http2;
mod keep_alive;
mod limits;
mod listeners;
mod load;
mod load_reload;
mod many_workers;
mod master_death;
mod masters;
mod node_defects;
mod node_map;
mod notify;
mod operations;
mod pages;
mod policies;
mod probes;
mod programs;
mod recycling;
mod reload;
mod reload_leftovers;
mod restart;
mod reuseport;
mod secrets;
mod send;
mod servers;
mod shut_listener;
mod shutdown;
mod signals;
mod site;
mod sockets;
mod start;
mod stdin;
mod stored;
mod surroundings;
mod suspend;
mod users;
mod watch;
