//! The `drover` command as its user meets it: the real binary, in a private directory, with real processes.

mod harness;

mod commands;
mod completion;
mod config;
mod control;
mod demo;
mod down;
mod events;
mod finding;
mod limits;
mod listen;
mod master_killed;
mod mistakes;
mod output;
mod relations;
mod restart;
mod run;
mod schema;
mod settings;
mod signals;
mod status;
mod surroundings;
mod traces;
mod up;
mod usage;
mod validate;
