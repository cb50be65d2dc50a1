//! Text in double quotes as the original's messages write it (Go's `%q`).

use std::fmt::Write;

/// The text in double quotes: quotes, backslashes and control characters escaped, everything printable as it is.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character);
    }
    quoted.push('"');
    quoted
}

fn push_escaped(quoted: &mut String, character: char) {
    let short = match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{b}' => "\\v",
        _ if !character.is_control() => return quoted.push(character),
        _ => {
            let code = u32::from(character);
            let escaped = if code < 0x80 { write!(quoted, "\\x{code:02x}") } else { write!(quoted, "\\u{code:04x}") };
            return escaped.expect("writing to a String cannot fail");
        }
    };
    quoted.push_str(short);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_go_does() {
        for (text, want) in
            [("a b", r#""a b""#), ("", r#""""#), ("a\"\\", r#""a\"\\""#), ("\n\0\u{85}", r#""\n\x00\u0085""#), ("é", "\"é\"")]
        {
            assert_eq!(quote(text), want);
        }
    }
}
