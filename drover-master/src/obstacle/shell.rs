//! What in a command's text would mean something to a shell. None is involved, so it is passed on as it is.

/// The first piece of a text that a shell would act on, and a warning can name: outside of quotes, or, where it begins with `$` or
/// a backtick, outside of single ones.
pub(super) fn meant_for_a_shell(text: &str) -> Option<String> {
    if let Some(variable) = assignment(text) {
        return Some(variable);
    }
    let mut quote = None;
    let mut is_start = true;
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let next = rest.peek().map(|(_, next)| *next);
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None | Some('"'), '\\') => {
                rest.next();
            }
            (None | Some('"'), '$') if next.is_some_and(is_expanded) => return Some(expansion(&text[at..])),
            (None | Some('"'), '`') => return Some("`".to_owned()),
            (None, '|') => return Some(if next == Some('|') { "||" } else { "|" }.to_owned()),
            // Within a word, as in a URL, it is most likely meant as it stands.
            (None, '&') if is_start || next.is_none_or(|next| next.is_whitespace() || next == '&') => {
                return Some(if next == Some('&') { "&&" } else { "&" }.to_owned());
            }
            (None, ';') if next.is_none_or(char::is_whitespace) => return Some(";".to_owned()),
            (None, '<' | '>') if is_redirection(&text[..at]) => return Some(c.to_string()),
            (None, '#') if is_start => return Some("#".to_owned()),
            _ => {}
        }
        is_start = quote.is_none() && c.is_whitespace();
    }
    None
}

/// `NAME=value` before the program.
fn assignment(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let (name, _) = word.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| format!("{name}="))
}

fn is_expanded(next: char) -> bool {
    next.is_ascii_alphanumeric() || "_{(@*?$!".contains(next)
}

/// `$NAME`, or the first characters of something longer. What it says may be secret.
fn expansion(text: &str) -> String {
    let name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let named: String = text.chars().skip(1).take_while(name).take(40).collect();
    if named.is_empty() { text.chars().take(2).collect() } else { format!("${named}") }
}

/// Whether a redirection begins here: at the beginning of a word, after a descriptor's number or `&`.
fn is_redirection(before: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    word.chars().all(|c| c.is_ascii_digit() || c == '&' || c == '<' || c == '>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_shell_understands_is_found() {
        for (text, found) in [
            ("node a.js | tee log", "|"),
            ("a || b", "||"),
            ("a && b", "&&"),
            ("a&& b", "&&"),
            ("sleep 5 &", "&"),
            ("a; b", ";"),
            ("a >log", ">"),
            ("a 2>&1", ">"),
            ("a < in", "<"),
            ("web --port $PORT", "$PORT"),
            ("web \"${HOME}/x\"", "${"),
            ("web $(hostname)", "$("),
            ("web `hostname`", "`"),
            ("web # comment", "#"),
            ("PORT=80 web", "PORT="),
        ] {
            assert_eq!(meant_for_a_shell(text).as_deref(), Some(found), "{text}");
        }
    }

    #[test]
    fn what_is_quoted_or_means_nothing_there_is_left_alone() {
        for text in [
            "sh -c 'a | b; c && d $X > y # z'",
            "a \"b | c > d\"",
            r"a \| \$X \&",
            "curl http://x/?a=1&b=2#c",
            "web --color=#fff --pattern a->b --price 5$",
            "web --env KEY=value {9000+slot}",
            "",
        ] {
            assert_eq!(meant_for_a_shell(text), None, "{text}");
        }
    }
}
