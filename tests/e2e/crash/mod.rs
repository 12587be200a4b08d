//! A master that crashes below its keeper: another one goes on, and nothing that runs notices.

mod clients;
mod counts;
mod ends;
mod fates;
mod full;
mod home;
mod limits;
mod many;
mod messages;
mod notices;
mod numbers;
mod operations;
mod upgrade;
mod words;
