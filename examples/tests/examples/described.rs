//! The `drover.toml` of each example is the same as its main context. Names and counts are compared by every test that runs
//! one; here is the rest.

use std::fs;
use std::path::Path;

use drover_master::Protocol;

use super::{
    Example, GRACEFUL_RELOAD, MESSAGE_BUS, MULTI_APP_CLUSTER, RUNTIME_SCALING, SINGLE_APP_CLUSTER,
    SINGLE_APP_INSTANCE,
};

const ALL: [Example; 6] = [
    SINGLE_APP_INSTANCE,
    SINGLE_APP_CLUSTER,
    MULTI_APP_CLUSTER,
    RUNTIME_SCALING,
    GRACEFUL_RELOAD,
    MESSAGE_BUS,
];

#[test]
fn the_workers_are_as_many_as_the_readme_says() {
    assert_eq!(SINGLE_APP_CLUSTER.workers(), ["app-0", "app-1", "app-2", "app-3"]);
    assert_eq!(
        MULTI_APP_CLUSTER.workers(),
        ["foo-0", "foo-1", "bar-0", "bar-1", "baz-0", "baz-1", "baz-2", "baz-3"]
    );
    assert_eq!(SINGLE_APP_INSTANCE.workers(), ["app-0"]);
    assert_eq!(RUNTIME_SCALING.workers(), ["foo-0", "foo-1", "foo-2", "foo-3", "bar-0", "bar-1"]);
    assert_eq!(GRACEFUL_RELOAD.workers(), ["foo-0", "bar-0", "bar-1", "bar-2", "bar-3"]);
    assert_eq!(MESSAGE_BUS.workers(), ["app-0", "app-1", "app-2"]);
}

#[test]
fn every_file_names_the_worker_and_the_addresses_of_its_main_context() {
    for example in ALL {
        let config = example.config();
        let main = fs::read_to_string(example.file("main.rs")).unwrap();
        for app in &config.apps {
            assert_eq!(app.spec.protocol, Protocol::Drover);
            assert_eq!(app.sockets.len(), 1);
            let command = Path::new(app.spec.command.program());
            assert_eq!(command.file_name(), Path::new(example.worker).file_name());
        }
        for socket in &config.sockets {
            let address = format!("\"{}\"", socket.addr);
            assert!(main.contains(&address), "{address} is not in the main.rs of {}", example.folder);
        }
    }
}
