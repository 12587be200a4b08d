//! "did you mean": the known word that an unknown one most likely stands for.

/// Finds the word of `known` that looks like a slip of `word`, if one does.
pub(crate) fn suggest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.chars().count() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .filter_map(|known| {
            let lower = known.to_lowercase();
            let likeness = strsim::jaro_winkler(&word, &lower);
            // Few edits catch slips of the finger, a high likeness catches cut-off words (`work` for `workers`).
            let edits = strsim::osa_distance(&word, &lower);
            let close = edits <= word.chars().count().max(lower.chars().count()) / 3;
            (close || likeness >= 0.85).then_some((known, likeness))
        })
        // Of equals the first: tables name the word of the smaller effect first.
        .reduce(|best, other| if other.1 > best.1 { other } else { best })
        .map(|(known, _)| known)
}

/// Says "did you mean" if there is a likely word, else lists the words that exist.
pub(crate) fn help(word: &str, known: &[&str]) -> String {
    match suggest(word, known.iter().copied()) {
        Some(known) => did_you_mean(known),
        None => format!("write {}", one_of(known)),
    }
}

/// The question for one word.
pub(crate) fn did_you_mean(known: &str) -> String {
    format!("did you mean `{known}`?")
}

/// Lists words: "`a`, `b` or `c`".
pub(crate) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// No known word is longer; comparing costs the product of the lengths.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 7] = ["command", "workers", "sockets", "protocol", "env", "env_clear", "umask"];

    #[test]
    fn slips_find_the_word_they_stand_for() {
        for (word, known) in [
            ("worker", "workers"),
            ("work", "workers"),
            ("wrokers", "workers"),
            ("Workers", "workers"),
            ("comand", "command"),
            ("socket", "sockets"),
            ("env-clear", "env_clear"),
            ("envs", "env"),
        ] {
            assert_eq!(suggest(word, KEYS), Some(known), "{word}");
        }
    }

    #[test]
    fn strangers_find_nothing() {
        for word in ["port", "replicas", "", "x", &"workers".repeat(100)] {
            assert_eq!(suggest(word, KEYS), None, "{word}");
        }
    }

    #[test]
    fn words_are_listed_as_a_sentence_has_them() {
        assert_eq!(one_of(&["a"]), "`a`");
        assert_eq!(one_of(&["a", "b"]), "`a` or `b`");
        assert_eq!(one_of(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
