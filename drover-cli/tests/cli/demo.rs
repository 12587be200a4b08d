//! `drover demo`: the first thing that anybody tries.

use nix::sys::signal::SIGKILL;

use crate::harness::{Home, get, signal};

#[test]
fn four_workers_start_and_answer_at_the_port() {
    let home = Home::new();
    let (demo, addr) = home.demo(&[]);
    let status = home.status();
    let app = &status["apps"][0];
    assert_eq!((&app["name"], &app["phase"]), (&"demo".into(), &"started".into()));
    assert_eq!((&app["desired"], &app["ready"]), (&4.into(), &4.into()));
    let workers = app["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 4);
    for (slot, worker) in workers.iter().enumerate() {
        assert_eq!(worker["phase"], "started");
        assert_eq!(worker["slot"], slot);
        assert_eq!(worker["restarts"], 0);
        assert!(worker["pid"].as_u64().is_some() && worker["last_exit"].is_null(), "{worker}");
    }
    let answer = get(&addr, "/");
    let pid: u32 = answer.split("pid ").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap();
    assert!(workers.iter().any(|worker| worker["pid"] == pid), "{answer} {workers:?}");
    demo.says(&format!("curl http://{addr}/"));
    let ended = home.down(demo);
    assert_eq!(ended.stdout, "");
    assert!(ended.errors().is_empty(), "{ended:#?}");
    assert!(!ended.stderr.contains('\x1b'), "{ended:#?}");
}

#[test]
fn a_killed_worker_comes_back_with_another_pid_and_the_exit_is_explained() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "2"]);
    let pid = home.worker("demo", 1, "started")["pid"].as_u64().unwrap();
    signal(u32::try_from(pid).unwrap(), SIGKILL);
    let back = home.until("the worker", |status| {
        let worker = &status["apps"][0]["workers"][1];
        (worker["restarts"] == 1 && worker["phase"] == "started").then(|| worker.clone())
    });
    assert_ne!(back["pid"].as_u64(), Some(pid));
    let exit = &back["last_exit"];
    assert_eq!(exit["kind"], "external_signal");
    assert_eq!(exit["signal"], "SIGKILL");
    assert_eq!(exit["during"], "started");
    assert!(exit["code"].is_null() && exit["asked_by"].is_null(), "{exit}");
    assert_eq!(exit["text"], "was ended by SIGKILL from outside while ready");
    assert!(get(&addr, "/").starts_with("worker "));
    demo.says("demo/1 failed: was ended by SIGKILL from outside while ready");
    home.down(demo);
}

#[test]
fn port_0_is_a_port_of_the_kernels_choice_and_the_true_one_is_shown() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "1"]);
    assert!(!addr.ends_with(":0"), "{addr}");
    assert!(get(&addr, "/").starts_with("worker 0, "));
    home.down(demo);
}

#[test]
fn a_port_in_use_is_named_and_nothing_else_happens() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = home.run(&["demo", "-l", &addr]);
    ended.failed(1, &[&format!("listener `http`: {addr} is in use by pid "), "choose another address"]);
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    let home = Home::new();
    home.run(&["demo", "-l", "nope"]).failed(2, &["nope", "HOST:PORT"]);
    home.run(&["demo", "-n", "0"]).failed(2, &["'0'", "from 1 to 100000"]);
}

#[test]
fn a_name_that_is_a_path_is_a_usage_error() {
    let home = Home::new();
    let run = |args: &[&str]| crate::harness::Running::start(&mut home.bare(args)).end();
    run(&["demo", "-l", "127.0.0.1:0", "--name", "../x"]).failed(2, &["../x"]);
    run(&["run", "--name", "../x", "--", "true"]).failed(2, &["../x"]);
}
