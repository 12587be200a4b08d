//! Servers that people have already, each as a folder of `examples/servers` runs it: under load, it is reloaded, scaled and restarted, and
//! the requests that it loses are counted.

mod axum;
mod go;
mod gunicorn;
mod haproxy;
mod java;
mod node;
mod php;
mod python;
mod ruby;
mod tonic;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use drover_e2e::load::exchange::Form;
use drover_e2e::load::generator::{Clients, Load, Service};
use drover_e2e::load::tally::Tally;

use crate::site::Site;

/// How many requests a server has to answer while it is operated.
const REQUESTS: u64 = 300;

/// How long that may take on a machine that has much else to do.
const ENOUGH: Duration = Duration::from_secs(120);

/// Clients of each kind.
const CLIENTS: Clients = Clients { once: 3, kept: 3, slow: 3 };

/// How a started site, whose app answers `/echo?text=…&ms=…` at this port, does under load while it is reloaded, scaled and restarted. It
/// had two workers, and has two again.
async fn operated(site: &Site, port: u16, clients: Clients) -> Tally {
    let addr = SocketAddr::from((site.host(), port));
    let load = Load::greedy(Service { form: Form::Echo, ..Service::at(addr) }, clients);
    load.until(REQUESTS / 5, ENOUGH).await;
    operate(site).await;
    load.until(REQUESTS, ENOUGH).await;
    let tally = load.end().await;
    drover_e2e::complain(&format!("{}: {tally}", site.app()));
    tally
}

/// Reloads, scales and restarts a site that has two workers, and has two again.
async fn operate(site: &Site) {
    let (three, one, two) = (site.scale(3), site.scale(1), site.scale(2));
    let restart = format!("{}/0", site.app());
    for step in [
        &["reload", site.app()][..],
        &["scale", &three],
        &["scale", &one],
        &["scale", &two],
        &["restart", &restart],
    ] {
        site.run(step).await;
    }
}

#[test]
fn the_page_has_a_row_for_each_server() {
    let page = include_str!("../../../docs/guides/servers.md");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/servers");
    for entry in examples.read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let row = format!("| [{name}](../../examples/servers/{name}) |");
        assert!(page.contains(&row), "docs/guides/servers.md has no row that begins with `{row}`");
    }
    let tests = tests();
    for row in page.lines().filter(|line| line.starts_with("| [") && line.contains("](../../examples/")) {
        let test = row
            .split('`')
            .rev()
            .find(|word| word.contains('_'))
            .unwrap_or_else(|| panic!("no test is named: {row}"));
        let is_there = tests.iter().any(|text| text.contains(&format!("fn {test}(")));
        assert!(is_there, "there is no test `{test}`, which docs/guides/servers.md names");
    }
}

/// The blocks of these are their files.
#[test]
fn the_page_shows_the_files_of_the_examples() {
    let page = include_str!("../../../docs/guides/servers.md");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/servers");
    let shown = [
        "uvicorn/drover.toml",
        "celery/drover.toml",
        "gunicorn/drover.toml",
        "express/drover.toml",
        "puma/drover.toml",
        "puma/puma.rb",
        "webrick/drover.toml",
        "php-fpm/drover.toml",
        "haproxy/drover.toml",
        "haproxy/haproxy.cfg",
        "net-http/drover.toml",
        "httpserver/drover.toml",
    ];
    for file in shown {
        let text = std::fs::read_to_string(examples.join(file)).unwrap();
        let text = text.strip_prefix("version = 1\n\n").unwrap_or(&text);
        assert!(
            page.contains(&format!("\n{text}```")),
            "docs/guides/servers.md does not show {file}:\n{text}"
        );
    }
}

/// The text of each file that may have the test of a row.
fn tests() -> Vec<String> {
    let mut folders = ["e2e", "../examples/tests", "../drover-worker/tests"]
        .map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .to_vec();
    let mut tests = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                tests.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    tests
}
