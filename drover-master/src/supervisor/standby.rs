//! A program that is started by the keeper of a master of another version, to go on in its place.

use std::io;

use crate::driver::check_state;
use crate::keeper::{Kept, stand_by};
use crate::supervision::SupervisorMemory;

/// Waits until the master beside this program is gone, and returns in its place; `word` is what its keeper has given this program as an
/// argument. Call it before there is a thread.
///
/// # Errors
///
/// The keeper does not want this program, which then has to end; or nobody has started it for that.
pub fn go_on_after(word: &str) -> io::Result<Kept> {
    stand_by(word, |holds| {
        let remembered = SupervisorMemory::resume(holds).map_err(|error| error.to_string())?;
        let (_, remembered) =
            remembered.ok_or("the master has written nothing down yet; try again when it has started")?;
        for app in &remembered.whole.apps {
            check_state(holds, &app.spec.name)
                .map_err(|error| format!("app `{}`: {error}", app.spec.name))?;
        }
        Ok(())
    })
}
