//! Screens, as text files beside this folder. To write them anew: `DROVER_BLESS=1 cargo test -p drover-cli --lib screens`.

use std::path::Path;
use std::{env, fs};

use drover_proto::latest::{DescribeReply, Event, Phase, WorkerDescription};

use super::{at, console, event, exit, press, text};
use crate::top::model::{Console, Input};
use crate::top::view::view;

/// Compares with the file of this name, or writes it.
fn is_as_in(name: &str, console: &Console) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/top/view/screens/{name}.txt"));
    let shown = text(&view(console));
    if env::var_os("DROVER_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, shown).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == shown,
        "{name} is another one; look at it, and bless it.\nkept:\n{kept}\nshown:\n{shown}"
    );
}

const SIZES: [(u16, u16); 3] = [(80, 24), (20, 10), (200, 50)];

#[test]
fn screens_of_the_list_and_the_logs_are_as_they_were_blessed() {
    for (columns, rows) in SIZES {
        is_as_in(&format!("logs-{columns}x{rows}"), &console(columns, rows));
    }
}

#[test]
fn screens_of_the_other_panes_are_as_they_were_blessed() {
    for (columns, rows) in SIZES {
        let mut console = console(columns, rows);
        // The worker that backs off.
        press(&mut console, "↓3");
        let history = vec![
            exit("exited with code 1 while starting", 0, &["first"]),
            exit("exited with code 3 while starting", 500, &["can't bind", "\x1b[2Jgiving up"]),
        ];
        let described = WorkerDescription { app: "mail".into(), status: None, history };
        let reply = DescribeReply { workers: vec![described], ..Default::default() };
        console.apply(Input::Evidence("mail/1".into(), reply), at(900));
        if rows < 14 {
            press(&mut console, "z");
        }
        is_as_in(&format!("ends-{columns}x{rows}"), &console);
        let replaced = Event { replaced_pid: 4001, ..event("web", Some(1), 60, "replaced", Phase::Started) };
        let begun = event("web", None, 55, "reload_started", Phase::Started);
        for event in [begun, replaced] {
            console.apply(Input::Event(Box::new(event)), at(900));
        }
        let web = console.list.rows(console.status.as_ref().unwrap());
        let place = web.iter().map(|row| row.place()).find(|place| place.app == "web").unwrap();
        console.list.selected = Some(place);
        press(&mut console, "4");
        is_as_in(&format!("reload-{columns}x{rows}"), &console);
    }
}

#[test]
fn screens_of_a_question_and_the_keys_are_as_they_were_blessed() {
    for (columns, rows) in SIZES {
        let mut console = console(columns, rows);
        press(&mut console, "+++");
        is_as_in(&format!("question-{columns}x{rows}"), &console);
        press(&mut console, "⎋?");
        is_as_in(&format!("keys-{columns}x{rows}"), &console);
    }
}

#[test]
fn screens_of_every_size_can_be_drawn() {
    for columns in [0, 1, 2, 5, 19, 20, 39, 40, 61, 200] {
        for rows in [0, 1, 2, 3, 4, 5, 13, 14, 50] {
            let mut console = console(columns, rows);
            for keys in ["", "?", "⎋r", "⎋/x", "⎋3", "4", "z", "1⇥↑", "⎋⎋⎋"] {
                press(&mut console, keys);
                view(&console);
            }
        }
    }
}

#[test]
fn the_screen_on_the_guides_page_is_one_of_these() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/guides/top.md")).unwrap();
    let screen = fs::read_to_string(root.join("src/top/view/screens/logs-80x24.txt")).unwrap();
    assert!(page.contains(&format!("```text\n{}\n```", screen.trim_end())), "the page shows another screen");
}
