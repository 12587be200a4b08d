//! The apps of the Node module `drover` 1.0, with its import changed and nothing else. What was its main program is a drover.toml.

use std::net::SocketAddr;

use super::packed::app;
use super::register::{command, host, listen};
use super::service::{Service, asked};

/// How an app of the module is written: it says itself when it is ready, has stopped, and leaves.
const APP: &str = "
const express = require('express');
const { MessageBus } = require('drover-worker');

const { PORT, RESPONSE } = process.env;
const bus = new MessageBus();
bus.on('stop', () => { server.close(bus.sendStopped); });
bus.on('quit', () => {
  bus.sendShuttedDown();
  setTimeout(() => process.exit(0), 50);
});

const app = express();
app.get('/', (request, response) => { response.send(RESPONSE); });
app.get('/echo', (request, response) => {
  response.set('X-Worker', `${process.pid} 0`);
  setTimeout(() => response.send(request.query.text), Number(request.query.ms));
});
const server = app.listen(PORT, bus.sendStarted);
";

/// The examples: their name, and each app with its workers and what is done to it while it runs.
const EXAMPLES: [(&str, &[(u32, &str)]); 5] = [
    ("simple-app", &[(1, "status")]),
    ("single-app-cluster", &[(4, "status")]),
    ("multi-app-cluster", &[(2, "status"), (2, "status"), (4, "status")]),
    ("runtime-scaling", &[(4, "scale {app}=2"), (2, "scale {app}=4")]),
    ("graceful-reload", &[(1, "reload {app}"), (4, "reload {app}")]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_five_examples_of_the_node_module_run_with_the_import_changed() {
    let Some(dir) = app("app.js", APP).await else { return };
    for (example, apps) in EXAMPLES {
        let mut services = Vec::new();
        for (number, (workers, operation)) in (0..).zip(apps) {
            let host = host(30 + number);
            let rest = format!("env = {{ PORT = \"2099\", RESPONSE = \"{example} {number}\" }}");
            let service =
                Service::begin(&listen(host, 2099), &command(&dir, "--require", "app.js", *workers, &rest));
            services.push((
                service,
                SocketAddr::from((host, 2099)),
                format!("{example} {number}"),
                operation,
            ));
        }
        for (mut service, addr, response, operation) in services {
            service.is_ready().await;
            assert_eq!(asked(addr, "/").await.as_ref(), Some(&response), "{}", service.log());
            service.run(&operation.split(' ').collect::<Vec<_>>()).await;
            assert_eq!(asked(addr, "/").await.as_ref(), Some(&response), "{}", service.log());
            let events = service.run(&["events", "--json"]).await;
            assert!(!events.contains("deadline_missed") && !events.contains("abnormal"), "{events}");
            service.run(&["down"]).await;
            assert_eq!(service.ends().await, Some(0));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_of_the_node_module_loses_no_request_with_the_import_changed() {
    let Some(dir) = app("app.js", APP).await else { return };
    let host = host(40);
    let rest = "env = { PORT = \"2099\" }";
    let mut service = Service::begin(&listen(host, 2099), &command(&dir, "--require", "app.js", 2, rest));
    service.is_ready().await;
    let tally = super::under_load(&service, &super::register::OPERATIONS, super::register::REQUESTS).await;
    drover_e2e::complain(&format!("as with the Node module: {tally}"));
    // It has closed its server, so it is replaced.
    let before = service.pids().await;
    service.run(&["suspend", "{app}"]).await;
    service.run(&["resume", "{app}"]).await;
    assert_eq!(asked(SocketAddr::from((host, 2099)), "/echo?text=on&ms=0").await.as_deref(), Some("on"));
    assert!(service.pids().await.iter().all(|pid| !before.contains(pid)), "{}", service.log());
    service.run(&["down"]).await;
    assert_eq!(service.ends().await, Some(0));
}
