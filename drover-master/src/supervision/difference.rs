//! What the file says otherwise than what runs, for whoever has workers replaced and may believe that they get what the file says.

use super::change::{PlanError, RereadRequest};
use super::handle::SupervisorHandle;

/// That a file differs from what runs, in a sentence; none where no key does.
pub fn difference<'k>(file: &str, keys: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let mut keys: Vec<&str> = keys.into_iter().collect();
    keys.dedup();
    let shown = match keys.as_slice() {
        [] => return None,
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    };
    Some(format!(
        "{file} differs from what runs, in {shown}; the new workers get the settings that run. To change them: `drover apply`"
    ))
}

/// Reads the file again that everything was started from, and says what of it an apply would change; none where nothing would be
/// changed, or there is no file.
pub(super) async fn look(handle: &SupervisorHandle) -> Option<String> {
    let running = handle.file();
    if running.is_empty() {
        return None;
    }
    match handle.reread(RereadRequest::default()).await {
        Ok((file, _, planned)) => {
            let keys = planned.changes.iter().map(|change| change.key.as_str());
            difference(&file.display().to_string(), keys)
        }
        // Only whoever goes back is told that there is nothing earlier.
        Err(PlanError::NoFile | PlanError::NothingEarlier { .. }) => None,
        Err(PlanError::Refused { .. } | PlanError::Config(_)) => Some(format!(
            "{running} has mistakes now, and is not looked at: the new workers get the settings that run; `drover diff` shows the \
             mistakes"
        )),
        Err(error @ PlanError::Slow { .. }) => Some(format!(
            "{running} is not looked at, and the new workers get the settings that run: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_with_its_keys() {
        let told = |keys: &[&str]| difference("/x/drover.toml", keys.iter().copied());
        assert_eq!(told(&[]), None);
        for (keys, shown) in [
            (&["a"][..], "in a;"),
            (&["a", "a"], "in a;"),
            (&["a", "b"], "in a and b;"),
            (&["a", "b", "c", "d"], "in a, b and 2 more;"),
        ] {
            let told = told(keys).unwrap();
            assert!(told.starts_with("/x/drover.toml differs from what runs, "), "{told}");
            assert!(told.contains(shown) && told.ends_with("`drover apply`"), "{told}");
        }
    }
}
