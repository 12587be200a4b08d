//! The `drover` command as its user meets it: the real binary, in a private directory, with real processes.

mod harness;

mod commands;
mod demo;
mod down;
mod events;
mod listen;
mod output;
mod restart;
mod run;
mod signals;
mod status;
