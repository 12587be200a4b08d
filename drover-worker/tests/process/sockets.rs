//! Sockets that a worker inherits.

use super::*;

#[tokio::test]
async fn sockets_are_inherited_by_name_and_kept_from_children() {
    let master = FakeMaster::bind().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut shell = with_socket(child("as_a_worker_with_an_inherited_socket"), socket);
    shell.env("EXPECTED_ADDRESS", address.to_string());
    let mut shell = under(&master, shell);
    let (child, link) = started(&master, &mut shell).await;
    // The command holds the parent's copy of the socket.
    drop(shell);
    let greeting = tokio::task::spawn_blocking(move || {
        let mut greeting = String::new();
        TcpStream::connect(address).and_then(|mut stream| stream.read_to_string(&mut greeting)).unwrap();
        greeting
    });
    assert_eq!(greeting.await.unwrap(), "inherited");
    assert_eq!(end_of(child).await.status.code(), Some(0));
    drop(link);
}

#[tokio::test]
async fn no_child_of_a_worker_holds_the_sockets_that_were_handed_over() {
    let master = FakeMaster::bind().unwrap();
    for role in ["as_a_worker_with_a_child_before_its_listener", "as_a_worker_with_a_child_by_command"] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let (child, mut link) = started(&master, &mut under(&master, with_socket(child(role), socket))).await;
        link.quit(DEADLINE).await.unwrap();
        assert_eq!(end_of(child).await.status.code(), Some(0), "{role}");
    }
}

#[tokio::test]
async fn four_processes_share_one_listener_and_serve_every_connection() {
    const CONNECTIONS: usize = 200;
    let master = FakeMaster::bind().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut workers = Vec::new();
    for _ in 0..4 {
        let command = with_socket(child("as_a_worker_that_says_its_pid"), socket.try_clone().unwrap());
        workers.push(started(&master, &mut under(&master, command)).await);
    }
    drop(socket);
    let shares = tokio::task::spawn_blocking(move || {
        let mut shares = HashMap::<u32, usize>::new();
        for _ in 0..CONNECTIONS {
            // Apart: a burst goes to whoever is awake.
            block(Duration::from_millis(2));
            let mut pid = [0; 4];
            TcpStream::connect(address).and_then(|mut stream| stream.read_exact(&mut pid)).unwrap();
            *shares.entry(u32::from_be_bytes(pid)).or_default() += 1;
        }
        shares
    });
    let shares = shares.await.unwrap();
    // How even the shares are depends on how loaded the machine is, so that is measured elsewhere; that they are shared
    // does not.
    assert_eq!(shares.values().sum::<usize>(), CONNECTIONS);
    assert!(shares.len() > 1, "{shares:?}");
    for (child, mut link) in workers {
        link.stop(DEADLINE).await.unwrap();
        assert_eq!(end_of(child).await.status.code(), Some(0));
    }
}

#[tokio::test]
async fn a_resumed_worker_serves_what_queued_on_the_same_socket_while_it_rested() {
    let master = FakeMaster::bind().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let shell = with_socket(child("as_a_worker_that_says_which_round_it_is"), socket);
    let (child, mut link) = started(&master, &mut under(&master, shell)).await;
    let round_of = |mut stream: TcpStream| {
        tokio::task::spawn_blocking(move || {
            let mut round = [0];
            stream.read_exact(&mut round).unwrap();
            round[0]
        })
    };
    for round in 1..=5 {
        assert_eq!(round_of(TcpStream::connect(address).unwrap()).await.unwrap(), round);
        link.stop(DEADLINE).await.unwrap();
        assert!(matches!(link.body().await.unwrap(), Some(Body::Stopped(_))));
        let queued = TcpStream::connect(address).unwrap();
        link.resume(DEADLINE).await.unwrap();
        assert!(matches!(link.body().await.unwrap(), Some(Body::Started(_))));
        assert_eq!(round_of(queued).await.unwrap(), round + 1);
    }
    link.quit(DEADLINE).await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::ShutDown(_))));
    assert_eq!(end_of(child).await.status.code(), Some(0));
    // A child that another test is just making may hold a copy for a moment.
    let closed = async {
        while TcpStream::connect(address).is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, closed).await.expect("nobody holds the socket any more");
}
