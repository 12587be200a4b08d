//! Values of other programs in the words of drover.toml.

use std::str::FromStr;

use nix::sys::signal::Signal;

/// Units of time that pm2, systemd and compose know, in µs.
const TIMES: [(&str, f64); 26] = [
    ("us", 1.0),
    ("µs", 1.0),
    ("usec", 1.0),
    ("ms", 1e3),
    ("msec", 1e3),
    ("s", 1e6),
    ("sec", 1e6),
    ("second", 1e6),
    ("seconds", 1e6),
    ("m", 6e7),
    ("min", 6e7),
    ("mins", 6e7),
    ("minute", 6e7),
    ("minutes", 6e7),
    ("h", 3.6e9),
    ("hr", 3.6e9),
    ("hrs", 3.6e9),
    ("hour", 3.6e9),
    ("hours", 3.6e9),
    ("d", 8.64e10),
    ("day", 8.64e10),
    ("days", 8.64e10),
    ("w", 6.048e11),
    ("week", 6.048e11),
    ("weeks", 6.048e11),
    ("ns", 1e-3),
];

/// Above this a time is nonsense: a hundred years.
const LONGEST_MS: f64 = 3.2e12;

/// A time such as `5`, `500ms`, `1min 30s` or `1h30m`, in ms, at least 1 unless it is none. A number alone counts in `unit`.
pub(super) fn time(text: &str, unit: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut us = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at(letters);
        let name = if name.is_empty() { unit } else { name };
        let (_, one) = TIMES.iter().find(|(known, _)| *known == name)?;
        us += number.parse::<f64>().ok()? * one;
        rest = after.trim_start();
    }
    let ms = us / 1e3;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and LONGEST_MS")]
    (ms <= LONGEST_MS).then_some(ms.ceil() as u64)
}

/// A time as drover.toml has it.
pub(super) fn time_text(ms: u64) -> String {
    match ms {
        _ if !ms.is_multiple_of(1000) => format!("{ms}ms"),
        _ if ms >= 60_000 && ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ => format!("{}s", ms / 1000),
    }
}

/// A size such as `300M`, `50MB`, `1GiB` or a number of bytes, as drover.toml has it; units count by 1024, as they do there.
pub(super) fn size(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => "B",
        "k" | "kb" | "kib" => "KiB",
        "m" | "mb" | "mib" => "MiB",
        "g" | "gb" | "gib" => "GiB",
        "t" | "tb" | "tib" => "TiB",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

/// A signal that a program can catch, as drover.toml has it.
pub(super) fn signal(text: &str) -> Option<String> {
    let name = text.trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let known = match name.parse::<i32>() {
        Ok(number) => Signal::try_from(number).ok()?,
        Err(_) => Signal::from_str(&format!("SIG{name}")).ok()?,
    };
    let is_caught = !matches!(known, Signal::SIGKILL | Signal::SIGSTOP);
    is_caught.then(|| known.as_str().trim_start_matches("SIG").to_owned())
}

/// Whether a text says yes or no.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Some(true),
        "false" | "no" | "off" | "0" | "n" | "f" => Some(false),
        _ => None,
    }
}

/// A number of workers that can be.
pub(super) fn workers(text: &str) -> Option<i64> {
    text.trim().parse().ok().filter(|count| (1..=100_000).contains(count))
}

/// Text that means itself, where drover.toml would fill in a worker's slot.
pub(super) fn literal(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        made.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find('}').map_or(1, |end| end + 1);
        let inside = rest[..end].trim_matches(['{', '}']);
        let number = inside.strip_suffix("slot").map(|number| number.strip_suffix('+').unwrap_or(number));
        let is_placeholder = rest[..end].len() == inside.len() + 2
            && number.is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()));
        let taken = if is_placeholder { end } else { 1 };
        let piece = &rest[..taken];
        made.push_str(&if is_placeholder { format!("{{{piece}}}") } else { piece.to_owned() });
        rest = &rest[taken..];
    }
    made + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_others_write_them() {
        for (text, unit, ms) in [
            ("5", "s", Some(5000)),
            ("1600", "ms", Some(1600)),
            ("1min 30s", "s", Some(90_000)),
            ("1h30m", "s", Some(5_400_000)),
            ("1.5s", "s", Some(1500)),
            ("10us", "s", Some(1)),
            ("0", "s", Some(0)),
            ("", "s", None),
            ("soon", "s", None),
            ("5 parsecs", "s", None),
            ("99999999999999999999w", "s", None),
            ("1..5s", "s", None),
            ("-5", "s", None),
        ] {
            assert_eq!(time(text, unit), ms, "{text}");
        }
        assert_eq!([90_000, 60_000, 1500, 0].map(time_text), ["90s", "1m", "1500ms", "0s"]);
        assert_eq!(size("300M").as_deref(), Some("300MiB"));
        assert_eq!(size("50 MB").as_deref(), Some("50MiB"));
        assert_eq!((size("many"), size("1.5G"), size("")), (None, None, None));
        assert_eq!((signal("SIGQUIT"), signal("1")), (Some("QUIT".into()), Some("HUP".into())));
        assert_eq!((signal("KILL"), signal("STOPPING"), signal("900")), (None, None, None));
        assert_eq!((workers("0"), workers("4"), workers("-1")), (None, Some(4), None));
    }

    #[test]
    fn text_that_looks_like_a_placeholder_goes_on_to_mean_itself() {
        for (text, made) in [
            ("{slot}", "{{slot}}"),
            ("a{9000+slot}b", "a{{9000+slot}}b"),
            ("awk '{print}' {}", "awk '{print}' {}"),
            ("{x+slot} {", "{x+slot} {"),
        ] {
            assert_eq!(literal(text), made);
        }
    }
}
