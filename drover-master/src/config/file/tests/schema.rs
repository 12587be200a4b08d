//! The JSON Schema says of the file what the reader does.

use std::collections::BTreeSet;

use crate::config::Resource;
use regex::Regex;
use serde_json::{Map, Value as Json};
use toml_edit::DocumentMut;

use super::super::{SCHEMA, parse, to_json};
use super::{EVERY_KEY, web};

fn schema() -> Json {
    serde_json::from_str(SCHEMA).unwrap()
}

/// What a schema says against a value; the schema's own words are those that stand in ours, any other is a fault.
fn against(root: &Json, schema: &Json, value: &Json, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{path}: {what}"));
        }
    };
    let words = schema.as_object().unwrap();
    for (word, says) in words {
        let number = || says.as_f64().unwrap();
        match word.as_str() {
            "type" => demand(is_of(says.as_str().unwrap(), value), "type"),
            "enum" => demand(says.as_array().unwrap().contains(value), "enum"),
            "const" => demand(says == value, "const"),
            "minimum" => demand(value.as_f64().is_none_or(|value| value >= number()), word),
            "maximum" => demand(value.as_f64().is_none_or(|value| value <= number()), word),
            "minLength" => demand(value.as_str().is_none_or(|text| text.len() as f64 >= number()), word),
            "minItems" => demand(value.as_array().is_none_or(|items| items.len() as f64 >= number()), word),
            "minProperties" => {
                demand(value.as_object().is_none_or(|rows| rows.len() as f64 >= number()), word)
            }
            "pattern" => {
                let pattern = Regex::new(says.as_str().unwrap()).unwrap();
                demand(value.as_str().is_none_or(|text| pattern.is_match(text)), word);
            }
            "uniqueItems" => {
                let items: Vec<_> = value.as_array().into_iter().flatten().map(Json::to_string).collect();
                demand(items.iter().collect::<BTreeSet<_>>().len() == items.len(), word);
            }
            "required" => {
                for key in says.as_array().unwrap() {
                    demand(value.get(key.as_str().unwrap()).is_some(), &format!("{key} is required"));
                }
            }
            "anyOf" => {
                let fits = |arm: &Json| against(root, arm, value, path).is_empty();
                demand(says.as_array().unwrap().iter().any(fits), word);
            }
            "description" | "default" | "examples" | "title" | "$schema" | "$defs" => {}
            "$ref" | "items" | "properties" | "additionalProperties" | "propertyNames" => {}
            other => panic!("{path}: say here what `{other}` demands"),
        }
    }
    if let Some(name) = words.get("$ref") {
        found.extend(against(root, resolve(root, name), value, path));
    }
    if let (Some(items), Some(values)) = (words.get("items"), value.as_array()) {
        found.extend(values.iter().flat_map(|value| against(root, items, value, path)));
    }
    let empty = Map::new();
    for (key, below) in value.as_object().unwrap_or(&empty) {
        let path = format!("{path}/{key}");
        if let Some(names) = words.get("propertyNames") {
            found.extend(against(root, names, &key.as_str().into(), &path));
        }
        match (words.get("properties").and_then(|known| known.get(key)), words.get("additionalProperties")) {
            (Some(known), _) => found.extend(against(root, known, below, &path)),
            (None, Some(Json::Bool(false))) => found.push(format!("{path}: unknown")),
            (None, Some(any)) => found.extend(against(root, any, below, &path)),
            (None, None) => {}
        }
    }
    found
}

fn is_of(kind: &str, value: &Json) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("say here what a {other} is"),
    }
}

fn resolve<'a>(root: &'a Json, name: &Json) -> &'a Json {
    let pointer = name.as_str().unwrap().strip_prefix('#').unwrap();
    root.pointer(pointer).unwrap_or_else(|| panic!("nothing is at {pointer}"))
}

fn told(text: &str) -> Vec<String> {
    let document: DocumentMut = text.parse().unwrap();
    let schema = schema();
    against(&schema, &schema, &super::super::json::of_item(document.as_item()), "")
}

/// Every key of a schema, as a path with `*` for names of the user's choice.
fn keys(root: &Json, schema: &Json, path: &str, found: &mut BTreeSet<String>) {
    if let Some(name) = schema.get("$ref") {
        keys(root, resolve(root, name), path, found);
    }
    for arm in schema.get("anyOf").and_then(Json::as_array).into_iter().flatten() {
        keys(root, arm, path, found);
    }
    for (key, below) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys(root, below, &path, found);
        found.insert(path);
    }
    if let Some(any) = schema.get("additionalProperties").filter(|any| any.is_object()) {
        keys(root, any, &format!("{path}.*"), found);
    }
}

#[test]
fn every_key_that_is_read_stands_in_it_and_no_other() {
    let mut described = BTreeSet::new();
    keys(&schema(), &schema(), "", &mut described);
    // Between them they have every table that there is.
    let probe = web(
        "start.probe = { http = 'http://h/', host = 'a', status = [200] }\nhealth.liveness = { tcp = 'h:1', successes = 1 }\nhealth.readiness = { http = 'http://h/', host = 'a', status = [200], initial_delay = '1s' }",
    );
    let log = web("start.probe.log = 'listening on'");
    let reload = web("reload = { signal = 'HUP', wait = false }");
    let pairs: String = Resource::ALL
        .iter()
        .map(|resource| format!("limits.{resource} = {{ soft = 'unlimited' }}\n"))
        .collect();
    let read: BTreeSet<String> =
        [EVERY_KEY, &probe, &log, &web(&pairs), &reload].iter().flat_map(|text| super::asked(text)).collect();
    // What is laid under and over the file has the same keys.
    let below = |top: &str| -> BTreeSet<String> {
        described.iter().filter_map(|key| key.strip_prefix(top)).map(str::to_owned).collect()
    };
    assert_eq!(below("defaults."), below("app.*."));
    let is_laid = |key: &str| key.starts_with("defaults.") || key.starts_with("profiles.");
    let of_file: BTreeSet<String> =
        described.iter().filter(|key| !key.starts_with("profiles") && *key != "version").cloned().collect();
    assert_eq!(below("profiles.*."), of_file);
    described.retain(|key| !is_laid(key));
    assert_eq!(described, read);
}

#[test]
fn what_is_laid_under_and_over_a_file_need_not_be_whole_and_has_no_other_keys() {
    for (lines, faults) in [
        ("[defaults]\nworkers = 2\nstop.signal = 'INT'\nrestart = 'never'", &[][..]),
        (
            "[profiles.dev]\napp.web = { workers = 1, health.liveness.interval = '1s' }\nsockets.a.backlog = 9",
            &[],
        ),
        ("[profiles.dev]\nmaster.shutdown_timeout = '1s'\ndefaults.env.A = 'b'", &[]),
        ("[defaults]\nworker = 2", &["/defaults/worker: unknown"]),
        ("[defaults]\nstop.drain_timeout = 5", &["/defaults/stop/drain_timeout: type"]),
        ("[profiles.dev.app.web]\nwrokers = 1", &["/profiles/dev/app/web/wrokers: unknown"]),
        ("[profiles.dev]\nversion = 1", &["/profiles/dev/version: unknown"]),
    ] {
        assert_eq!(told(&web(lines)), faults, "{lines}");
    }
}

#[test]
fn what_is_valid_is_valid_by_it() {
    let readme = include_str!("../../../../../README.md").split_once("```toml\n").unwrap().1;
    for text in [
        EVERY_KEY,
        &web(""),
        &web("limits = { nofile = 9, core = 0, stack = { soft = '1MB', hard = 'unlimited' }, cpu = '1h' }"),
        &web("start.probe.tcp = 'h:1'\nheartbeat = false\nrestart = 'never'"),
        &web(
            "start.probe = { http = 'http://h:1/a', host = 'a', status = [200], interval = '1s', timeout = '2s' }",
        ),
        &web("start.probe = { http = 'unix:/run/a.sock:/a' }"),
        &web("protocol = 'notify'\nwatchdog = '5s'\nreload = { signal = 'SIGHUP', wait = true }"),
        &web("protocol = 'notify'\nnotify_access = 'all'"),
        &web("protocol = 'notify'\nnotify_fd = 3\nreload.signal = 'USR2'"),
        &web("start.probe = { exec = ['./check', 'a'] }"),
        &web("start.probe = { log = '[1] listening on {port}' }"),
        &web("start.probe = { exec = './check a', timeout = '2s' }"),
        &web("health.liveness = { tcp = 'h:{9000+slot}', failures = 2, initial_delay = '1s' }"),
        &web("health.readiness = { http = 'http://h:80{slot}/', successes = 2 }"),
        readme.split_once("```").unwrap().0,
        include_str!("../../../../../examples/single-app-instance/drover.toml"),
        include_str!("../../../../../examples/single-app-cluster/drover.toml"),
        include_str!("../../../../../examples/multi-app-cluster/drover.toml"),
    ] {
        assert_eq!(told(text), [""; 0], "{text}");
        assert!(parse(text).is_ok());
    }
}

#[test]
fn mistakes_of_form_are_mistakes_by_it() {
    for (lines, fault) in [
        ("worker = 4", "/app/web/worker: unknown"),
        ("workers = 0", "/app/web/workers: anyOf"),
        ("stop.drain_timeout = 5", "/app/web/stop/drain_timeout: type"),
        ("stop.drain_timeout = '55'", "/app/web/stop/drain_timeout: pattern"),
        ("start.probe = {}", "/app/web/start/probe: anyOf"),
        ("start.probe = { tcp = 'h:1', exec = 'x' }", "/app/web/start/probe: anyOf"),
        ("start.probe = { log = 'x', timeout = '1s' }", "/app/web/start/probe: anyOf"),
        ("start.probe = { exec = 'x', host = 'a' }", "/app/web/start/probe: anyOf"),
        ("start.probe = { http = 'https://h/' }", "/app/web/start/probe: anyOf"),
        ("start.probe = { http = 'http://h/', status = [100] }", "/app/web/start/probe: anyOf"),
        ("health.liveness = {}", "/app/web/health/liveness: anyOf"),
        ("health.liveness = { tcp = 'h:1', successes = 2 }", "/app/web/health/liveness: anyOf"),
        ("health.readiness = { tcp = 'h:{9000+slot' }", "/app/web/health/readiness: anyOf"),
        ("stdin = 'inherit'", "/app/web/stdin: pattern"),
        ("restart = 'sometimes'", "/app/web/restart: anyOf"),
        ("sockets = ['a', 'a']", "/app/web/sockets: uniqueItems"),
        ("kind = 'one-shot'", "/app/web/kind: enum"),
        ("depends_on = { web = 'started' }", "/app/web/depends_on/web: enum"),
        ("limits.nofile = '1KiB'", "/app/web/limits/nofile: anyOf"),
        ("limits.nofile = { hard = 1 }", "/app/web/limits/nofile: anyOf"),
        ("umask = '999'", "/app/web/umask: pattern"),
        ("[app.'a b']\ncommand = 'x'", "/app/a b: pattern"),
        ("[sockets.a]", "/sockets/a: \"listen\" is required"),
    ] {
        assert_eq!(told(&web(lines)), [fault], "{lines}");
        assert!(parse(&web(lines)).is_err());
    }
}

/// Every default under a key of the schema.
fn defaults(schema: &Json, value: &Json, path: &str, seen: &mut Vec<String>) {
    if let (Some(default), false) = (schema.get("default"), value.is_null()) {
        assert_eq!(default, value, "{path}");
        seen.push(path.to_owned());
    }
    for arm in schema.get("anyOf").and_then(Json::as_array).into_iter().flatten() {
        defaults(arm, value, path, seen);
    }
    for (key, below) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        defaults(below, value.get(key).unwrap_or(&Json::Null), &format!("{path}/{key}"), seen);
    }
    if let (Some(any), Some(rows)) = (schema.get("additionalProperties"), value.as_object())
        && any.is_object()
    {
        rows.iter().for_each(|(key, below)| defaults(any, below, &format!("{path}/{key}"), seen));
    }
}

#[test]
fn its_defaults_are_those_that_hold() {
    let text = web("protocol = 'drover'\n[sockets.a]\nlisten = 'h:1'");
    let mut effective = to_json(&parse(&text).unwrap());
    // It is written, so that the heartbeat has its defaults.
    effective["app"]["web"]["protocol"] = Json::Null;
    let mut seen = Vec::new();
    defaults(&schema(), &effective, "", &mut seen);
    assert!(seen.len() > 20, "{seen:?}");
    for key in ["stop/drain_timeout", "restart/limit/count", "heartbeat/interval"] {
        assert!(seen.contains(&format!("/app/web/{key}")), "{seen:?}");
    }
}
