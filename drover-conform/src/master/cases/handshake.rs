//! HS: the handshake.

use std::time::Duration;

use drover_proto::latest::{Hello, HelloReply, Phase, RejectCode, Started, hello_reply, worker_frame::Body};

use crate::case::{Fault, failed};
use crate::master::stage::{MasterCase, MasterStage, StandIn, hello, said, welcome};
use crate::peer::Peer;

/// Until a silent connection is refused: the 5 s of the page, and what a busy machine adds.
const SILENT: Duration = Duration::from_secs(8);

pub(super) const CASES: &[MasterCase] = &[
    MasterCase::new(
        "M-HS-01",
        "Welcome, with who and what",
        "`Welcome` repeats app, slot, generation and id.",
        |stage| Box::pin(welcomes(stage)),
    ),
    MasterCase::new(
        "M-HS-02",
        "versions of a later age beside the one in common",
        "`version` is the highest that both sides speak",
        |stage| Box::pin(chooses_the_version(stage)),
    ),
    MasterCase::new(
        "M-HS-03",
        "no Hello",
        "The worker sends `Hello` first, within 5 s of connecting.",
        |stage| Box::pin(refuses_silence(stage)),
    ),
    MasterCase::new(
        "M-HS-04",
        "a token that nobody has, and none",
        "| `UNKNOWN_TOKEN` | no token, or one that belongs to no living worker |",
        |stage| Box::pin(refuses_strangers(stage)),
    ),
    MasterCase::new(
        "M-HS-05",
        "a token whose worker is connected",
        "A token with a live connection is refused a second one (`TOKEN_IN_USE`).",
        |stage| Box::pin(refuses_a_second_connection(stage)),
    ),
    MasterCase::new(
        "M-HS-06",
        "no version in common",
        "| `UNSUPPORTED_VERSION` | no version in common |",
        |stage| {
            Box::pin(refuses(
                stage,
                |hello| (hello.min_version, hello.max_version) = (7, 9),
                RejectCode::UnsupportedVersion,
            ))
        },
    ),
    MasterCase::new(
        "M-HS-07",
        "a range of versions that ends before it begins",
        "| `MALFORMED` | the first frame was no usable `Hello` |",
        |stage| {
            Box::pin(refuses(
                stage,
                |hello| (hello.min_version, hello.max_version) = (3, 1),
                RejectCode::Malformed,
            ))
        },
    ),
    MasterCase::new(
        "M-HS-08",
        "text instead of Hello",
        "| `MALFORMED` | the first frame was no usable `Hello` |",
        |stage| Box::pin(refuses_text(stage)),
    ),
    MasterCase::new("M-HS-09", "unknown capabilities, and fields", "Unknown fields are ignored.", |stage| {
        Box::pin(takes_what_it_does_not_know(stage))
    }),
];

async fn welcomes(stage: &mut MasterStage) -> Result<(), Fault> {
    let (_peer, stand_in, welcome) = stage.welcomed().await?;
    let identity = welcome.identity.unwrap_or_default();
    for (name, told) in [
        ("DROVER_APP", identity.app),
        ("DROVER_SLOT", identity.slot.to_string()),
        ("DROVER_GENERATION", identity.generation.to_string()),
        ("DROVER_WORKER_ID", identity.worker_id.to_string()),
    ] {
        let variable = stand_in.variable(name);
        if variable != told {
            return Err(failed(format!("Welcome says `{told}`; `{variable}` was expected, as in {name}")));
        }
    }
    match welcome.limits.unwrap_or_default().max_frame_bytes {
        0 => Err(failed("Welcome names no frame limit; one was expected")),
        limit if limit >= 1 << 24 => {
            Err(failed(format!("its frame limit is {limit}; less than 16 MiB was expected")))
        }
        _ => Ok(()),
    }
}

async fn chooses_the_version(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.connected().await?;
    peer.send(&Hello { max_version: 100, ..hello(&stand_in) }).await?;
    match welcome(&mut peer).await?.version {
        1 => Ok(()),
        other => Err(failed(format!("it chose version {other}; 1 was expected"))),
    }
}

async fn refuses_silence(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.connected().await?;
    if let Some(reply) = peer.next_within::<HelloReply>(SILENT, "the end of the connection").await?
        && !matches!(reply.reply, Some(hello_reply::Reply::Reject(_)))
    {
        return Err(failed("it answered what was never said; a Reject or the end was expected"));
    }
    // A refused worker is not killed for it.
    let mut peer = stage.connect(&stand_in).await?;
    peer.send(&hello(&stand_in)).await?;
    welcome(&mut peer).await.map(drop)
}

async fn refuses_strangers(stage: &mut MasterStage) -> Result<(), Fault> {
    let stand_in = stage.held().await?;
    for token in ["", "00112233445566778899aabbccddeeff"] {
        let mut peer = stage.connect(&stand_in).await?;
        peer.send(&Hello { token: token.to_owned(), ..hello(&stand_in) }).await?;
        is_refused(&mut peer, RejectCode::UnknownToken).await?;
    }
    Ok(())
}

async fn refuses_a_second_connection(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut first, stand_in, _) = stage.welcomed().await?;
    let mut second = stage.connect(&stand_in).await?;
    second.send(&hello(&stand_in)).await?;
    is_refused(&mut second, RejectCode::TokenInUse).await?;
    first.send(&said(Body::Started(Started {}))).await?;
    stage.is(&stand_in, Phase::Started).await
}

async fn refuses(stage: &mut MasterStage, change: fn(&mut Hello), code: RejectCode) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.connected().await?;
    let mut hello = hello(&stand_in);
    change(&mut hello);
    peer.send(&hello).await?;
    is_refused(&mut peer, code).await
}

async fn refuses_text(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, _) = stage.connected().await?;
    peer.send_bytes(b"Listening on port 8080\n", "text").await?;
    is_refused(&mut peer, RejectCode::Malformed).await
}

async fn takes_what_it_does_not_know(stage: &mut MasterStage) -> Result<(), Fault> {
    let (mut peer, stand_in) = stage.connected().await?;
    let capabilities = vec!["teleport".to_owned(), String::new()];
    let hello = Hello { capabilities, ..hello(&stand_in) };
    let mut payload = prost::Message::encode_to_vec(&hello);
    // Field 999, a number; field 1001, five bytes.
    payload.extend([0xb8, 0x3e, 0x96, 0x01, 0xca, 0x3e, 5]);
    payload.extend(*b"later");
    peer.send_bytes(&crate::frames::framed_bytes(&payload), "Hello with unknown fields").await?;
    welcome(&mut peer).await.map(drop)
}

/// A Reject with this code and a sentence, and then the end.
async fn is_refused(peer: &mut Peer, code: RejectCode) -> Result<(), Fault> {
    match peer.next::<HelloReply>("a Reject").await?.map(|reply| reply.reply) {
        Some(Some(hello_reply::Reply::Reject(reject))) if reject.code() != code => {
            Err(failed(format!("it refuses with {:?}; {code:?} was expected", reject.code())))
        }
        Some(Some(hello_reply::Reply::Reject(reject))) if reject.message.is_empty() => {
            Err(failed("its Reject has no message; a sentence for people was expected"))
        }
        Some(Some(hello_reply::Reply::Reject(_))) => is_closed(peer).await,
        Some(Some(hello_reply::Reply::Welcome(_))) => {
            Err(failed(format!("it welcomes who should be refused; a Reject with {code:?} was expected")))
        }
        Some(None) | None => {
            Err(failed(format!("it closed without a Reject; one with {code:?} was expected")))
        }
    }
}

pub(super) async fn is_closed(peer: &mut Peer) -> Result<(), Fault> {
    match peer.next::<HelloReply>("the end of the connection").await {
        Ok(None) => Ok(()),
        _ => Err(failed("it did not close the connection; its end was expected")),
    }
}

/// The stand-in's own connection again.
pub(super) async fn back(stage: &MasterStage, stand_in: &StandIn) -> Result<Peer, Fault> {
    let mut peer = stage.connect(stand_in).await?;
    peer.send(&hello(stand_in)).await?;
    welcome(&mut peer).await?;
    Ok(peer)
}
