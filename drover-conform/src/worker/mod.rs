//! Plays the master against the program of a worker.
//!
//! | file | is |
//! | --- | --- |
//! | `cases` | the cases, a file a group |
//! | `runner` | a run: the first start, the cases, the end of all that was started |
//! | `stage` | where a case is played: a socket, and one worker after the other |
//! | `tested` | a worker: its process, its connection, and what the cases ask of both |
//! | `client`, `sockets` | a client of the worker's socket, and what the kernel tells of it |
//! | `said` | what a master says |
//! | `process` | the worker's process: its `child`, what is `printed`, its `exit`; the `orphans` it leaves |

mod cases;
mod client;
mod deadlines;
mod directory;
mod process;
mod runner;
mod said;
mod sockets;
mod stage;
mod tested;

pub use cases::cases;
pub use runner::{WorkerRun, WorkerRunError, run};
pub use stage::Settings;
