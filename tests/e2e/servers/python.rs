//! Servers in Python that know nothing of Drover, behind `python -m drover_worker`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use drover_e2e::harness::{PATIENCE, signal};
use nix::sys::signal::SIGTERM;

use super::{CLIENTS, operated};
use crate::foreign_workers::wheel;
use crate::site::Site;

/// The folder of an example, with Python where the package and the servers are.
async fn site(folder: &'static str) -> Option<Site> {
    let environments = wheel::installed().await?;
    Some(Site::of(folder, &["python3"])?.with_programs_of(environments.join("servers/bin")))
}

async fn loses_no_request(folder: &'static str) {
    let Some(mut site) = site(folder).await else { return };
    site.start().await;
    let tally = operated(&site, 8000, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uvicorn_loses_no_request_while_it_is_reloaded_and_scaled() {
    loses_no_request("servers/uvicorn").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hypercorn_loses_no_request_while_it_is_reloaded_and_scaled() {
    loses_no_request("servers/hypercorn").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn django_loses_no_request_while_it_is_reloaded_and_scaled() {
    loses_no_request("servers/django").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flask_loses_no_request_while_it_is_reloaded_and_scaled() {
    loses_no_request("servers/flask").await;
}

/// What Drover does not ask for is left to the server: it finishes what is under way, and another worker takes its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_uvicorn_that_somebody_sends_a_sigterm_finishes_its_request() {
    let Some(mut site) = site("servers/uvicorn").await else { return };
    site.start().await;
    site.run(&["scale", &site.scale(1)]).await;
    let old = site.pid().await;
    let mut stream = TcpStream::connect(SocketAddr::from((site.host(), 8000))).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /echo?text=whole&ms=8000 HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    site.until_worker("a request under way", |worker| worker["in_flight"] == 1).await;
    signal(old, SIGTERM);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nwhole"), "{answer}\n{}", site.log());
    site.until_worker("another worker", |worker| worker["pid"] != old && worker["phase"] == "started").await;
    site.end().await;
}

/// Jobs are ordered all the while, and each is done. Celery itself does some a second time: when it stops, its prefork pool forgets the job
/// that each of its processes was given and has not yet said that it began, and the job goes back to the broker, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn celery_loses_no_job_while_it_is_reloaded_and_scaled() {
    /// The old ones of the reload, those too many for one worker, and the restarted one.
    const STOPS: u32 = 2 + 2 + 1;
    /// `--concurrency`.
    const POOL: u32 = 2;
    let Some(environments) = wheel::installed().await else { return };
    let programs = environments.join("servers/bin");
    let Some(site) = Site::of("servers/celery", &["python3", "redis-server"]) else { return };
    let mut site = site.with_programs_of(programs.clone());
    site.start().await;
    let mut orders = Command::new(programs.join("python3"))
        .arg("jobs.py")
        .current_dir(site.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (three, one, two) = (site.scale(3), site.scale(1), site.scale(2));
    for step in [
        &["reload", "celery"][..],
        &["scale", &three],
        &["scale", &one],
        &["scale", &two],
        &["restart", "celery/0"],
    ] {
        site.run(step).await;
    }
    drop(orders.stdin.take());
    site.until("the last job", || orders.try_wait().unwrap()).await;
    let output = orders.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let counts: Vec<u32> = said.split_whitespace().map(|count| count.parse().unwrap()).collect();
    let &[ordered, done, different] = &counts[..] else { panic!("{said}\n{}", site.log()) };
    drover_e2e::complain(&format!("celery: {ordered} jobs, {} of them twice", done - different));
    assert!(ordered > 50, "{said}");
    assert_eq!(different, ordered, "{}", site.log());
    assert!(done - different <= STOPS * POOL, "{said}\n{}", site.log());
    site.end().await;
}
