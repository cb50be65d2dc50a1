//! What a YAML scalar means: as kubectl reads it, which is YAML 1.1 with Go's forms of integers.
//!
//! Source: sigs.k8s.io/yaml, `goyaml.v2/resolve.go`, `resolve`, and `yaml.go`, `convertToJSONableObject`.

use super::tree::TreeValue;
use saphyr_parser::{ScalarStyle, Tag};

/// The value of a scalar.
///
/// # Errors
/// Says what is wrong: an unknown tag, a text that is not what its tag says, a number that JSON cannot carry.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<TreeValue, String> {
    let string = || Ok(TreeValue::String(text.to_string()));
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { plain(text) } else { string() };
    };
    if !tag.is_yaml_core_schema() {
        return if tag.suffix.is_empty() { string() } else { Err(format!("unknown YAML tag {tag}")) };
    }
    let value = match tag.suffix.as_str() {
        "str" | "binary" | "timestamp" => return string(),
        "bool" | "int" | "float" | "null" => plain(text)?,
        other => return Err(format!("unknown YAML tag !!{other}")),
    };
    match (tag.suffix.as_str(), &value) {
        ("bool", TreeValue::Bool(_)) | ("int", TreeValue::Int(_) | TreeValue::Uint(_)) | ("null", TreeValue::Null) => Ok(value),
        ("float", TreeValue::Int(_) | TreeValue::Uint(_) | TreeValue::Float(_)) => Ok(value),
        (wanted, _) => Err(format!("found {text:?}, expected a value of the tag !!{wanted}")),
    }
}

/// The value of a scalar without quotes and tag.
fn plain(text: &str) -> Result<TreeValue, String> {
    let first = text.bytes().next().unwrap_or(b'~');
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            if let Some(value) = word(text) {
                return Ok(value);
            }
        }
        b'.' | b'+' | b'-' if is_infinite(text) => return Err(format!("{text} is not a finite number")),
        b'0'..=b'9' | b'+' | b'-' => return number(text),
        b'.' if is_float(text) => return Ok(float(text)),
        _ => {}
    }
    Ok(TreeValue::String(text.to_string()))
}

fn word(text: &str) -> Option<TreeValue> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(TreeValue::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(TreeValue::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(TreeValue::Bool(false)),
        _ => None,
    }
}

fn is_infinite(text: &str) -> bool {
    let unsigned = text.trim_start_matches(['+', '-']);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") && text.len() - unsigned.len() <= 1 || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// An integer or a float where the text has the form of one; else text (dates, versions, addresses).
fn number(text: &str) -> Result<TreeValue, String> {
    let shortened: String;
    let digits = if text.contains('_') {
        shortened = text.replace('_', "");
        &shortened
    } else {
        text
    };
    match integer(digits) {
        Some(Ok(value)) => Ok(value),
        _ if is_float(digits) => Ok(float(digits)),
        Some(Err(())) => Err(format!("the number {text} is too large")),
        None => Ok(TreeValue::String(text.to_string())),
    }
}

/// An integer in Go's forms (`0x1f`, `0o17`, `017`, `0b1`); `None` for other text, an error when it is too large.
fn integer(text: &str) -> Option<Result<TreeValue, ()>> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = match u64::from_str_radix(digits, radix) {
        Ok(value) => value,
        Err(_) => return Some(Err(())),
    };
    Some(match (negative, i64::try_from(value)) {
        (false, Ok(value)) => Ok(TreeValue::Int(value)),
        (false, Err(_)) => Ok(TreeValue::Uint(value)),
        (true, _) => 0i64.checked_sub_unsigned(value).map(TreeValue::Int).ok_or(()),
    })
}

/// Whether the text has the form `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    mantissa_fits && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

/// A float; whole numbers become integers, as they do on their way through JSON. Too large ones stay text, as in Go.
fn float(text: &str) -> TreeValue {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => match value {
            whole if whole.trunc() == whole && whole.abs() < 9.2e18 => TreeValue::Int(whole as i64),
            other => TreeValue::Float(other),
        },
        _ => TreeValue::String(text.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubectl_takes_them_for() {
        for (text, want) in [
            ("", "Null"),
            ("~", "Null"),
            ("null", "Null"),
            ("yes", "Bool(true)"),
            ("Off", "Bool(false)"),
            ("n", "Bool(false)"),
            ("yEs", "String(\"yEs\")"),
            ("10", "Int(10)"),
            ("-3", "Int(-3)"),
            ("+3", "Int(3)"),
            ("1_000", "Int(1000)"),
            ("0755", "Int(493)"),
            ("0o755", "Int(493)"),
            ("08", "Int(8)"),
            ("0x1F", "Int(31)"),
            ("0b101", "Int(5)"),
            ("-0b101", "Int(-5)"),
            ("18446744073709551615", "Uint(18446744073709551615)"),
            ("-9223372036854775808", "Int(-9223372036854775808)"),
            ("3.0", "Int(3)"),
            ("1e3", "Int(1000)"),
            ("0.5", "Float(0.5)"),
            (".5", "Float(0.5)"),
            ("1e400", "String(\"1e400\")"),
            ("500m", "String(\"500m\")"),
            ("1.2.3", "String(\"1.2.3\")"),
            ("2001-01-01", "String(\"2001-01-01\")"),
            ("10:30", "String(\"10:30\")"),
            ("-", "String(\"-\")"),
            ("0x", "String(\"0x\")"),
        ] {
            let value = resolve(text, ScalarStyle::Plain, None).unwrap();
            assert_eq!(format!("{value:?}"), want, "{text:?}");
        }
        for text in [".inf", "-.INF", ".nan", "0xfffffffffffffffff"] {
            assert!(resolve(text, ScalarStyle::Plain, None).is_err(), "{text}");
        }
        assert!(matches!(resolve("yes", ScalarStyle::DoubleQuoted, None), Ok(TreeValue::String(_))));
    }
}
