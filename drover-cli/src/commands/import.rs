//! `drover import`: reads the files of another program, and writes a drover.toml.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use drover_master::config::file as config;
use serde_json::json;

use crate::args::{Global, ImportArgs};
use crate::exit_status::ExitStatus;
use crate::import::{ForeignFormat, ForeignText, Imported, import, includes};
use crate::output::message;
use crate::path::whole;

/// The largest file that is read. A description of apps is a few KiB; what is larger is something else.
const LARGEST: u64 = 4 << 20;

/// How many files one may include. A pattern that finds more is not meant.
const INCLUDED: usize = 1000;

pub(super) fn run(global: &Global, args: &ImportArgs) -> ExitStatus {
    match imported(args) {
        Ok(imported) => tell(global, args, &imported),
        Err((status, what)) => {
            message::error_text(&what);
            status
        }
    }
}

/// A mistake in what was given, with its sentence.
type Refused = (ExitStatus, String);

fn mistaken(what: impl ToString) -> Refused {
    (ExitStatus::Usage, what.to_string())
}

fn imported(args: &ImportArgs) -> Result<Imported, Refused> {
    let (named, files) = named_format(&args.words);
    if files.is_empty() {
        return Err(mistaken("name the file to import: drover import FORMAT FILE"));
    }
    if let Some(there) = args.output.as_deref().filter(|output| output.exists()) {
        let what = format!("{} already exists and was left unchanged", there.display());
        return Err((ExitStatus::Failed, what));
    }
    let mut format = named;
    let mut sources = Vec::new();
    for file in files {
        let text = text_of(file)?;
        let name = file.display().to_string();
        let found = named.or_else(|| ForeignFormat::guess(&name, &text)).ok_or_else(|| {
            let known: Vec<&str> = ForeignFormat::ALL.iter().map(|format| format.name()).collect();
            mistaken(format!(
                "{name}: it is not clear what this is; name the format first ({}): drover import FORMAT {name}",
                known.join(", ")
            ))
        })?;
        if let Some(other) = format.filter(|format| *format != found) {
            let what = format!(
                "{name} is of {}, and the files before it of {}; import them one by one",
                found.name(),
                other.name()
            );
            return Err(mistaken(what));
        }
        format = Some(found);
        let mut source = source_of(file, text, args.output.as_deref());
        let is_script = [".js", ".cjs"].iter().any(|end| source.name.ends_with(end));
        if args.allow_js && is_script && found == ForeignFormat::Pm2 {
            (source.text, source.is_printed) = (evaluated(file)?, true);
        }
        let included =
            if found == ForeignFormat::Supervisord { included(file, &source, args)? } else { Vec::new() };
        sources.push(source);
        sources.extend(included);
    }
    let format = format.ok_or_else(|| mistaken("name the file to import"))?;
    let imported = import(format, &sources, &command(format, args)).map_err(mistaken)?;
    // What goes out can be read by whoever it is for.
    config::parse(&imported.toml).map_err(|error| {
        let shown = error.render("what it would become", &imported.toml, false);
        mistaken(format!("{}: a value in it makes no valid drover.toml:\n{shown}", sources[0].name))
    })?;
    Ok(imported)
}

/// The first word names the format if a file follows it.
fn named_format(words: &[PathBuf]) -> (Option<ForeignFormat>, &[PathBuf]) {
    let named = words.first().and_then(|word| ForeignFormat::of_name(word.to_str()?));
    match named {
        Some(format) if words.len() > 1 || !words[0].exists() => (Some(format), &words[1..]),
        _ => (None, words),
    }
}

fn command(format: ForeignFormat, args: &ImportArgs) -> String {
    let (_, files) = named_format(&args.words);
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    format!("drover import {} {}", format.name(), files.join(" "))
}

fn text_of(file: &Path) -> Result<String, Refused> {
    let shown = file.display();
    let wrong = |what: String| mistaken(format!("{shown}: {what}"));
    let there = fs::metadata(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => mistaken(format!("no such file: {shown}")),
        _ => wrong(format!("can't be read: {error}")),
    })?;
    match there.len() {
        _ if !there.is_file() => return Err(wrong("is not a regular file".into())),
        0 => return Err(wrong("is empty".into())),
        length if length > LARGEST => {
            return Err(wrong(format!("has {length} bytes, and {LARGEST} are read at the most")));
        }
        _ => {}
    }
    let bytes = fs::read(file).map_err(|error| wrong(format!("can't be read: {error}")))?;
    let line_of = |at: usize| bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(mistaken(format!("{shown}:{}: is binary, not text", line_of(at))));
    }
    let text = String::from_utf8(bytes.clone()).map_err(|error| {
        mistaken(format!("{shown}:{}: is not UTF-8 text", line_of(error.utf8_error().valid_up_to())))
    })?;
    match text.trim().is_empty() {
        true => Err(wrong("is empty".into())),
        false => Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()),
    }
}

/// What an ecosystem file exports, as JSON, once node has run it.
fn evaluated(file: &Path) -> Result<String, Refused> {
    let shown = file.display();
    let mut node = Command::new("node");
    node.args(["-p", "JSON.stringify(require(process.argv[1]))"]).arg(whole(file)).stdin(Stdio::null());
    let ran = node.output().map_err(|error| mistaken(format!("{shown}: node can't be run: {error}")))?;
    if !ran.status.success() {
        let words = String::from_utf8_lossy(&ran.stderr);
        let last = words
            .lines()
            .find(|line| line.split(':').next().is_some_and(|word| word.ends_with("Error")))
            .unwrap_or_default();
        return Err(mistaken(format!("{shown}: node failed to run it: {last}")));
    }
    String::from_utf8(ran.stdout).map_err(|_| mistaken(format!("{shown}: node printed no text")))
}

/// The files that a supervisord.conf includes, in the order of their names.
fn included(file: &Path, source: &ForeignText, args: &ImportArgs) -> Result<Vec<ForeignText>, Refused> {
    let directory = file.parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for (line, pattern) in includes(source).map_err(mistaken)? {
        let wrong = |what: &dyn std::fmt::Display| mistaken(format!("{}:{line}: {what}", source.name));
        let whole = directory.join(&pattern);
        let paths = glob::glob(&whole.display().to_string()).map_err(|error| wrong(&error))?;
        for path in paths {
            let path = path.map_err(|error| wrong(&error))?;
            let text = text_of(&path)?;
            found.push(source_of(&path, text, args.output.as_deref()));
            if found.len() > INCLUDED {
                return Err(wrong(&format!("includes more than {INCLUDED} files")));
            }
        }
    }
    Ok(found)
}

fn source_of(file: &Path, text: String, output: Option<&Path>) -> ForeignText {
    let directory = |path: &Path| whole(path).parent().map(Path::to_owned).unwrap_or_default();
    let (own, target) = (directory(file), directory(output.unwrap_or(Path::new("drover.toml"))));
    let home = match own.strip_prefix(&target) {
        Ok(same) if same.as_os_str().is_empty() => None,
        Ok(below) => Some(below.display().to_string()),
        Err(_) => Some(own.display().to_string()),
    };
    let has_dotenv = own.join(".env").is_file();
    ForeignText { name: file.display().to_string(), text, home, has_dotenv, is_printed: false }
}

fn tell(global: &Global, args: &ImportArgs, imported: &Imported) -> ExitStatus {
    for loss in &imported.losses {
        message::note(&loss.to_string());
    }
    let count = imported.losses.len();
    let is_refused = args.strict && count > 0;
    if !is_refused && let Some(file) = &args.output {
        let made = OpenOptions::new().write(true).create_new(true).open(file);
        if let Err(error) = made.and_then(|mut made| made.write_all(imported.toml.as_bytes())) {
            message::error_text(&format!("{} can't be written: {error}", file.display()));
            return ExitStatus::Failed;
        }
        if !global.quiet {
            message::note(&format!(
                "wrote {}; check it with `drover validate`, then run `drover up`",
                file.display()
            ));
        }
    }
    let told = match () {
        () if args.json => {
            let toml = (!is_refused).then_some(&imported.toml);
            message::whole_result(&json!({ "toml": toml, "not_carried": imported.losses }).to_string())
        }
        () if is_refused || args.output.is_some() => ExitStatus::Done,
        () => message::whole_result(imported.toml.trim_end()),
    };
    if is_refused {
        let keys = if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
        message::error_text(&format!("{keys} can't be carried over, so nothing was written (--strict)"));
        return ExitStatus::Failed;
    }
    told
}
