//! The `drover` command as its user meets it: the real binary, in a private directory, with real processes.

mod harness;

mod asking;
mod commands;
mod completion;
mod config;
mod control;
mod demo;
mod describe;
mod detach;
mod down;
mod events;
mod finding;
mod limits;
mod listen;
mod logs;
mod master_killed;
mod mistakes;
mod operate;
mod output;
mod relations;
mod restart;
mod run;
mod scale;
mod schema;
mod settings;
mod signal_verb;
mod signals;
mod status;
mod storm;
mod surroundings;
mod traces;
mod up;
mod usage;
mod validate;
mod wait;
