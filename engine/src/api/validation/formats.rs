//! The forms that names and words must have.
//!
//! Each check returns messages, none when the text is fine. Lengths are in bytes.
//!
//! Source: kubernetes v1.36, `staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go` and
//! `pkg/api/validate/content/`.

/// A check of a text: messages, none when it is fine.
pub(super) type Form = fn(&str) -> Vec<String>;

/// Longest DNS label.
pub(super) const LABEL_BYTES_MAX: usize = 63;
/// Longest DNS subdomain.
pub(super) const SUBDOMAIN_BYTES_MAX: usize = 253;
/// Longest port name.
const PORT_NAME_BYTES_MAX: usize = 15;

const LABEL_FORM: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_FORM: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const KEY_FORM: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const KEY_WORDS: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// `msg (e.g. 'a',  or 'b', regex used for validation is 'form')`, spacing included.
fn form_message(words: &str, form: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{words} (e.g. {}regex used for validation is '{form}')", examples.join(" or "))
}

fn length_message(bytes_max: usize) -> String {
    format!("must be no more than {bytes_max} characters")
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    edged(text, inner, |b| inner(b) || b == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// Whether a text is not empty, starts and ends with `edge` bytes and has only `middle` bytes.
fn edged(text: &str, edge: impl Fn(u8) -> bool, middle: impl Fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        [only] => edge(*only),
        [first, inner @ .., last] => edge(*first) && edge(*last) && inner.iter().all(|&b| middle(b)),
    }
}

fn is_key_name(text: &str) -> bool {
    edged(text, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A DNS label (RFC 1123).
pub(super) fn dns_label(text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if text.len() > LABEL_BYTES_MAX {
        messages.push(length_message(LABEL_BYTES_MAX));
    }
    if !is_label(text) {
        messages.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            let words =
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
            form_message(words, LABEL_FORM, &["my-name", "123-abc"])
        });
    }
    messages
}

/// A DNS subdomain (RFC 1123).
pub(super) fn dns_subdomain(text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if text.len() > SUBDOMAIN_BYTES_MAX {
        messages.push(length_message(SUBDOMAIN_BYTES_MAX));
    }
    if !is_subdomain(text) {
        messages.push(form_message(SUBDOMAIN_WORDS, SUBDOMAIN_FORM, &["example.com"]));
    }
    messages
}

/// A DNS subdomain whose labels may contain underscores, as in a DNS search list.
pub(super) fn dns_subdomain_with_underscore(text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if text.len() > SUBDOMAIN_BYTES_MAX {
        messages.push(length_message(SUBDOMAIN_BYTES_MAX));
    }
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = |label: &str| edged(label.strip_prefix('_').unwrap_or(label), inner, |b| inner(b) || matches!(b, b'-' | b'_'));
    if !text.split('.').all(fits) {
        let words = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
        let label = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
        messages.push(form_message(words, &format!("{label}(\\.{label})*"), &["example.com"]));
    }
    messages
}

/// A label key (qualified name): an optional DNS prefix, a slash, a name.
pub(super) fn label_key(text: &str) -> Vec<String> {
    let examples = ["MyName", "my.name", "123-abc"];
    let mut messages = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                messages.push("prefix part must be non-empty".to_owned());
            } else {
                messages.extend(bytes_not_characters(dns_subdomain(prefix)).into_iter().map(|message| format!("prefix part {message}")));
            }
            *name
        }
        _ => {
            let message = form_message(KEY_WORDS, KEY_FORM, &examples);
            return vec![format!("a valid label key {message} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")];
        }
    };
    if name.is_empty() {
        messages.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_BYTES_MAX {
        messages.push(format!("name part must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !is_key_name(name) {
        messages.push(format!("name part {}", form_message(KEY_WORDS, KEY_FORM, &examples)));
    }
    messages
}

/// The newer checks of the original count in bytes where the older ones say characters.
fn bytes_not_characters(messages: Vec<String>) -> Vec<String> {
    let length = length_message(SUBDOMAIN_BYTES_MAX);
    let newer = |message: String| if message == length { format!("must be no more than {SUBDOMAIN_BYTES_MAX} bytes") } else { message };
    messages.into_iter().map(newer).collect()
}

/// A label value; may be empty.
pub(super) fn label_value(text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if text.len() > LABEL_BYTES_MAX {
        messages.push(format!("must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !text.is_empty() && !is_key_name(text) {
        let words = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
        messages.push(form_message(words, &format!("({KEY_FORM})?"), &["MyValue", "my_value", "12345"]));
    }
    messages
}

/// The name of a port.
pub(super) fn port_name(text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if text.len() > PORT_NAME_BYTES_MAX {
        messages.push(length_message(PORT_NAME_BYTES_MAX));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        messages.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        messages.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        messages.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        messages.push("must not begin or end with a hyphen".to_owned());
    }
    messages
}

/// `must be between lo and hi, inclusive` unless the number is.
pub(super) fn in_range(number: i64, lo: i64, hi: i64) -> Vec<String> {
    if (lo..=hi).contains(&number) { Vec::new() } else { vec![format!("must be between {lo} and {hi}, inclusive")] }
}

/// The number of a port.
pub(super) fn port_number(number: i64) -> Vec<String> {
    in_range(number, 1, 65535)
}

/// A percentage such as `25%`.
pub(super) fn percent(text: &str) -> Vec<String> {
    let digits = text.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    vec![form_message("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", &["1%", "93%"])]
}

/// The name of an HTTP header.
pub(super) fn http_header(text: &str) -> Vec<String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Vec::new();
    }
    vec![form_message("a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+", &["X-Header-Name"])]
}

/// The name of an environment variable: printable ASCII without `=`.
pub(super) fn environment_name(text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if text.is_empty() {
        messages.push("environment variable name must be non-empty".to_owned());
    }
    if text.chars().any(|c| !matches!(c, ' '..='~') || c == '=') {
        messages.push("a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned());
    }
    messages
}

/// A key of a config map or secret.
pub(super) fn config_key(text: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if text.len() > SUBDOMAIN_BYTES_MAX {
        messages.push(length_message(SUBDOMAIN_BYTES_MAX));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        let words = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        messages.push(form_message(words, "[-._a-zA-Z0-9]+", &["key.name", "KEY_NAME", "key-name"]));
    }
    match text {
        "." => messages.push("must not be '.'".to_owned()),
        ".." => messages.push("must not be '..'".to_owned()),
        text if text.starts_with("..") => messages.push("must not start with '..'".to_owned()),
        _ => {}
    }
    messages
}

/// A name that becomes one segment of a URL path.
pub(super) fn path_segment(text: &str) -> Vec<String> {
    if matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"].iter().filter(|part| text.contains(**part)).map(|part| format!("may not contain '{part}'")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first words of each message.
    fn heads(messages: Vec<String>) -> Vec<String> {
        messages.into_iter().map(|message| message.split(" (").next().unwrap_or_default().chars().take(44).collect()).collect()
    }

    #[test]
    fn dns_table() {
        let long = "a".repeat(64);
        let rows: [(&str, &[&str]); 6] = [
            ("a-1", &[]),
            ("1", &[]),
            ("a.b", &["must not contain dots"]),
            ("-a", &["a lowercase RFC 1123 label must consist of l"]),
            ("", &["a lowercase RFC 1123 label must consist of l"]),
            (&long, &["must be no more than 63 characters"]),
        ];
        for (text, want) in rows {
            assert_eq!(heads(dns_label(text)), want, "label {text:?}");
        }
        assert_eq!(dns_subdomain("a.b-c.d"), Vec::<String>::new());
        assert_eq!(heads(dns_subdomain("a..b")), ["a lowercase RFC 1123 subdomain must consist "]);
        assert_eq!(dns_subdomain_with_underscore("_sip._tcp.example"), Vec::<String>::new());
    }

    #[test]
    fn label_key_table() {
        let rows: [(&str, &[&str]); 5] = [
            ("example.com/a_B", &[]),
            ("/a", &["prefix part must be non-empty"]),
            ("a/", &["name part must be non-empty", "name part must consist of alphanumeric chara"]),
            ("a/b/c", &["a valid label key must consist of alphanumer"]),
            ("-a", &["name part must consist of alphanumeric chara"]),
        ];
        for (text, want) in rows {
            assert_eq!(heads(label_key(text)), want, "key {text:?}");
        }
    }

    #[test]
    fn form_messages_are_spelt_like_the_original() {
        let want = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
        assert_eq!(percent("10"), [want]);
        assert!(percent("10%").is_empty());
    }
}
