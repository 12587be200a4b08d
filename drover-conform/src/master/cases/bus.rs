//! BU: messages of the application, under a master whose Welcome names `bus`.

use drover_proto::latest::{
    Accepted, ErrorCode, Hello, MasterFrame, Message, Phase, Reply, Scope, Started, Subscribe, WorkerFrame,
    master_frame, worker_frame::Body,
};

use crate::case::{Fault, failed};
use crate::master::stage::{MasterCase, MasterStage, StandIn, hello, said, welcome};
use crate::peer::Peer;

/// What the Welcome of a master that carries messages names, and the Hello of a worker that takes them.
const BUS: &str = "bus";

const TOPIC: &str = "drover.conform.topic";

pub(super) const CASES: &[MasterCase] = &[
    MasterCase::new(
        "M-BU-01",
        "a request to oneself, and its Reply",
        "which may be the sender's own",
        |stage| Box::pin(carries_a_request(stage)),
    )
    .needs(BUS),
    MasterCase::new("M-BU-02", "a worker that there is not", "there is no worker with that id", |stage| {
        let nobody = Message { scope: Scope::Worker.into(), worker: u64::MAX, ..about_nothing() };
        Box::pin(refuses(stage, nobody, ErrorCode::NotFound))
    })
    .needs(BUS),
    MasterCase::new("M-BU-03", "a message without a scope", "no `scope`, a request to several", |stage| {
        Box::pin(refuses(stage, about_nothing(), ErrorCode::InvalidArgument))
    })
    .needs(BUS),
    MasterCase::new("M-BU-04", "a request to all", "no `scope`, a request to several", |stage| {
        let all = Message { scope: Scope::All.into(), ..about_nothing() };
        Box::pin(refuses(stage, all, ErrorCode::InvalidArgument))
    })
    .needs(BUS),
    MasterCase::new(
        "M-BU-05",
        "a topic that is too long",
        "**Message** carries a `topic` of up to 255 bytes",
        |stage| {
            let long = Message { topic: "x".repeat(256), scope: Scope::All.into(), ..about_nothing() };
            Box::pin(refuses(stage, Message { confirm: true, ..long }, ErrorCode::InvalidArgument))
        },
    )
    .needs(BUS),
    MasterCase::new(
        "M-BU-06",
        "a subscription, twice",
        "With `expects_reply` they are answered by `Accepted`; doing so twice is not an error.",
        |stage| Box::pin(accepts_a_subscription(stage)),
    )
    .needs(BUS),
    MasterCase::new(
        "M-BU-07",
        "a message to be confirmed",
        "answered by `Accepted` once it is in the queue of each who gets it, or by `Error`",
        |stage| Box::pin(confirms(stage)),
    )
    .needs(BUS),
];

fn about_nothing() -> Message {
    Message { topic: TOPIC.to_owned(), payload: "hello".into(), ..Default::default() }
}

/// A worker that is ready and takes messages; skipped where the master carries none.
async fn attached(stage: &mut MasterStage) -> Result<(Peer, StandIn), Fault> {
    let (mut peer, stand_in) = stage.connected().await?;
    peer.send(&Hello { capabilities: vec![BUS.to_owned()], ..hello(&stand_in) }).await?;
    if !welcome(&mut peer).await?.capabilities.iter().any(|known| known == BUS) {
        return Err(Fault::Skipped(format!("the master does not have the capability `{BUS}`")));
    }
    peer.send(&said(Body::Started(Started {}))).await?;
    stage.is(&stand_in, Phase::Started).await?;
    Ok((peer, stand_in))
}

async fn carries_a_request(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = attached(stage).await?;
    let to_oneself = Message { scope: Scope::Worker.into(), worker: stand_in.id, ..about_nothing() };
    let seq = (1 << 53) + 1;
    ask(&mut peer, seq, Body::Message(to_oneself)).await?;
    loop {
        let MasterFrame { seq: asked, reply_to, expects_reply, body, .. } =
            heard(&mut peer, "the Message to oneself, and its Reply,").await?;
        match body {
            Some(master_frame::Body::Message(message)) if message.topic == TOPIC => {
                if !expects_reply || message.worker != stand_in.id {
                    return Err(failed(
                        "what arrives is not the request of this worker; that was expected, with the worker's number and a reply to be given",
                    ));
                }
                let reply = Body::Reply(Reply { payload: "world".into() });
                peer.send(&WorkerFrame { reply_to: asked, ..said(reply) }).await?;
            }
            Some(master_frame::Body::Reply(reply)) if reply_to == seq => {
                return match &reply.payload[..] {
                    b"world" => Ok(()),
                    _ => Err(failed("the Reply has another payload than `world`, which was expected")),
                };
            }
            Some(master_frame::Body::Error(error)) if reply_to == seq => {
                return Err(failed(format!(
                    "the request was refused, `{}`; a Reply was expected",
                    error.message
                )));
            }
            _ => {}
        }
    }
}

async fn refuses(stage: &mut MasterStage, message: Message, code: ErrorCode) -> Result<(), Fault> {
    let (mut peer, _) = attached(stage).await?;
    ask(&mut peer, 3, Body::Message(message)).await?;
    match answer_to(&mut peer, 3).await? {
        Some(master_frame::Body::Error(error)) if error.code() == code => Ok(()),
        Some(master_frame::Body::Error(error)) => {
            Err(failed(format!("it refuses with {:?}; {code:?} was expected", error.code())))
        }
        _ => Err(failed(format!("it answers with something else; an Error with {code:?} was expected"))),
    }
}

async fn accepts_a_subscription(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = attached(stage).await?;
    for seq in [3, 4] {
        ask(&mut peer, seq, Body::Subscribe(Subscribe { topic: TOPIC.to_owned() })).await?;
        if !matches!(answer_to(&mut peer, seq).await?, Some(master_frame::Body::Accepted(_))) {
            return Err(failed("it answers Subscribe with something else; Accepted was expected"));
        }
    }
    Ok(())
}

async fn confirms(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = attached(stage).await?;
    let scope = Scope::Worker.into();
    let to_oneself = Message { scope, worker: stand_in.id, confirm: true, ..about_nothing() };
    ask(&mut peer, 3, Body::Message(to_oneself)).await?;
    match answer_to(&mut peer, 3).await? {
        Some(master_frame::Body::Accepted(Accepted { delivered: 1, .. })) => Ok(()),
        Some(master_frame::Body::Accepted(Accepted { delivered, .. })) => {
            Err(failed(format!("it says that the message goes to {delivered} workers; 1 was expected")))
        }
        _ => Err(failed("it answers with something else; Accepted was expected")),
    }
}

async fn ask(peer: &mut Peer, seq: u64, body: Body) -> Result<(), Fault> {
    peer.send(&WorkerFrame { seq, expects_reply: true, ..said(body) }).await
}

async fn answer_to(peer: &mut Peer, seq: u64) -> Result<Option<master_frame::Body>, Fault> {
    loop {
        let heard = heard(peer, "an answer to what was asked").await?;
        if heard.reply_to == seq {
            return Ok(heard.body);
        }
    }
}

async fn heard(peer: &mut Peer, expected: &str) -> Result<MasterFrame, Fault> {
    let next = peer.next::<MasterFrame>(expected).await?;
    next.ok_or_else(|| failed(format!("it closed the connection; {expected} was expected")))
}
