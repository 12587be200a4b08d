//! Placeholders that are another for each worker: `{slot}` and `{9000+slot}`, in addresses `{pid}` too.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

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
    match name {
        "pid" => Ok(pid.to_string()),
        _ => of_slot(name, slot).ok_or_else(|| PlaceholderError::Unknown { name: name.to_owned() }),
    }
}

fn of_slot(name: &str, slot: u32) -> Option<String> {
    if name == "slot" {
        return Some(slot.to_string());
    }
    let base = name.strip_suffix("+slot")?;
    let is_number = !base.is_empty() && base.bytes().all(|byte| byte.is_ascii_digit());
    // Wide enough for every port and slot; whoever reads the address says what is not a port.
    let base: u32 = base.parse().ok().filter(|_| is_number)?;
    Some((u64::from(base) + u64::from(slot)).to_string())
}

/// The same in an argument or a variable of a command, where braces are everyday things (`awk '{print}'`): only what is exactly
/// `{slot}` or `{9000+slot}` is filled in, and `{{slot}}` becomes `{slot}`. A text that is not UTF-8 stays as it is.
pub(crate) fn fill_in_known(text: &OsStr, slot: u32) -> OsString {
    let Some(mut rest) = text.to_str().filter(|text| text.contains("slot}")) else { return text.to_owned() };
    let mut filled = String::with_capacity(rest.len());
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        let inside = &rest[at + 1..];
        let (is_escaped, inside) = inside.strip_prefix('{').map_or((false, inside), |inside| (true, inside));
        let found = inside.split_once('}').and_then(|(name, after)| {
            let value = of_slot(name, slot)?;
            if is_escaped {
                Some((format!("{{{name}}}"), after.strip_prefix('}')?))
            } else {
                Some((value, after))
            }
        });
        match found {
            Some((value, after)) => {
                filled.push_str(&value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = &rest[at + 1..];
            }
        }
    }
    filled.push_str(rest);
    filled.into()
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
    fn in_a_command_only_what_is_exactly_a_placeholder_is_filled_in() {
        for (text, filled) in [
            ("--port={9000+slot}", "--port=9007"),
            ("{slot}{slot}", "77"),
            ("{{slot}}", "{slot}"),
            ("{{9000+slot}}", "{9000+slot}"),
            ("{{slot} {slot}}", "{7 7}"),
            ("{{{slot}}}", "{{slot}}"),
            ("awk '{print $1}' {pid} {slots} { slot }", "awk '{print $1}' {pid} {slots} { slot }"),
            (r#"{"a": {"slot": {slot}}}"#, r#"{"a": {"slot": 7}}"#),
            ("{a{slot}", "{a7"),
            ("{slot", "{slot"),
            ("slot}", "slot}"),
        ] {
            assert_eq!(fill_in_known(OsStr::new(text), 7), OsStr::new(filled), "{text}");
        }
        let bytes = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff{slot}");
        assert_eq!(fill_in_known(bytes, 7), bytes);
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
