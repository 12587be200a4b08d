//! A service: its command, and when it runs.

use super::surroundings;
use crate::import::draft::{DraftApp, ForeignText, ImportError};
use crate::import::node::{Node, NodeData, NodeEntry};
use crate::import::value::{literal, signal, time, workers};

/// How long a container has to stop unless the file says otherwise, in ms.
const GRACE_MS: u64 = 10_000;

/// The app, or none if only its image knows what it runs.
pub(super) fn app(source: &ForeignText, service: &NodeEntry) -> Result<Option<DraftApp>, ImportError> {
    let words = |key: &str| -> Result<Vec<String>, ImportError> {
        let Some(value) = service.value.find(key).filter(|value| !value.is_null()) else {
            return Ok(Vec::new());
        };
        let wrong = || {
            source.error(
                value.line,
                format!("`{key}` of service `{}` is a command line or a list of words", service.key),
            )
        };
        let texts = match &value.data {
            NodeData::List(_) => value.texts(),
            _ => value.text().and_then(|text| shlex::split(&text)),
        };
        Ok(texts.ok_or_else(wrong)?.iter().map(|word| literal(word)).collect())
    };
    let command = [words("entrypoint")?, words("command")?].concat();
    if command.is_empty() {
        return Ok(None);
    }
    let mut app = DraftApp::new(&service.key, source.at(service.line));
    app.set_command(&command);
    app.set("workers", 1);
    // Compose's own defaults.
    app.set("restart.policy", "never");
    app.set_time("stop.drain_timeout", GRACE_MS);
    if let Some(home) = &source.home {
        app.set("cwd", home.as_str());
    }
    for entry in service.value.entries().iter().filter(|entry| !entry.value.is_null()) {
        key(source, entry, &mut app)?;
    }
    Ok(Some(app))
}

fn key(source: &ForeignText, entry: &NodeEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    let NodeEntry { key, line, value } = entry;
    let wrong = |what: &str| wrong(source, entry, what);
    let text = || value.text().ok_or_else(|| wrong("a text"));
    match key.as_str() {
        "command" | "entrypoint" => {}
        "environment" => surroundings::environment(source, entry, app)?,
        "env_file" => surroundings::env_files(source, entry, app)?,
        "ulimits" => surroundings::limits(source, entry, app)?,
        "user" => {
            let text = text()?;
            let (user, group) =
                text.split_once(':').map_or((&*text, None), |(user, group)| (user, Some(group)));
            app.set("user", user);
            if let Some(group) = group {
                app.set("group", group);
            }
        }
        "working_dir" => app.set("cwd", text()?),
        "depends_on" => needs(source, entry, app)?,
        "scale" => app.set("workers", workers(&text()?).ok_or_else(|| wrong("a number from 1 to 100000"))?),
        "deploy" => deploy(source, entry, app)?,
        "restart" => match text()?.as_str() {
            "no" | "false" => app.set("restart.policy", "never"),
            "always" | "unless-stopped" => app.set("restart.policy", "always"),
            policy => {
                let (name, count) =
                    policy.split_once(':').map_or((policy, None), |(name, count)| (name, Some(count)));
                if name != "on-failure" {
                    return Err(wrong("no, always, unless-stopped or on-failure"));
                }
                app.set("restart.policy", "on-failure");
                if let Some(count) = count {
                    let count =
                        workers(count).ok_or_else(|| wrong("on-failure with a number, as on-failure:3"))?;
                    app.set("restart.limit.count", count);
                }
            }
        },
        "stop_grace_period" => {
            let ms = time(&text()?, "s").ok_or_else(|| wrong("a time such as 30s"))?;
            app.set_time("stop.drain_timeout", ms);
        }
        "stop_signal" => app.set(
            "stop.signal",
            signal(&text()?).ok_or_else(|| wrong("the name of a signal that a program can catch"))?,
        ),
        "healthcheck" => health(source, entry, app)?,
        "stdin_open" => {
            if value.truth().ok_or_else(|| wrong("true or false"))? {
                app.set("stdin", "open");
            }
        }
        "oom_score_adj" => match text()?.parse::<i64>() {
            Ok(adjust @ -1000..=1000) => app.set("limits.oom_score_adj", adjust),
            _ => return Err(wrong("a number from -1000 to 1000")),
        },
        "init" => {}
        _ if key.starts_with("x-") => {}
        _ => app.lose(source.at(*line), key, foreign(key)),
    }
    Ok(())
}

fn wrong(source: &ForeignText, NodeEntry { key, line, value }: &NodeEntry, what: &str) -> ImportError {
    let shown = value.text().map_or_else(|| value.kind().to_owned(), |text| format!("`{text}`"));
    source.error(*line, format!("`{key}` is {what}, and not {shown}"))
}

fn foreign(key: &str) -> &'static str {
    match key {
        "image" | "build" | "platform" | "pull_policy" => {
            "Drover runs programs of this machine; have what is in the image installed"
        }
        "volumes" | "volumes_from" | "tmpfs" | "secrets" | "configs" => {
            "apps share the machine's files; name them by their paths"
        }
        "networks" | "network_mode" | "links" | "external_links" | "dns" | "dns_search" | "extra_hosts"
        | "hostname" => "apps share the machine's network; others are at 127.0.0.1",
        "ports" | "expose" => {
            "apps share the machine's ports; let the master open one: `[sockets.NAME]`, which workers share"
        }
        "logging" => "files are `logs = { dir = \"logs\" }`",
        "profiles" => "a profile of Drover changes apps; `drover up --only` names those that are to run",
        "container_name" => "an app is called as its service",
        "mem_limit" | "mem_reservation" | "cpus" | "cpu_shares" | "pids_limit" => {
            "limit Drover as a whole where it is started; for one worker's memory there is `recycle.rss`"
        }
        "cap_add" | "cap_drop" | "privileged" | "read_only" | "security_opt" => {
            "Drover isolates nothing; set that where Drover is started"
        }
        "extends" => "import the service that it extends, and copy its keys",
        _ => "Drover has nothing like it",
    }
}

fn needs(source: &ForeignText, entry: &NodeEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    let wrong = |what: &str| wrong(source, entry, what);
    if let NodeData::List(nodes) = &entry.value.data {
        for node in nodes {
            let name = node.text().ok_or_else(|| wrong("a list of services"))?;
            app.needs.push((DraftApp::new(&name, source.at(node.line)).name, "ready", source.at(node.line)));
        }
        return Ok(());
    }
    if !matches!(entry.value.data, NodeData::Table(_)) {
        return Err(wrong("a list or a table of services"));
    }
    for need in entry.value.entries() {
        let place = source.at(need.line);
        let condition = need.value.find("condition").and_then(Node::text);
        let state = match condition.as_deref() {
            None | Some("service_started" | "service_healthy") => "ready",
            Some("service_completed_successfully") => "completed",
            Some(other) => {
                return Err(source.error(
                    need.line,
                    format!("`condition` is service_started, service_healthy or service_completed_successfully, and not `{other}`"),
                ));
            }
        };
        for key in ["required", "restart"] {
            let usual = key == "required";
            if need.value.find(key).and_then(Node::truth).is_some_and(|truth| truth != usual) {
                app.lose(
                    place.clone(),
                    format!("depends_on.{}.{key}", need.key),
                    "an app waits for another at its start, in any case",
                );
            }
        }
        app.needs.push((DraftApp::new(&need.key, place.clone()).name, state, place));
    }
    Ok(())
}

fn deploy(source: &ForeignText, entry: &NodeEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    for inside in entry.value.entries() {
        let NodeEntry { key, line, value } = inside;
        let wrong = |what: &str| wrong(source, inside, what);
        let why = match key.as_str() {
            "replicas" => match value.text().as_deref() {
                Some("0") => "all apps of the file run; `drover stop` stops one",
                Some(text) => {
                    app.set("workers", workers(text).ok_or_else(|| wrong("a number from 0 to 100000"))?);
                    continue;
                }
                None => return Err(wrong("a number from 0 to 100000")),
            },
            "restart_policy" => {
                restart(source, inside, app)?;
                continue;
            }
            "update_config" => {
                update(source, inside, app)?;
                continue;
            }
            "resources" => {
                "limit Drover as a whole where it is started; for one worker's memory there is `recycle.rss`"
            }
            "mode" | "placement" | "endpoint_mode" => "Drover runs on one machine",
            _ => "Drover has nothing like it",
        };
        app.lose(source.at(*line), format!("deploy.{key}"), why);
    }
    Ok(())
}

fn restart(source: &ForeignText, entry: &NodeEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    for inside in entry.value.entries() {
        let wrong = |what: &str| wrong(source, inside, what);
        let text = inside.value.text().ok_or_else(|| wrong("a text"))?;
        let ms = || time(&text, "s").ok_or_else(|| wrong("a time such as 30s"));
        match inside.key.as_str() {
            "condition" => match text.as_str() {
                "none" => app.set("restart.policy", "never"),
                "any" => app.set("restart.policy", "always"),
                "on-failure" => app.set("restart.policy", "on-failure"),
                _ => return Err(wrong("none, on-failure or any")),
            },
            "delay" => {
                let ms = ms()?;
                app.set_time("restart.backoff.initial", ms);
                app.set_time("restart.backoff.max", ms);
            }
            "max_attempts" => {
                app.set("restart.limit.count", workers(&text).ok_or_else(|| wrong("a number of 1 or more"))?)
            }
            "window" => {
                let ms = ms()?;
                app.set_time("restart.reset_after", ms);
            }
            key => app.lose(
                source.at(inside.line),
                format!("deploy.restart_policy.{key}"),
                "Drover has nothing like it",
            ),
        }
    }
    Ok(())
}

fn update(source: &ForeignText, entry: &NodeEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    for inside in entry.value.entries() {
        let wrong = |what: &str| wrong(source, inside, what);
        let text = inside.value.text().ok_or_else(|| wrong("a text"))?;
        match (inside.key.as_str(), text.as_str()) {
            ("order", "start-first" | "stop-first") => app.set("update.order", text),
            ("order", _) => return Err(wrong("start-first or stop-first")),
            ("failure_action", "rollback" | "pause") => app.set("update.on_failure", text),
            ("parallelism", "0") => app.set("update.max_surge", "100%"),
            ("parallelism", _) => {
                app.set("update.max_surge", workers(&text).ok_or_else(|| wrong("a number"))?)
            }
            ("monitor", _) => {
                let ms = time(&text, "s").ok_or_else(|| wrong("a time such as 30s"))?;
                app.set_time("update.soak", ms);
            }
            (key, _) => app.lose(
                source.at(inside.line),
                format!("deploy.update_config.{key}"),
                "Drover has nothing like it",
            ),
        }
    }
    Ok(())
}

fn health(source: &ForeignText, entry: &NodeEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    let check = &entry.value;
    let Some(test) = check.find("test").filter(|_| check.find("disable").and_then(Node::truth) != Some(true))
    else {
        return Ok(());
    };
    let texts = test.texts().ok_or_else(|| source.error(test.line, "`test` is a text or a list of texts"))?;
    let words = match (&test.data, &texts[..]) {
        (NodeData::List(_), [none]) if none == "NONE" => return Ok(()),
        (NodeData::List(_), [cmd, words @ ..]) if cmd == "CMD" && !words.is_empty() => words.to_vec(),
        (NodeData::List(_), [cmd, line]) if cmd == "CMD-SHELL" => {
            ["sh", "-c", line].map(str::to_owned).to_vec()
        }
        (NodeData::List(_), _) => {
            return Err(
                source.error(test.line, "`test` begins with CMD, CMD-SHELL or NONE, and the command follows")
            );
        }
        (_, line) => vec!["sh".to_owned(), "-c".to_owned(), line.concat()],
    };
    let mut times = Vec::new();
    for (key, default) in [("interval", 30_000), ("timeout", 30_000), ("start_period", 0)] {
        let ms = match check.find(key).filter(|value| !value.is_null()) {
            None => default,
            Some(value) => value
                .text()
                .and_then(|text| time(&text, "s"))
                .ok_or_else(|| source.error(value.line, format!("`{key}` is a time such as 30s")))?,
        };
        times.push(if ms == 0 { default } else { ms });
    }
    let retries = match check.find("retries").filter(|value| !value.is_null()) {
        None => 3,
        Some(value) => value
            .text()
            .and_then(|text| text.parse::<u64>().ok())
            .filter(|count| *count <= 100)
            .ok_or_else(|| source.error(value.line, "`retries` is a number from 0 to 100"))?,
    };
    let (interval, timeout, retries) = (times[0], times[1], retries.max(1));
    app.set("health.readiness.exec", words.iter().map(|word| literal(word)).collect::<toml_edit::Array>());
    app.set_time("health.readiness.interval", interval);
    app.set_time("health.readiness.timeout", timeout);
    app.set("health.readiness.failures", i64::try_from(retries).unwrap_or(3));
    // As long as compose would wait before it calls it unhealthy.
    let patience = times[2].saturating_add(interval.saturating_add(timeout).saturating_mul(retries));
    app.set_time("start.timeout", patience.max(30_000));
    if let Some(entry) = check.entries().iter().find(|entry| entry.key == "start_interval") {
        app.lose(
            source.at(entry.line),
            "healthcheck.start_interval",
            "there is one pause: `health.readiness.interval`",
        );
    }
    Ok(())
}
