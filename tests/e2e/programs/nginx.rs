//! nginx, which replaces its own workers at SIGHUP and leaves in order at SIGQUIT.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use drover_e2e::harness::{PATIENCE, eventually};

use crate::site::Site;

fn request(host: Ipv4Addr) -> TcpStream {
    let mut stream = TcpStream::connect((host, 8080)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n").unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    stream.write_all(b"\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap()
}

#[tokio::test]
async fn nginx_reads_its_configuration_again_and_keeps_the_old_one_where_the_new_one_is_wrong() {
    let Some(mut site) = Site::of("programs/nginx", &["nginx"]) else { return };
    site.start().await;
    let host = site.host();
    assert_eq!(answer(request(host)), "hello\n");
    let pid = site.pid().await;

    site.change("nginx.conf", r"hello\n", r"good day\n");
    site.run(&["reload", "nginx"]).await;
    site.until("the new configuration", || (answer(request(host)) == "good day\n").then_some(())).await;

    site.change("nginx.conf", r#"return 200 "good day\n""#, "retrun 200");
    site.run(&["reload", "nginx"]).await;
    let said = || site.log().contains("unknown directive \"retrun\"").then_some(());
    site.until("what nginx says of it", said).await;
    assert_eq!(answer(request(host)), "good day\n");
    assert_eq!(site.pid().await, pid, "the process stays");
    site.end().await;
}

#[tokio::test]
async fn nginx_finishes_what_is_under_way_before_it_leaves() {
    let Some(mut site) = Site::of("programs/nginx", &["nginx"]) else { return };
    site.change("nginx.conf", "worker_processes 2", "worker_processes 1");
    site.start().await;
    let host = site.host();
    let half = request(host);
    // Its one worker takes them in their order, and has answered a later one: it is at this one, too.
    assert_eq!(answer(request(host)), "hello\n");
    assert_eq!(answer(request(host)), "hello\n");
    let late = async {
        eventually("the end of its listener", || TcpStream::connect((host, 8080)).err()).await;
        answer(half)
    };
    let (_, late) = tokio::join!(site.end(), late);
    assert_eq!(late, "hello\n");
}

#[tokio::test]
async fn nginx_that_was_killed_leaves_no_worker_in_the_way_of_the_next_one() {
    let Some(mut site) = Site::of("programs/nginx", &["nginx"]) else { return };
    site.start().await;
    let exit = site.back_after_a_kill().await;
    assert_eq!(exit["signal"], "SIGKILL", "{exit}");
    assert_eq!(site.worker().await["restarts"], 1);
    assert_eq!(answer(request(site.host())), "hello\n");
    site.end().await;
}
