//! The name of an image, as registries have it: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`.

/// What is wrong with it; follows the name.
pub(crate) fn fault(image: &str) -> Option<&'static str> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if image.is_empty() {
        return Some("is empty");
    }
    if !image.chars().all(is_known) {
        return Some("has a character that no image has: letters, digits and ._-/:@ are allowed");
    }
    let (named, digest) =
        image.split_once('@').map_or((image, None), |(named, digest)| (named, Some(digest)));
    let is_digest = |digest: &str| {
        digest.split_once(':').is_some_and(|(kind, sum)| {
            !kind.is_empty() && sum.len() >= 32 && sum.chars().all(|c| c.is_ascii_hexdigit())
        })
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Some("has no digest after the @, such as sha256:…");
    }
    // A colon before the last slash is of a port.
    let (path, tag) = match named.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (named, None),
    };
    if tag.is_some_and(|tag| tag.is_empty() || tag.len() > 128 || tag.starts_with(['.', '-'])) {
        return Some("has no tag after the colon, such as 1.2 or latest");
    }
    let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
    let name = match path.split_once('/') {
        Some((first, rest)) if is_host(first) => rest,
        _ => path,
    };
    let is_part =
        |part: &str| part.starts_with(alphanumeric) && part.ends_with(alphanumeric) && !part.contains(':');
    if !name.split('/').all(is_part) {
        return Some("has a part without a name between its slashes");
    }
    name.contains(|c: char| c.is_ascii_uppercase()).then_some("has capitals, which no image's name has")
}

fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_registry_has_is_refused_with_its_fault() {
        let sum = "0123456789abcdef0123456789abcdef";
        for good in
            ["shop", "shop:1", "a/b/shop:v1.2_3", "localhost:5000/shop", "ghcr.io/me/shop", "r.io:443/a-b/c"]
        {
            assert_eq!(fault(good), None, "{good}");
        }
        assert_eq!(fault(&format!("shop@sha256:{sum}")), None);
        for (bad, words) in [
            ("", "is empty"),
            ("shop 1", "a character"),
            ("shop:$TAG", "a character"),
            ("Shop:1", "capitals"),
            ("shop:", "no tag"),
            ("shop@sha256:1", "no digest"),
            ("a//b", "between its slashes"),
            ("-shop", "between its slashes"),
            ("https://r.io/shop", "between its slashes"),
        ] {
            assert!(fault(bad).is_some_and(|fault| fault.contains(words)), "{bad}: {:?}", fault(bad));
        }
    }
}
