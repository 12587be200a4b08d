//! The page for those who come from the Node module is whole, and what it says is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every name of the Node module, and every behaviour that its page or its code promises.
const NAMES: &[&str] = &[
    // Exports.
    "Master",
    "MasterFactory",
    "MessageBus",
    "ExitReasons",
    // Creating a master.
    "MasterFactory.create(options)",
    "new Master({config, signals})",
    "options.script",
    "options.count",
    "options.env",
    "options.signals",
    "options.signals.reload",
    "options.signals.shutdown",
    "options.schedulingPolicy",
    "SCHED_NONE",
    "SCHED_RR",
    "options.restartTimeout",
    "options.statusTimeout",
    // The master: methods, statuses, events.
    "master.start()",
    "master.getConfig()",
    "master.getStatus()",
    "master.getWorkersStatuses()",
    "master.rescale(size)",
    "master.gracefulReload()",
    "master.gracefulShutdown()",
    "master.hardShutdown()",
    "master.restartWorkerById(id)",
    "master._gracefulStop()",
    "Master.SHUTTED_DOWN",
    "Master.STARTING",
    "Master.STARTED",
    "Master.STOPPING",
    "Master.STOPPED",
    "master.on('worker-exit')",
    "master.on('workers-status-change')",
    "master.on('sendStarted')",
    "master.on('error')",
    // The worker.
    "new MessageBus()",
    "SIGTERM and SIGINT of a worker",
    "bus.on('stop')",
    "bus.on('quit')",
    "bus.sendStarted()",
    "bus.sendStopped()",
    "bus.sendShuttedDown()",
    "bus.sendMessage(any)",
    // Between the two.
    "'stop'",
    "'quit'",
    "{event: 'status-changed', payload}",
    "anything else",
    "Worker.INITIALIZED",
    "Worker.STARTING",
    "Worker.STARTED",
    "Worker.STOPPING",
    "Worker.STOPPED",
    "Worker.SHUTTING_DOWN",
    "Worker.SHUTTED_DOWN",
    "Worker.FAILED",
    // Errors.
    "AlreadyInitializedError",
    "InvalidClusterContextError",
    "InvalidConfigurationError",
    "InvalidArgumentError",
    "InappropriateConditionError{status}",
    "WorkerStatusError{expectedStatus, actualStatus}",
    "UnexpectedWorkerState",
    // Exit reasons, and when they are given.
    "ExternalSignal{signal}",
    "NormalExit{code}",
    "AbnormalExit{code}",
    "code 0 while STOPPING or SHUTTING_DOWN: NormalExit",
    "another code while STOPPING or SHUTTING_DOWN: no event",
    "a signal while STOPPING or SHUTTING_DOWN: no event",
    "code 0 in any other status: AbnormalExit",
    "another code in any other status: AbnormalExit",
    "a signal in any other status: ExternalSignal",
    // Examples.
    "one app, one worker",
    "one app, four workers",
    "three apps in one program",
    "scaling while running",
    "graceful reload",
];

/// The names without a counterpart. Who builds one takes it from here; nothing is added.
const NOT_YET: &[&str] = &["SCHED_RR"];

/// How many defects of the Node module are known.
const DEFECTS: usize = 22;

/// The defects that are not proven absent in full, because an operation is not there yet. Nothing is added here either.
const DEFECTS_IN_PART: &[usize] = &[22];

/// Those of them that no test is about.
const DEFECTS_WITHOUT_TEST: &[usize] = &[];

/// A row of the page: what stands in its three cells.
struct Row {
    first: String,
    second: String,
    proof: String,
}

impl Row {
    fn is_not_yet(&self) -> bool {
        self.proof.contains("not yet")
    }

    /// The tests it names.
    fn tests(&self) -> Vec<&str> {
        code(&self.proof)
    }
}

/// What stands between backticks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository")
}

/// The rows of names, and those of defects.
fn page() -> (Vec<Row>, Vec<Row>) {
    let text = fs::read_to_string(root().join("docs/guides/from-drover-js.md")).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = cells.map(|line| match line.split(" | ").collect::<Vec<_>>().as_slice() {
        [first, second, proof] => {
            Row { first: first.replace('`', ""), second: (*second).to_owned(), proof: (*proof).to_owned() }
        }
        other => panic!("{} cells instead of 3: {line}", other.len()),
    });
    let is_content = |row: &Row| !["drover 1.0", "#", "---"].contains(&row.first.as_str());
    rows.filter(is_content).partition(|row| row.first.parse::<usize>().is_err())
}

/// Every source file of the workspace.
fn sources() -> Vec<PathBuf> {
    let folders = ["drover-proto", "drover-master", "drover-worker", "drover-cli", "examples", "tests"];
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The names of all tests in the tree: functions with an attribute that makes them one.
fn tests_in_the_tree() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in sources() {
        let text = fs::read_to_string(path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(function) = function {
                let name = function.split(['(', '<']).next().unwrap_or_default();
                if std::mem::take(&mut is_test) {
                    found.insert(name.to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn every_name_of_the_node_module_stands_in_the_page_once_and_no_other() {
    let (rows, _) = page();
    for name in NAMES {
        let count = rows.iter().filter(|row| row.first == *name).count();
        assert_eq!(count, 1, "rows for {name}");
    }
    for row in rows {
        assert!(NAMES.contains(&row.first.as_str()), "{} is not a name of the Node module", row.first);
    }
}

#[test]
fn every_row_names_a_test_or_is_one_of_those_that_are_not_built() {
    let (rows, _) = page();
    for row in rows {
        let not_yet = NOT_YET.contains(&row.first.as_str());
        assert_eq!(row.is_not_yet(), not_yet, "{}", row.first);
        assert_eq!(row.tests().is_empty(), not_yet, "{}", row.first);
    }
    assert!(NOT_YET.iter().all(|name| NAMES.contains(name)));
}

#[test]
fn every_test_that_the_page_names_exists() {
    let (mut rows, defects) = page();
    rows.extend(defects);
    let tests = tests_in_the_tree();
    for row in &rows {
        for name in row.tests() {
            assert!(tests.contains(name), "{}: there is no test {name}", row.first);
        }
    }
}

#[test]
fn everything_that_the_page_calls_exists() {
    let is_source = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "src");
    let files: Vec<String> =
        sources().into_iter().filter(is_source).map(|path| fs::read_to_string(path).unwrap()).collect();
    let (rows, _) = page();
    let spans = rows.iter().flat_map(|row| code(&row.second));
    let paths: BTreeSet<&str> = spans.filter(|text| text.contains("::")).collect();
    assert!(paths.len() > 40, "{paths:?}");
    for path in paths {
        let mut parts = path.rsplit("::");
        let (item, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        // What belongs to a type is looked for where that is at home; what belongs to a crate or a module is a type.
        let found = files.iter().any(|file| match owner.starts_with(char::is_uppercase) {
            true => is_home(file, owner) && declares(file, item),
            false => is_home(file, item),
        });
        assert!(found, "there is no {path}");
    }
}

#[test]
fn every_defect_is_proven_absent_or_one_of_those_that_can_not_be_yet() {
    let (_, rows) = page();
    let numbers: Vec<usize> = rows.iter().map(|row| row.first.parse().unwrap()).collect();
    assert_eq!(numbers, (1..=DEFECTS).collect::<Vec<_>>());
    let mut named = BTreeSet::new();
    for (number, row) in numbers.into_iter().zip(&rows) {
        let prefix = format!("defect_{number:02}_");
        let own: Vec<&str> = row.tests().into_iter().filter(|name| name.starts_with(&prefix)).collect();
        assert_eq!(own.is_empty(), DEFECTS_WITHOUT_TEST.contains(&number), "tests of defect {number}");
        assert_eq!(row.is_not_yet(), DEFECTS_IN_PART.contains(&number), "defect {number}");
        named.extend(own.into_iter().map(str::to_owned));
    }
    let all: BTreeSet<String> =
        tests_in_the_tree().into_iter().filter(|name| name.starts_with("defect_")).collect();
    assert_eq!(named, all, "the page names every test of a defect");
}

/// Whether a file declares or implements a type.
fn is_home(file: &str, of: &str) -> bool {
    begins(file, &["pub struct ", "pub enum ", "impl "], of, &[" ", "<", "("])
}

/// Whether a file declares a function, a field or a variant.
fn declares(file: &str, item: &str) -> bool {
    begins(file, &["pub fn ", "pub const fn ", "pub async fn "], item, &["(", "<"])
        || begins(file, &["pub "], item, &[":"])
        || begins(file, &[""], item, &[",", "(", " {"])
}

/// Whether a line begins with one of these, the word and one of those.
fn begins(file: &str, these: &[&str], word: &str, those: &[&str]) -> bool {
    file.lines().map(str::trim_start).any(|line| {
        these.iter().any(|this| {
            let rest = line.strip_prefix(this).and_then(|rest| rest.strip_prefix(word));
            rest.is_some_and(|rest| those.iter().any(|that| rest.starts_with(that)))
        })
    })
}
