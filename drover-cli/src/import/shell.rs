//! A command line that a shell was to read: as words where it needs none, else as a script that ends in the program.

/// What a line runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShellLine {
    /// Variables that it sets before the program.
    pub(super) env: Vec<(String, String)>,
    /// The program and its arguments.
    pub(super) words: Vec<String>,
    /// Whether a shell stays beside the program, so that all of them have to be told to stop.
    pub(super) is_group: bool,
}

/// What only a shell understands as the first word of a command.
const BUILTINS: [&str; 22] = [
    ".", "[", "cd", "command", "eval", "exec", "export", "set", "shift", "source", "test", "trap", "ulimit",
    "umask", "unset", "wait", "if", "for", "while", "until", "case", "{",
];

/// Reads a line. None if a quote is left open or there is no command.
pub(super) fn line(line: &str) -> Option<ShellLine> {
    let line = line.trim();
    let mut words = shlex::split(line)?;
    let program = words.iter().position(|word| assignment(word).is_none())?;
    if !needs_shell(line) && !BUILTINS.contains(&&*words[program]) {
        let arguments = words.split_off(program);
        let env = words.iter().filter_map(|word| assignment(word)).collect();
        return Some(ShellLine { env, words: arguments, is_group: false });
    }
    let (script, is_group) = match with_exec(line) {
        Some(script) => (script, false),
        None => (line.to_owned(), true),
    };
    Some(ShellLine { env: Vec::new(), words: ["sh".into(), "-c".into(), script].into(), is_group })
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

/// How a character stands in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    None,
    Single,
    Double,
    Escaped,
}

/// Each character with its place and how it is quoted; quotes themselves count as quoted.
fn quoted(line: &str) -> impl Iterator<Item = (usize, char, Quoting)> {
    let (mut quote, mut is_escaped) = (Quoting::None, false);
    line.char_indices().map(move |(at, c)| {
        let how = quote;
        if std::mem::take(&mut is_escaped) {
            return (at, c, Quoting::Escaped);
        }
        match (quote, c) {
            (Quoting::Single, '\'') | (Quoting::Double, '"') => quote = Quoting::None,
            (Quoting::None, '\'') => quote = Quoting::Single,
            (Quoting::None, '"') => quote = Quoting::Double,
            (Quoting::None | Quoting::Double, '\\') => is_escaped = true,
            _ => return (at, c, how),
        }
        (at, c, Quoting::Escaped)
    })
}

fn needs_shell(line: &str) -> bool {
    let mut before = ' ';
    quoted(line).any(|(_, c, how)| {
        let is_first = std::mem::replace(&mut before, c).is_whitespace();
        match how {
            Quoting::None => "$`|&;<>()*?[\n".contains(c) || (is_first && "~#".contains(c)),
            Quoting::Double => "$`".contains(c),
            Quoting::Single | Quoting::Escaped => false,
        }
    })
}

/// The script with `exec` before its last command, so that no shell stays; none where it has to.
fn with_exec(line: &str) -> Option<String> {
    let bare: Vec<(usize, char)> =
        quoted(line).filter(|(_, _, how)| *how == Quoting::None).map(|(at, c, _)| (at, c)).collect();
    // The two dollar signs of `$(…)` are as little a subshell of the line as a redirection is a pipe; but told apart too seldom.
    let is = |at: usize, c: char| bare.contains(&(at, c));
    let mut begin = 0;
    for (at, c) in &bare {
        match c {
            ';' | '\n' => begin = at + 1,
            '&' if is(at + 1, '&') => begin = at + 2,
            '&' if *at > 0 && (is(at - 1, '&') || is(at - 1, '>') || is(at - 1, '<')) => {}
            '|' | '&' | '(' | ')' | '`' => return None,
            _ => {}
        }
    }
    let (before, last) = line.split_at(begin);
    if last.trim().is_empty() {
        return None;
    }
    let first = |text: &str| text.split_whitespace().next().map(str::to_owned).unwrap_or_default();
    // A condition or a loop is one command of several lines.
    if ["if", "for", "while", "until", "case", "{", "!"].contains(&&*first(line)) {
        return None;
    }
    let mut program = last.len() - last.trim_start().len();
    while let Some(length) = assigned(&last[program..]) {
        program += length;
    }
    let (assigned, command) = last.split_at(program);
    match first(command).as_str() {
        "exec" => Some(line.to_owned()),
        "" => None,
        word if BUILTINS.contains(&word) || ["done", "fi", "esac", "}"].contains(&word) => None,
        _ => Some(format!("{before}{assigned}exec {command}")),
    }
}

/// How long an assignment with the blanks after it is, at the beginning of a text.
fn assigned(text: &str) -> Option<usize> {
    assignment(text.split_whitespace().next()?)?;
    let end = quoted(text).find(|(_, c, how)| *how == Quoting::None && c.is_whitespace())?.0;
    Some(text.len() - text[end..].trim_start().len())
}

/// The line with `$NAME` and `${NAME}` replaced where a shell would.
pub(super) fn with_variable(line: &str, name: &str, value: &str) -> String {
    let places: Vec<usize> = quoted(line)
        .filter(|(_, c, how)| *c == '$' && matches!(how, Quoting::None | Quoting::Double))
        .map(|(at, _, _)| at)
        .collect();
    let mut made = String::new();
    let mut from = 0;
    for at in places {
        let rest = &line[at + 1..];
        let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let braced = rest
            .strip_prefix('{')
            .and_then(|rest| rest.strip_prefix(name))
            .filter(|rest| rest.starts_with('}'));
        let length = match (braced, rest.strip_prefix(name)) {
            (Some(_), _) => name.len() + 3,
            (None, Some(after)) if is_end(after) => name.len() + 1,
            _ => continue,
        };
        made.push_str(&line[from..at]);
        made.push_str(value);
        from = at + length;
    }
    made + &line[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_called_only_where_one_is_needed_and_does_not_stay_where_it_can_go() {
        for (text, words, is_group) in [
            ("node server.js", &["node", "server.js"][..], false),
            ("echo 'a $b' c\\;d", &["echo", "a $b", "c;d"], false),
            ("A=1 B='2 3' ruby x.rb", &["ruby", "x.rb"], false),
            ("echo $HOME", &["sh", "-c", "exec echo $HOME"], false),
            (
                "cd web && node \"$X\" > log 2>&1",
                &["sh", "-c", "cd web && exec node \"$X\" > log 2>&1"],
                false,
            ),
            ("A=$B C='d e' node x", &["sh", "-c", "A=$B C='d e' exec node x"], false),
            ("exec node x", &["sh", "-c", "exec node x"], false),
            ("a | b", &["sh", "-c", "a | b"], true),
            ("a & b", &["sh", "-c", "a & b"], true),
            ("a || b", &["sh", "-c", "a || b"], true),
            ("while true; do x; done", &["sh", "-c", "while true; do x; done"], true),
            ("ls *.js", &["sh", "-c", "exec ls *.js"], false),
        ] {
            let read = line(text).unwrap();
            assert_eq!(
                (&read.words[..], read.is_group),
                (&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()[..], is_group),
                "{text}"
            );
        }
        let set = line("A=1 B='2 3' ruby x.rb").unwrap().env;
        assert_eq!(set, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2 3".to_owned())]);
        assert!(["", "A=1", "echo 'open"].iter().all(|text| line(text).is_none()));
    }

    #[test]
    fn a_variable_is_replaced_where_a_shell_would() {
        let of = |text| with_variable(text, "PORT", "{5000+slot}");
        assert_eq!(of("a -p $PORT ${PORT}x \"$PORT\""), "a -p {5000+slot} {5000+slot}x \"{5000+slot}\"");
        assert_eq!(of("a '$PORT' $PORTAL \\$PORT ${PORT:-1}"), "a '$PORT' $PORTAL \\$PORT ${PORT:-1}");
    }
}
