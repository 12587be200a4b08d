//! What a method and a path ask for.

use std::borrow::Cow;

use hyper::Method;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The page for people.
    Page,
    /// Everything that can be measured, in OpenMetrics.
    Metrics,
    /// Whether the supervisor answers.
    Live,
    /// Whether every app is ready.
    Ready,
    /// All apps and their workers.
    Status,
    /// How the last minutes were.
    History,
    /// Apps and workers with their settings and the ends of workers.
    Description(Vec<String>),
    /// What happens, from an event's number on.
    Events { since: Option<u64> },
    /// What is printed.
    Logs { names: Vec<String>, lines: Option<u32> },
    /// Something is to be changed.
    Operate { names: Vec<String>, deed: Deed },
}

/// What is to be done with apps or workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Start,
    Stop,
    Restart,
    Suspend,
    Resume,
    Reload,
    Promote,
    Abort,
    Scale(u32),
}

/// Why nothing is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Miss {
    /// No such path.
    Path,
    /// The path takes another method.
    Method { allowed: &'static str },
    /// The query is wrong.
    Query(String),
}

/// Finds out what a request is for.
pub(super) fn route(method: &Method, path: &str, query: Option<&str>) -> Result<Route, Miss> {
    let query = Query::read(query.unwrap_or_default());
    let route = match path {
        "/" => Route::Page,
        "/metrics" => Route::Metrics,
        "/livez" => Route::Live,
        "/readyz" => Route::Ready,
        "/api/status" => Route::Status,
        "/api/history" => Route::History,
        "/api/describe" => Route::Description(query.names()),
        "/api/events" => Route::Events { since: query.number("since")? },
        "/api/logs" => Route::Logs { names: query.names(), lines: query.number("lines")? },
        _ => return operation(method, path.strip_prefix("/api/").ok_or(Miss::Path)?, &query),
    };
    match *method {
        Method::GET | Method::HEAD => Ok(route),
        _ => Err(Miss::Method { allowed: "GET, HEAD" }),
    }
}

/// `POST /api/reload?name=web`: a verb, as the command has it.
fn operation(method: &Method, verb: &str, query: &Query<'_>) -> Result<Route, Miss> {
    let deed = match verb {
        "start" => Deed::Start,
        "stop" => Deed::Stop,
        "restart" => Deed::Restart,
        "suspend" => Deed::Suspend,
        "resume" => Deed::Resume,
        "reload" => Deed::Reload,
        "promote" => Deed::Promote,
        "abort" => Deed::Abort,
        "scale" if *method == Method::POST => {
            let to = query.number("to")?;
            Deed::Scale(to.ok_or_else(|| Miss::Query("say how many workers: to=N".to_owned()))?)
        }
        "scale" => Deed::Scale(0),
        _ => return Err(Miss::Path),
    };
    if *method != Method::POST {
        return Err(Miss::Method { allowed: "POST" });
    }
    let names = query.names();
    if names.is_empty() {
        return Err(Miss::Query("say which app or worker: name=APP or name=APP/SLOT".to_owned()));
    }
    Ok(Route::Operate { names, deed })
}

/// The pairs of a query, decoded (`application/x-www-form-urlencoded`).
struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    fn read(text: &'q str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        });
        Self(decoded.collect())
    }

    fn names(&self) -> Vec<String> {
        self.all("name").map(str::to_owned).collect()
    }

    fn number<N: std::str::FromStr>(&self, key: &str) -> Result<Option<N>, Miss> {
        let Some(value) = self.all(key).last() else { return Ok(None) };
        value.parse().map(Some).map_err(|_| Miss::Query(format!("{key}=`{value}` is not a number that fits")))
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == key).map(|(_, value)| &**value)
    }
}

/// `%41` and `+` as what they stand for. What is not UTF-8 stands for nothing that is known here, and is replaced.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let escaped = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let escaped = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = after;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_what_it_says() {
        let names = || vec!["web".to_owned()];
        for (asked, expected) in [
            ("GET /", Ok(Route::Page)),
            ("HEAD /", Ok(Route::Page)),
            ("GET /metrics", Ok(Route::Metrics)),
            ("GET /livez", Ok(Route::Live)),
            ("GET /readyz", Ok(Route::Ready)),
            ("GET /api/status", Ok(Route::Status)),
            ("GET /api/history", Ok(Route::History)),
            ("GET /api/describe?name=web", Ok(Route::Description(names()))),
            ("GET /api/events", Ok(Route::Events { since: None })),
            ("GET /api/events?since=17", Ok(Route::Events { since: Some(17) })),
            ("GET /api/logs?name=web&lines=5", Ok(Route::Logs { names: names(), lines: Some(5) })),
            ("POST /api/reload?name=web", Ok(Route::Operate { names: names(), deed: Deed::Reload })),
            ("POST /api/scale?name=web&to=4", Ok(Route::Operate { names: names(), deed: Deed::Scale(4) })),
            ("GET /nothing", Err(Miss::Path)),
            ("GET /api/", Err(Miss::Path)),
            ("POST /api/down?name=web", Err(Miss::Path)),
            ("POST /metrics", Err(Miss::Method { allowed: "GET, HEAD" })),
            ("GET /api/reload?name=web", Err(Miss::Method { allowed: "POST" })),
            ("GET /api/scale?name=web", Err(Miss::Method { allowed: "POST" })),
        ] {
            let (method, target) = asked.split_once(' ').unwrap();
            let (path, query) =
                target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            assert_eq!(route(&method.parse().unwrap(), path, query), expected, "{asked}");
        }
        for wrong in ["scale?name=web", "scale?name=web&to=-1", "scale?to=1", "reload", "reload?name"] {
            let (path, query) =
                wrong.split_once('?').map_or((wrong, None), |(path, query)| (path, Some(query)));
            let found = route(&Method::POST, &format!("/api/{path}"), query);
            assert!(matches!(found, Err(Miss::Query(_)) | Ok(Route::Operate { .. })), "{wrong}: {found:?}");
        }
    }

    #[test]
    fn a_query_is_decoded() {
        let query = Query::read("name=web%2F0&name=a+b&name=100%&name=%zz&name=%C3%BC&&x&name=%ff");
        assert_eq!(query.names(), ["web/0", "a b", "100%", "%zz", "ü", "\u{fffd}"]);
        assert_eq!(Query::read("lines=7&lines=8").number::<u32>("lines"), Ok(Some(8)));
        assert!(Query::read("lines=many").number::<u32>("lines").is_err());
    }
}
