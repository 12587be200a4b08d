//! The page for people: one file, without anything from elsewhere.

use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::reply::{HttpReply, refusal, reply as answer};

const PAGE: &str = include_str!("page.html");

/// Stands in the page for a number that is another one each time: only what has it is run, so nothing that a worker prints can be.
const NONCE: &str = "NONCE";

/// The page, and what it may do: run its own script and style, and ask where it came from.
pub(super) fn reply() -> HttpReply {
    let Some(nonce) = nonce() else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the kernel gives no random numbers");
    };
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut reply = answer(StatusCode::OK, "text/html; charset=utf-8", PAGE.replace(NONCE, &nonce));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    reply
}

fn nonce() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(32), |mut nonce, byte| {
        let _ = write!(nonce, "{byte:02x}");
        nonce
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_a_number_of_its_own_that_its_policy_names() {
        let policies: Vec<String> =
            (0..2).map(|_| reply().headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()).collect();
        assert_ne!(policies[0], policies[1]);
        assert!(policies[0].starts_with("default-src 'none'; script-src 'nonce-"), "{}", policies[0]);
        // One script and one style.
        assert_eq!(PAGE.matches(NONCE).count(), 2);
        assert_eq!(PAGE.matches("<script").count(), 1);
    }

    #[test]
    fn the_page_is_small_and_takes_nothing_from_elsewhere() {
        assert!(PAGE.len() < 60_000, "{}", PAGE.len());
        for foreign in [
            "http://",
            "https://",
            "//cdn",
            "@import",
            " src=",
            "<link",
            "<iframe",
            "onclick=",
            "style=\"",
            "innerHTML",
        ] {
            assert!(!PAGE.contains(foreign), "{foreign}");
        }
    }
}
