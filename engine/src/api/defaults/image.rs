//! The tag of an image reference, which decides how it is pulled.
//!
//! Source: kubernetes v1.36, `pkg/util/parsers/parsers.go`, `ParseImageName`; grammar of
//! `github.com/distribution/reference`.

/// Longest repository name, domain included. Unit: bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest tag. Unit: bytes.
const TAG_BYTES_MAX: usize = 128;

/// The tag of an image: `latest` when neither tag nor digest is written, empty when there is only a
/// digest. `None` when the reference is malformed.
pub(crate) fn image_tag(image: &str) -> Option<&str> {
    if image.len() == 64 && image.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None; // An image id is refused as a name.
    }
    let (domain, remainder) = split_domain(image);
    let (rest, digest) = match remainder.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (remainder, None),
    };
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    let library = if domain.is_none() && !path.contains('/') { "docker.io/library/".len() } else { 0 };
    let length = library + domain.map_or(0, |domain| domain.len() + 1) + path.len();
    let well_formed = domain.is_none_or(is_domain)
        && path.split('/').all(is_path_component)
        && length <= NAME_BYTES_MAX
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest);
    if !well_formed {
        return None;
    }
    Some(tag.unwrap_or(if digest.is_some() { "" } else { "latest" }))
}

/// Splits off the registry: the first part, if it looks like a host.
fn split_domain(image: &str) -> (Option<&str>, &str) {
    match image.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase()) => {
            (Some(first), rest)
        }
        _ => (None, image),
    }
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !domain.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let host_fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }),
    };
    host_fits && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    component.starts_with(alphanumeric)
        && component.ends_with(alphanumeric)
        && component.split(alphanumeric).all(|joint| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_BYTES_MAX && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let digits = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == digits && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::image_tag;

    #[test]
    fn tag_table() {
        let digest = format!("nginx@sha256:{}", "0a".repeat(32));
        let both = format!("nginx:1@sha256:{}", "0a".repeat(32));
        let rows = [
            ("nginx", Some("latest")),
            ("nginx:latest", Some("latest")),
            ("nginx:1.27", Some("1.27")),
            ("registry:5000/team/app", Some("latest")),
            ("registry:5000/team/app:v1", Some("v1")),
            ("localhost/app", Some("latest")),
            ("[::1]:5000/app:v2", Some("v2")),
            (digest.as_str(), Some("")),
            (both.as_str(), Some("1")),
            ("", None),
            ("Nginx", None),
            ("nginx:", None),
            ("a..b", None),
            ("a__b", Some("latest")),
            (" nginx", None),
            ("nginx@sha256:12", None),
        ];
        for (image, want) in rows {
            assert_eq!(image_tag(image), want, "image {image:?}");
        }
        assert_eq!(image_tag(&"0".repeat(64)), None, "an image id");
    }
}
