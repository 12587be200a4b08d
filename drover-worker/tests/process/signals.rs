//! SIGTERM, and the end after ShutDown.

use super::*;

#[tokio::test]
async fn a_worker_that_said_shut_down_is_not_hurried_by_the_end_of_the_connection() {
    let master = FakeMaster::bind().unwrap();
    let (child, mut link) = started(&master, &mut under(&master, child("as_a_worker_that_lingers"))).await;
    link.quit(DEADLINE).await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::ShutDown(_))));
    drop(link);
    assert_eq!(end_of(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_worker_under_a_master_catches_sigterm_alone_and_not_if_the_program_does() {
    let master = FakeMaster::bind().unwrap();
    let own = "as_a_worker_that_handles_sigterm_itself";
    let mut afterwards = child(own);
    afterwards.env("HANDLER_AFTER", "1");
    for worker in [child("as_a_worker_without_signal_handlers"), child(own), afterwards] {
        let (child, link) = started(&master, &mut under(&master, worker)).await;
        assert_eq!(end_of(child).await.status.code(), Some(0));
        drop(link);
    }
}

/// A worker that drains for as long as this test likes.
struct Signalled {
    _master: FakeMaster,
    child: Child,
    link: FakeLink,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Signalled {
    async fn started() -> Self {
        let master = FakeMaster::bind().unwrap();
        let mut command = under(&master, child("as_a_worker_that_drains_when_told"));
        command.stdin(Stdio::piped());
        let (mut child, link) = started(&master, &mut command).await;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _master: master, child, link, lines }
    }

    /// Signals it from a process of its own, and not from here: this is its master.
    fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn await_line(&mut self, line: &str) {
        assert!(self.lines.any(|read| read.unwrap().ends_with(line)), "never said {line:?}");
    }

    /// Lets the drain end.
    fn finish(&mut self) {
        drop(self.child.stdin.take());
    }

    async fn says(&mut self, what: &str) {
        let said = self.link.body().await.unwrap();
        let is_so = match said {
            Some(Body::Stopped(_)) => what == "Stopped",
            Some(Body::ShutDown(_)) => what == "ShutDown",
            None => what == "nothing more",
            _ => false,
        };
        assert!(is_so, "{said:?} instead of {what}");
    }

    async fn end(self) -> Option<i32> {
        end_of(self.child).await.status.code()
    }
}

#[tokio::test]
async fn a_worker_that_drains_already_takes_sigterm_as_what_it_knows() {
    let mut worker = Signalled::started().await;
    worker.link.stop(DEADLINE).await.unwrap();
    worker.await_line("stop: Master");
    worker.terminate();
    worker.finish();
    worker.says("Stopped").await;
    worker.link.quit(DEADLINE).await.unwrap();
    worker.says("ShutDown").await;
    assert_eq!(worker.end().await, Some(0));
}

#[tokio::test]
async fn a_worker_that_gets_sigterm_just_before_its_masters_words_drains_and_answers_them() {
    let mut worker = Signalled::started().await;
    worker.terminate();
    worker.await_line("stop: Signal");
    worker.link.stop(DEADLINE).await.unwrap();
    // In the order of the wire: it has taken Stop.
    worker.link.ping().await.unwrap();
    assert!(matches!(worker.link.body().await.unwrap(), Some(Body::Pong(_))));
    worker.finish();
    worker.says("Stopped").await;
    worker.link.quit(DEADLINE).await.unwrap();
    worker.says("ShutDown").await;
    assert_eq!(worker.end().await, Some(0));
}

#[tokio::test]
async fn a_worker_that_alone_gets_sigterm_drains_and_leaves_and_a_second_one_ends_it() {
    let mut worker = Signalled::started().await;
    worker.terminate();
    worker.await_line("stop: Signal");
    worker.finish();
    worker.says("nothing more").await;
    assert_eq!(worker.end().await, Some(0));

    let mut worker = Signalled::started().await;
    worker.terminate();
    worker.await_line("stop: Signal");
    worker.terminate();
    assert_eq!(end_of(worker.child).await.status.signal(), Some(Signal::SIGTERM as i32));
}

#[tokio::test]
async fn sigterm_of_the_master_itself_ends_a_worker_at_once() {
    let worker = Signalled::started().await;
    kill(Pid::from_raw(worker.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(end_of(worker.child).await.status.signal(), Some(Signal::SIGTERM as i32));
}

#[tokio::test]
async fn what_keeps_a_worker_that_has_said_shut_down_is_told() {
    let master = FakeMaster::bind().unwrap();
    let mut command = under(&master, child("as_a_worker_that_leaves_a_blocking_task_behind"));
    let (mut child, mut link) = started(&master, command.stdin(Stdio::piped()).stderr(Stdio::piped())).await;
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    link.quit(DEADLINE).await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::ShutDown(_))));
    assert!(said.any(|line| line.unwrap().contains("still there 1s after it said ShutDown")), "not a word");
    // What kept it ends.
    drop(child.stdin.take());
    assert_eq!(end_of(child).await.status.code(), Some(0));
}
