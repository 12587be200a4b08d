//! stub
/// stub
pub trait OutputSink: std::fmt::Debug {}
