//! What a label's key and value may look like, with the original's words for what is wrong.
//!
//! Source: kubernetes v1.36, `apimachinery/pkg/api/validate/content/kube.go` and `dns.go`.

/// Longest name part of a key, and longest value. Unit: bytes.
pub const LABEL_BYTES_MAX: usize = 63;
/// Longest prefix of a key. Unit: bytes.
pub const SUBDOMAIN_BYTES_MAX: usize = 253;

const NAME_WORDS: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
    (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_WORDS: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
    and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN_WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
    start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// What is wrong with a label key (a *qualified name*): an optional prefix, `/`, a name. Empty when nothing is.
pub fn key_problems(key: &str) -> Vec<String> {
    let (prefix, name) = match key.split_once('/') {
        None => (None, key),
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a valid label key {NAME_WORDS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some((prefix, name)) => (Some(prefix), name),
    };
    let mut problems: Vec<String> = match prefix {
        None => Vec::new(),
        Some("") => vec!["prefix part must be non-empty".to_owned()],
        Some(prefix) => subdomain_problems(prefix).into_iter().map(|problem| format!("prefix part {problem}")).collect(),
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_BYTES_MAX {
        problems.push(format!("name part must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !is_name(name) {
        problems.push(format!("name part {NAME_WORDS}"));
    }
    problems
}

/// What is wrong with a label value. Empty when nothing is.
pub fn value_problems(value: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if value.len() > LABEL_BYTES_MAX {
        problems.push(format!("must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !value.is_empty() && !is_name(value) {
        problems.push(VALUE_WORDS.to_owned());
    }
    problems
}

/// What is wrong with a DNS subdomain in lower case. Empty when nothing is.
pub fn subdomain_problems(subdomain: &str) -> Vec<String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let label = |label: &str| is_word(label, inner, |byte| inner(byte) || byte == b'-');
    let mut problems = Vec::new();
    if subdomain.len() > SUBDOMAIN_BYTES_MAX {
        problems.push(format!("must be no more than {SUBDOMAIN_BYTES_MAX} bytes"));
    }
    if !subdomain.split('.').all(label) {
        problems.push(SUBDOMAIN_WORDS.to_owned());
    }
    problems
}

fn is_name(name: &str) -> bool {
    is_word(name, |byte| byte.is_ascii_alphanumeric(), |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Whether the text is not empty, begins and ends with an outer byte, and has inner bytes between.
fn is_word(text: &str, outer: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => outer(first) && outer(last) && bytes.iter().all(|&byte| inner(byte)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for (key, problems) in [
            ("a", 0),
            ("example.com/a_b.c-1", 0),
            ("", 2),
            ("/a", 1),
            ("a/", 2),
            ("a/b/c", 1),
            ("A/b", 1),
            ("a..b/c", 1),
            ("-a", 1),
            ("a/b_", 1),
        ] {
            assert_eq!(key_problems(key).len(), problems, "{key:?}: {:?}", key_problems(key));
        }
        assert_eq!(key_problems(&"k".repeat(64)), ["name part must be no more than 63 bytes"]);
    }

    #[test]
    fn values() {
        for (value, problems) in [("", 0), ("a", 0), ("1.2_3-x", 0), ("-3", 1), ("a b", 1), ("é", 1)] {
            assert_eq!(value_problems(value).len(), problems, "{value:?}");
        }
        assert_eq!(value_problems(&"-".repeat(64)).len(), 2);
    }
}
