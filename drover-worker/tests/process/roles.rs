//! The workers: tests that are ignored, and run as children of the others.

use super::*;

/// A worker that has little time once its master is gone.
async fn short_lived() -> MessageBus {
    let bus = MessageBus::builder().orphan_timeout(SHORT).connect().await.unwrap();
    assert!(!bus.is_standalone());
    bus
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_blocks_its_runtime() {
    let bus = short_lived().await;
    bus.started().await.unwrap();
    // From here on nothing is ever polled again.
    block(DEADLINE);
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_blocks_its_runtime_when_told_to_stop() {
    // Long enough to connect again on a busy machine.
    let bus = MessageBus::builder().orphan_timeout(SHORT * 20).connect().await.unwrap();
    bus.started().await.unwrap();
    bus.stop_requested().await;
    bus.status("blocked", 1);
    // Returns when the socket has taken it, and the status before it.
    bus.extend(DEADLINE).await.unwrap();
    block(DEADLINE * 2);
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_drains_when_orphaned() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    assert_eq!(bus.stop_requested().await.cause, StopCause::MasterGone);
    bus.stopped().await.unwrap();
    bus.quit_requested().await;
    bus.shut_down().await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_lingers() {
    let bus = short_lived().await;
    bus.started().await.unwrap();
    bus.quit_requested().await;
    bus.shut_down().await.unwrap();
    block(SHORT * 4);
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_without_signal_handlers() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    assert!(catches(Signal::SIGTERM));
    for signal in [Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        assert!(!catches(signal), "{signal}");
    }
}

fn catches(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(caught, 16).unwrap() >> (signal as u64 - 1) & 1 == 1
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_handles_sigterm_itself() {
    let own = || tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    let terminate = || kill(Pid::from_raw(std::process::id().cast_signed()), Signal::SIGTERM).unwrap();
    let before = std::env::var_os("HANDLER_AFTER").is_none().then(own);
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    let mut own = before.unwrap_or_else(own);
    for _ in 0..3 {
        terminate();
        tokio::time::timeout(DEADLINE, own.recv()).await.unwrap();
    }
    assert!(!bus.is_stopping(), "the signal is the program's own matter");
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_drains_when_told() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    let stop = tokio::time::timeout(DEADLINE, bus.stop_requested()).await.unwrap();
    println!("stop: {:?}", stop.cause);
    // Ends with the parent at the latest.
    let told = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    told.await.unwrap().unwrap();
    bus.stopped().await.unwrap();
    bus.quit_requested().await;
    bus.shut_down().await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_leaves_a_blocking_task_behind() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    bus.quit_requested().await;
    let (running, runs) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(|| {
        running.send(()).unwrap();
        let (told, is_told) = mpsc::sync_channel(1);
        std::thread::spawn(move || told.send(std::io::stdin().read_to_end(&mut Vec::new()).is_ok()));
        // Otherwise by itself, so that a parent which hears no word does not wait for ever.
        let _told = is_told.recv_timeout(DEADLINE);
    });
    runs.await.unwrap();
    bus.shut_down().await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_with_an_inherited_socket() {
    let bus = MessageBus::connect().await.unwrap();
    let expected: SocketAddr = std::env::var("EXPECTED_ADDRESS").unwrap().parse().unwrap();
    assert!(
        matches!(bus.listener("admin"), Err(ListenerError::NotHandedOver { offered, .. }) if offered == ["http"])
    );
    let listener = bus.listener("http").unwrap();
    assert_eq!(listener.local_addr().unwrap(), expected);
    assert!(matches!(bus.listener("http"), Err(ListenerError::Taken { .. })));

    let fds = Command::new("ls").arg("-l").arg("/proc/self/fd").output().unwrap();
    let fds = String::from_utf8_lossy(&fds.stdout).into_owned();
    assert!(fds.contains("pipe:") && !fds.contains("socket:"), "{fds}");
    let variables = command("env").output().unwrap();
    let variables = String::from_utf8_lossy(&variables.stdout).into_owned();
    assert!(variables.contains("EXPECTED_ADDRESS="), "{variables}");
    assert!(!variables.contains("DROVER_") && !variables.contains("LISTEN_"), "a child learns too much");

    bus.started().await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = stream;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"inherited").await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_says_its_pid() {
    let bus = MessageBus::connect().await.unwrap();
    let listener = bus.listener("http").unwrap();
    bus.started().await.unwrap();
    let serve = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, &std::process::id().to_be_bytes())
                .await
                .unwrap();
        }
    };
    tokio::select! {
        () = serve => {}
        _ = bus.stop_requested() => {}
        () = tokio::time::sleep(DEADLINE) => panic!("the parent is gone"),
    }
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_says_which_round_it_is() {
    let mut round = 0;
    let worker = MessageBus::builder().orphan_timeout(SHORT).serve(async |bus| {
        round += 1;
        let listener = bus.listener("http").unwrap();
        bus.started().await?;
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let mut stream = accepted.unwrap().0;
                    tokio::io::AsyncWriteExt::write_all(&mut stream, &[round]).await.unwrap();
                }
                _ = bus.stop_requested() => return Ok::<_, Box<dyn std::error::Error>>(()),
            }
        }
    });
    worker.await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_standalone_worker_that_leaves() {
    let bus = MessageBus::builder().standalone_listen("http", "127.0.0.1:0").connect().await.unwrap();
    assert!(bus.is_standalone());
    assert_eq!((bus.identity().app.as_str(), bus.identity().slot), ("standalone", 0));
    bus.listener("http").unwrap();
    bus.status("alone", 0);
    bus.extend(DEADLINE).await.unwrap();
    bus.started().await.unwrap();
    println!("ready");
    let stop = tokio::time::timeout(DEADLINE, bus.stop_requested()).await.unwrap();
    println!("stop: {:?}", stop.cause);
    bus.stopped().await.unwrap();
    tokio::time::timeout(DEADLINE, bus.quit_requested()).await.unwrap();
    bus.shut_down().await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_standalone_worker_that_never_drains() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    println!("ready");
    let stop = tokio::time::timeout(DEADLINE, bus.stop_requested()).await.unwrap();
    println!("stop: {:?}", stop.cause);
    tokio::time::sleep(DEADLINE).await;
}

/// Whether a child of this process would have a socket as its descriptor 3.
fn inherits_the_socket(mut command: Command) -> bool {
    command.args(["-c", "test -S /proc/self/fd/3"]).stdin(Stdio::null()).status().unwrap().success()
}

#[tokio::test]
#[ignore = "run as a child"]
async fn as_a_worker_with_a_child_before_its_listener() {
    assert!(inherits_the_socket(Command::new("sh")), "it was handed over");
    let bus = MessageBus::connect().await.unwrap();
    assert!(!inherits_the_socket(Command::new("sh")));
    drop(bus.listener("http").unwrap());
    bus.started().await.unwrap();
    bus.quit_requested().await;
}

#[tokio::test]
#[ignore = "run as a child"]
async fn as_a_worker_with_a_child_by_command() {
    assert!(inherits_the_socket(Command::new("sh")), "it was handed over");
    assert!(!inherits_the_socket(command("sh")));
    let bus = MessageBus::connect().await.unwrap();
    drop(bus.listener("http").unwrap());
    bus.started().await.unwrap();
    bus.quit_requested().await;
}
