//! stub
pub mod config;
pub mod machine;
mod process;
