//! Placeholders in addresses that are another for each worker: `{slot}`, `{9000+slot}` and `{pid}`.

use std::borrow::Cow;

/// Why a text can't be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceholderError {
    /// In braces stands something else.
    #[error("`{{{name}}}` is not a placeholder; there are `{{slot}}`, `{{NUMBER+slot}}` and `{{pid}}`")]
    Unknown {
        /// What stands there.
        name: String,
    },
    /// A brace without the other one.
    #[error("a `{{` or a `}}` stands without the other one")]
    Unpaired,
}

/// The text for one worker: `{slot}` becomes its slot, `{9000+slot}` the sum, `{pid}` its process.
///
/// # Errors
///
/// [`PlaceholderError`] if braces stand there that mean nothing.
///
/// # Examples
///
/// ```
/// use drover_master::config::fill_in;
///
/// assert_eq!(fill_in("127.0.0.1:{9000+slot}", 3, 4711).unwrap(), "127.0.0.1:9003");
/// assert!(fill_in("127.0.0.1:{port}", 3, 4711).is_err());
/// ```
pub fn fill_in(text: &str, slot: u32, pid: u32) -> Result<Cow<'_, str>, PlaceholderError> {
    if !text.contains(['{', '}']) {
        return Ok(Cow::Borrowed(text));
    }
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let inside = rest[at..].strip_prefix('{').ok_or(PlaceholderError::Unpaired)?;
        let (name, after) = inside.split_once('}').ok_or(PlaceholderError::Unpaired)?;
        filled.push_str(&rest[..at]);
        filled.push_str(&value(name, slot, pid)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(Cow::Owned(filled))
}

fn value(name: &str, slot: u32, pid: u32) -> Result<String, PlaceholderError> {
    let unknown = || PlaceholderError::Unknown { name: name.to_owned() };
    match name {
        "slot" => Ok(slot.to_string()),
        "pid" => Ok(pid.to_string()),
        _ => {
            let base = name.strip_suffix("+slot").ok_or_else(unknown)?;
            let is_number = !base.is_empty() && base.bytes().all(|byte| byte.is_ascii_digit());
            // Wide enough for every port and slot; what is no port is told by who reads the address.
            let base: u32 = base.parse().ok().filter(|_| is_number).ok_or_else(unknown)?;
            Ok((u64::from(base) + u64::from(slot)).to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_placeholder_becomes_what_it_is_of_this_worker() {
        for (text, filled) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("127.0.0.1:80{slot}", "127.0.0.1:807"),
            ("http://h:{9000+slot}/{slot}", "http://h:9007/7"),
            ("unix:/run/{pid}.sock:/", "unix:/run/42.sock:/"),
            ("{4294967295+slot}", "4294967302"),
        ] {
            assert_eq!(fill_in(text, 7, 42).unwrap(), filled);
        }
    }

    #[test]
    fn other_braces_are_refused() {
        for text in ["{port}", "{}", "{ slot }", "{-1+slot}", "{+slot}", "{+1+slot}", "{slot+1}"] {
            assert!(matches!(fill_in(text, 0, 1), Err(PlaceholderError::Unknown { .. })), "{text}");
        }
        for text in ["{slot", "slot}", "{", "a}{slot}"] {
            assert_eq!(fill_in(text, 0, 1), Err(PlaceholderError::Unpaired), "{text}");
        }
    }
}
