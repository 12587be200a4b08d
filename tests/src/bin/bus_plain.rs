//! The other end of what the bus is measured against: `bus_plain blocking|tokio SOCKET`.
//!
//! `blocking` echoes what it reads: a length, then this many bytes. `tokio` is what one writes first: tokio-util's
//! `LengthDelimitedCodec` and prost, a message at a time. Both end when the other side does.

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use drover_proto::latest::{MasterFrame, Message, Reply, Scope, WorkerFrame, master_frame, worker_frame};
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, kind, path] if kind == "blocking" => echo(UnixStream::connect(path)?),
        [_, kind, path] if kind == "tokio" => plain(path),
        _ => Err("bus_plain blocking|tokio SOCKET".into()),
    }
}

fn echo(mut stream: UnixStream) -> Result<(), Box<dyn Error>> {
    let mut frame = Vec::new();
    loop {
        let mut header = [0; 4];
        if stream.read_exact(&mut header).is_err() {
            return Ok(());
        }
        frame.resize(4 + u32::from_be_bytes(header) as usize, 0);
        frame[..4].copy_from_slice(&header);
        stream.read_exact(&mut frame[4..])?;
        stream.write_all(&frame)?;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn plain(path: &str) -> Result<(), Box<dyn Error>> {
    let stream = tokio::net::UnixStream::connect(path).await?;
    let mut frames = Framed::new(stream, codec());
    let mut news = 0u64;
    while let Some(frame) = frames.next().await {
        let frame = MasterFrame::decode(frame?)?;
        let Some(master_frame::Body::Message(message)) = frame.body else { continue };
        let reply = match &*message.topic {
            "echo" => message.payload,
            "count" => std::mem::take(&mut news).to_string().into(),
            "flood" => {
                let text = str::from_utf8(&message.payload)?;
                let (count, size) = text.split_once(' ').ok_or("COUNT SIZE")?;
                let (count, payload): (u64, _) = (count.parse()?, Bytes::from(vec![b'x'; size.parse()?]));
                for _ in 0..count {
                    let topic = "flood".to_owned();
                    let scope = Scope::App.into();
                    let message = Message { topic, payload: payload.clone(), scope, ..Default::default() };
                    let body = Some(worker_frame::Body::Message(message));
                    let frame = WorkerFrame { body, ..Default::default() };
                    frames.send(Bytes::from(frame.encode_to_vec())).await?;
                }
                continue;
            }
            _ => {
                news += 1;
                continue;
            }
        };
        let body = Some(worker_frame::Body::Reply(Reply { payload: reply }));
        let frame = WorkerFrame { reply_to: frame.seq, body, ..Default::default() };
        frames.send(Bytes::from(frame.encode_to_vec())).await?;
    }
    Ok(())
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(2 * 1024 * 1024).new_codec()
}
