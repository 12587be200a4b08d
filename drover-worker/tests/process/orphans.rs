//! The death of a worker whose master is gone.

use super::*;

#[tokio::test]
async fn an_orphan_ends_with_code_70_even_if_its_runtime_is_blocked() {
    let master = FakeMaster::bind().unwrap();
    let (child, link) =
        started(&master, &mut under(&master, child("as_a_worker_that_blocks_its_runtime"))).await;
    drop((master, link));
    assert_eq!(end_of(child).await.status.code(), Some(70));
}

#[tokio::test]
async fn a_worker_whose_runtime_is_blocked_ends_although_a_successor_would_take_it() {
    let master = FakeMaster::bind().unwrap();
    let (child, link) =
        started(&master, &mut under(&master, child("as_a_worker_that_blocks_its_runtime"))).await;
    drop(link);
    assert_eq!(end_of(child).await.status.code(), Some(70));
    drop(master);
}

#[tokio::test]
async fn an_orphan_that_drains_in_time_ends_as_it_likes() {
    let master = FakeMaster::bind().unwrap();
    let (child, link) =
        started(&master, &mut under(&master, child("as_a_worker_that_drains_when_orphaned"))).await;
    drop((master, link));
    assert_eq!(end_of(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_worker_lives_on_under_a_successor_and_is_an_orphan_when_that_is_gone_too() {
    let master = FakeMaster::bind().unwrap();
    let worker = "as_a_worker_that_blocks_its_runtime_when_told_to_stop";
    let (child, link) = started(&master, &mut under(&master, child(worker))).await;
    drop(link);
    let mut link = master.accept().await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::Started(_))), "said again to a successor");
    link.stop(DEADLINE).await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::Status(_))));
    drop(link);
    assert_eq!(end_of(child).await.status.code(), Some(70));
}
