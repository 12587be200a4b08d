//! Messages between a program that embeds a master and workers in other languages.

use std::path::Path;
use std::time::Duration;

use drover_e2e::harness::{App, patiently};
use drover_master::{Command, ExitReason, Master, MasterBuilder, RequestError, SlotIndex};
use drover_proto::latest::ErrorCode;
use tokio::sync::mpsc;

use super::language::Language;
use super::service::asked;

const WITHIN: Duration = Duration::from_secs(10);

/// A test sends one.
const MOST_SENT: usize = 16;

/// What a worker has sent to the program: topic and payload.
type Sent = (String, Vec<u8>);

/// An app of this program that keeps what it is sent, and is asked for `capital` only.
fn app(run: &Path, args: &[&Path], workers: u32) -> (MasterBuilder, mpsc::Receiver<Sent>) {
    let (sent, seen) = mpsc::channel(MOST_SENT);
    let mut spec = App::builder(run).workers(workers).listen("http", "127.0.0.1:0").spec().clone();
    spec.command = args.iter().fold(Command::new(run), |command, arg| command.arg(arg));
    let builder = MasterBuilder::from_spec(spec).on_message(move |mut message| {
        match (message.topic(), message.responder()) {
            ("capital", Some(responder)) => responder.reply("Reykjavik"),
            (_, Some(responder)) => responder.refuse(ErrorCode::NotFound, "no such topic"),
            (topic, None) => {
                let _ = sent.try_send((topic.to_owned(), message.payload().to_vec()));
            }
        }
    });
    (builder, seen)
}

async fn reply(master: &Master, topic: &str, payload: &[u8]) -> Result<Vec<u8>, RequestError> {
    let bus = master.bus();
    let reply = bus.request(SlotIndex(0), topic, payload.to_vec(), WITHIN);
    patiently(topic, reply).await.map(|reply| reply.to_vec())
}

async fn left_in_order(app: App) {
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    for worker in app.master().snapshot().workers {
        assert_eq!(worker.last_exit.unwrap().reason, ExitReason::NormalExit);
    }
    app.end().await;
}

pub(super) async fn in_both_directions(language: Language) {
    let Some(run) = language.installed().await else { return };
    let (builder, mut seen) = app(&run, &[], 2);
    let app = App::started(builder).await;
    let master = app.master();
    for size in [0, 1, 70_000, 1_048_576] {
        let payload = vec![7; size];
        assert_eq!(reply(master, "drover.conform.echo", &payload).await.unwrap(), payload);
    }
    let failed = reply(master, "drover.conform.fail", b"").await.unwrap_err();
    assert!(matches!(&failed, RequestError::Refused { code: ErrorCode::Failed, .. }), "{failed:?}");
    let unknown = reply(master, "what", b"").await.unwrap_err();
    assert!(matches!(&unknown, RequestError::Refused { code: ErrorCode::Unimplemented, .. }), "{unknown:?}");
    reply(master, "drover.conform.send", b"greetings").await.unwrap();
    assert_eq!(seen.recv().await.unwrap(), ("greetings".to_owned(), vec![]));
    assert_eq!(reply(master, "drover.conform.ask", b"capital").await.unwrap(), b"Reykjavik");
    assert_eq!(reply(master, "drover.conform.ask", b"continent").await.unwrap(), b"no such topic");
    assert_eq!(master.bus().publish("news", "").unwrap().delivered, 0);
    reply(master, "drover.conform.subscribe", b"news").await.unwrap();
    assert_eq!(master.bus().publish("news", "").unwrap().delivered, 1);
    // Far more than what may be on the way to a worker at once.
    for _ in 0..40 {
        reply(master, "drover.conform.echo", &vec![8; 500_000]).await.unwrap();
    }
    left_in_order(app).await;
}

/// What stood in the examples of the Node module, with the import and the first argument of `listen` changed.
const EXPRESS: &str = r"
const express = require('express');
const { MessageBus } = require('drover-worker');

const bus = new MessageBus();
const app = express();
app.get('/', (request, response) => { response.send('hello'); });
const server = app.listen(bus.listener('http'), bus.sendStarted);

bus.on('stop', () => { server.close(bus.sendStopped); });
bus.on('quit', () => {
  bus.sendShuttedDown();
  setTimeout(() => process.exit(), 50);
});
bus.sendMessage({ hello: 'master', numbers: [1, 2] });
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_express_app_of_the_node_module_runs_with_two_lines_changed_and_its_messages_arrive() {
    let Some(run) = Language::new("node").installed().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.js");
    std::fs::write(&file, EXPRESS).unwrap();
    let (builder, mut seen) = app(&run, &[&file], 1);
    let folder = run.parent().unwrap().display();
    let app = App::started(builder.env("NODE_PATH", format!("{folder}/node_modules"))).await;
    let (topic, payload) = seen.recv().await.unwrap();
    assert_eq!((topic.as_str(), &payload[..]), ("message", &br#"{"hello":"master","numbers":[1,2]}"#[..]));
    let addr = app.master().listener_addr("http").unwrap();
    assert_eq!(asked(addr, "/").await.as_deref(), Some("hello"));
    patiently("the reload", app.master().reload(drover_master::Reload::default())).await.unwrap();
    assert_eq!(asked(addr, "/").await.as_deref(), Some("hello"));
    left_in_order(app).await;
}
