//! The pages that people follow are followed: each file is written, each command is typed.

mod guides;
mod place;
mod readme;
