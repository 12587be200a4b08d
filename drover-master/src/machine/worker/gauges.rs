//! What a worker measures of itself.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How many readings of a worker are kept: each is a series of whoever scrapes, and a thousand workers have as many each.
const MOST: usize = 64;

/// How long a name may be, in bytes.
const NAME: usize = 100;

/// The readings that a worker reported last, by the order of their names.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct WorkerGauges {
    #[serde(with = "crate::written")]
    kept: Arc<[(Box<str>, f64)]>,
    refused: u64,
}

/// None of the values is NaN.
impl Eq for WorkerGauges {}

impl WorkerGauges {
    /// Keeps of these readings what can be kept: of one name the last.
    pub(crate) fn of<'g>(said: impl IntoIterator<Item = (&'g str, f64)>) -> Self {
        let (mut kept, mut refused) = (BTreeMap::new(), 0);
        for (name, value) in said {
            let has_room = kept.len() < MOST || kept.contains_key(name);
            if is_name(name) && value.is_finite() && has_room {
                kept.insert(name, value);
            } else {
                refused += 1;
            }
        }
        Self { kept: kept.into_iter().map(|(name, value)| (name.into(), value)).collect(), refused }
    }

    /// The names and their values.
    pub fn kept(&self) -> impl Iterator<Item = (&str, f64)> {
        self.kept.iter().map(|(name, value)| (&**name, *value))
    }

    /// How many readings were not kept: too many, not a number, or of a name that is none.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

/// As Prometheus has the names of labels.
fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.len() <= NAME
        && name.bytes().next().is_some_and(letter)
        && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_kept_by_name_and_what_is_none_is_counted() {
        let long = "x".repeat(NAME + 1);
        for (said, kept, refused) in [
            (vec![], vec![], 0),
            (vec![("b", 1.5), ("a", -2.0)], vec![("a", -2.0), ("b", 1.5)], 0),
            (vec![("a", 1.0), ("a", 2.0)], vec![("a", 2.0)], 0),
            (vec![("a", f64::NAN), ("b", f64::INFINITY), ("_c1", 0.0)], vec![("_c1", 0.0)], 2),
            (vec![("", 1.0), ("1a", 1.0), ("a b", 1.0), ("a\"", 1.0), ("ä", 1.0), (&long, 1.0)], vec![], 6),
        ] {
            let gauges = WorkerGauges::of(said.iter().copied());
            assert_eq!((gauges.kept().collect::<Vec<_>>(), gauges.refused()), (kept, refused), "{said:?}");
        }
    }

    #[test]
    fn of_ten_thousand_names_the_first_are_kept_and_go_on_to_be_measured() {
        let names: Vec<String> = (0..10_000).map(|number| format!("g{number:05}")).collect();
        let said = names.iter().map(|name| (&**name, 1.0)).chain([("g00000", 7.0)]);
        let gauges = WorkerGauges::of(said);
        assert_eq!((gauges.kept().count(), gauges.refused()), (MOST, 10_000 - MOST as u64));
        assert_eq!(gauges.kept().next(), Some(("g00000", 7.0)));
    }
}
