//! The JSON Schema and the reference page, which are made from the table of keys. With `DROVER_BLESS=1` they are written anew.

mod page;
mod row;
mod schema;

use std::path::Path;
use std::{env, fs};

use serde_json::Value as Json;

use super::super::{parse, to_json};
use super::{EVERY_KEY, asked, web};
use crate::config::keys::Form;
use page::page;
use row::{KeyRow, of_app, of_master, of_socket};
use schema::schema;

/// Compares a file with what it should be, or writes it.
fn assert_current(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("DROVER_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(text.lines()).find(|(found, made)| found != made);
    assert!(
        found == text,
        "{} is not as the table of keys has it, which `DROVER_BLESS=1 cargo test -p drover-master --features file generated` writes: {differs:?}",
        path.display()
    );
}

#[test]
fn the_schema_is_as_the_table_of_keys_has_it() {
    assert_current("src/config/file/drover.schema.json", &schema());
}

#[test]
fn the_reference_page_is_as_the_table_of_keys_has_it() {
    assert_current("../docs/reference/drover-toml.md", &page());
}

#[test]
fn every_key_is_read_written_described_and_on_the_page() {
    let app = of_app();
    let all = app.iter().map(|row| ("app.*.", row));
    let (master, sockets) = (of_master(), of_socket());
    let all = all.chain(master.iter().map(|row| ("master.", row)));
    let all = all.chain(sockets.iter().map(|row| ("sockets.*.", row)));
    let notify = web("protocol = 'notify'\nnotify_access = 'all'\nreload.signal = 'HUP'\nwatchdog = '1s'");
    let fd = web("protocol = 'notify'\nnotify_fd = 7\n");
    let probe = web("start.probe.tcp = 'h:1'");
    let texts = [EVERY_KEY, &notify, &fd, &probe];
    let written: Vec<Json> = texts.iter().map(|text| to_json(&parse(text).unwrap())).collect();
    let asked = asked(EVERY_KEY);
    let page = page();
    for (prefix, KeyRow { path, part, .. }) in all {
        assert!(asked.contains(&format!("{prefix}{path}")), "{path} is not read");
        let of_name =
            |json: &Json, name: &str| json.pointer(&format!("/{name}")).cloned().unwrap_or_default();
        let inside = format!("{}{path}", prefix.trim_start_matches("app.*."))
            .replace("sockets.*.", "sockets/http/")
            .replace('.', "/");
        let is_written = written.iter().any(|json| {
            let apps = json["app"].as_object().unwrap().values();
            apps.chain([json]).any(|json| !of_name(json, &inside).is_null())
        });
        // What they hold is in `env`.
        assert!(is_written || part.form == Form::Paths, "{path} is not written");
        assert!(page.contains(&format!("| `{}` |", part.name)), "{path} is not on the page");
    }
}
