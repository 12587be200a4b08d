//! An app under test: started, watched by its events, and proven to be gone.

mod app;
mod captured;
mod child;
mod patience;
mod processes;
mod several;

pub use app::{App, outline};
pub use captured::Captured;
pub use child::{Ended, Process};
pub use patience::{PATIENCE, eventually, patiently};
pub use processes::{environ_of, is_running, kill_all_of, of_app, signal, variable_of};
pub use several::{Names, Several};
