//! What each vector of the control channel means, built in Rust.

mod requests;
mod responses;
mod whole;

pub(crate) use requests::request;
pub(crate) use responses::response;
