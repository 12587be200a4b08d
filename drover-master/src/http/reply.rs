//! Answers: their bodies and headers.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{Either, Full, channel};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::guard::Intrusion;
use super::route::Miss;

/// A body that is there, or one that comes bit by bit.
pub(super) type Body = Either<Full<Bytes>, channel::Channel<Bytes, Infallible>>;

pub(super) type HttpReply = Response<Body>;

/// What every answer says: keep none of it, take it for nothing else, show it in no frame, and tell nobody where one was.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// An answer of this kind.
pub(super) fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> HttpReply {
    with_headers(status, content_type, Either::Left(Full::new(body.into())))
}

/// An answer that goes on.
pub(super) fn stream(body: channel::Channel<Bytes, Infallible>) -> HttpReply {
    with_headers(StatusCode::OK, "text/event-stream", Either::Right(body))
}

fn with_headers(status: StatusCode, content_type: &'static str, body: Body) -> HttpReply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn json(status: StatusCode, text: String) -> HttpReply {
    reply(status, "application/json", text)
}

/// A sentence, for people and programs alike.
pub(super) fn refusal(status: StatusCode, message: &str) -> HttpReply {
    json(status, serde_json::json!({ "error": message }).to_string())
}

impl From<Intrusion> for HttpReply {
    fn from(intrusion: Intrusion) -> Self {
        let status = match intrusion {
            Intrusion::Host => StatusCode::MISDIRECTED_REQUEST,
            Intrusion::Origin | Intrusion::ReadOnly => StatusCode::FORBIDDEN,
            Intrusion::Token => StatusCode::UNAUTHORIZED,
        };
        let mut reply = refusal(status, intrusion.sentence());
        if intrusion == Intrusion::Token {
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        reply
    }
}

impl From<Miss> for HttpReply {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Path => {
                refusal(StatusCode::NOT_FOUND, "there is nothing at this path; see / and /api/status")
            }
            Miss::Query(message) => refusal(StatusCode::BAD_REQUEST, &message),
            Miss::Method { allowed } => {
                let mut reply =
                    refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("this path takes {allowed}"));
                reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
                reply
            }
        }
    }
}
