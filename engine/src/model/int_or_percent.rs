//! A count that is given as a number or as a share of another number: `3` or `25%`.

use crate::model::quote::quote;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};

/// A whole number, or a text that should be a percentage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IntOrPercent {
    /// A count, used as it is.
    Int(i32),
    /// A percentage such as `25%`; any other text is an error when it is scaled.
    Text(String),
}

/// Which way a share that is no whole number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the next whole number above.
    Up,
    /// To the next whole number below.
    Down,
}

/// A text that is no percentage; the message is the original's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntOrPercentError {
    /// The text does not end in `%`.
    #[error("invalid value for IntOrString: invalid type: string is not a percentage")]
    NotPercentage,
    /// What stands before the `%` is no whole number.
    #[error("invalid value for IntOrString: invalid value {}: strconv.Atoi: parsing {}: {why}", quote(.text), quote(.number))]
    NotNumber {
        /// The whole text.
        text: String,
        /// The text without its `%`.
        number: String,
        /// `invalid syntax` or `value out of range`.
        why: &'static str,
    },
}

impl IntOrPercent {
    /// The number itself, or the share of `total`, rounded. A negative percentage gives a negative share.
    ///
    /// Source: kubernetes v1.36, `apimachinery/pkg/util/intstr/intstr.go`, `GetScaledValueFromIntOrPercent`.
    pub fn scaled(&self, total: i64, rounding: Rounding) -> Result<i64, IntOrPercentError> {
        let text = match self {
            IntOrPercent::Int(number) => return Ok(i64::from(*number)),
            IntOrPercent::Text(text) => text,
        };
        let number = text.strip_suffix('%').ok_or(IntOrPercentError::NotPercentage)?;
        let percent = atoi(number).map_err(|why| IntOrPercentError::NotNumber { text: text.clone(), number: number.to_owned(), why })?;
        let hundredths = i128::from(percent) * i128::from(total);
        let scaled = match rounding {
            Rounding::Up => -(-hundredths).div_euclid(100),
            Rounding::Down => hundredths.div_euclid(100),
        };
        // Beyond 64 bits the original's floating-point conversion is undefined; the nearest number that fits is kept.
        Ok(i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl From<&IntOrString> for IntOrPercent {
    fn from(value: &IntOrString) -> IntOrPercent {
        match value {
            IntOrString::Int(number) => IntOrPercent::Int(*number),
            IntOrString::String(text) => IntOrPercent::Text(text.clone()),
        }
    }
}

/// Reads a decimal whole number as Go's `strconv.Atoi`; the error says what is wrong in its words.
fn atoi(text: &str) -> Result<i64, &'static str> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("invalid syntax");
    }
    text.parse().map_err(|_| "value out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_and_rounds() {
        for (text, total, up, down) in [("25%", 3, 1, 0), ("-10%", 3, 0, -1), ("100%", 7, 7, 7), ("150%", 3, 5, 4), ("+50%", 4, 2, 2)] {
            let value = IntOrPercent::Text(text.to_owned());
            assert_eq!(value.scaled(total, Rounding::Up), Ok(up), "{text} of {total} up");
            assert_eq!(value.scaled(total, Rounding::Down), Ok(down), "{text} of {total} down");
        }
        assert_eq!(IntOrPercent::Int(9).scaled(3, Rounding::Up), Ok(9));
    }

    #[test]
    fn refuses_with_the_original_text() {
        let error = |text: &str| IntOrPercent::Text(text.to_owned()).scaled(1, Rounding::Up).unwrap_err().to_string();
        assert_eq!(error("5"), "invalid value for IntOrString: invalid type: string is not a percentage");
        assert_eq!(error("x%"), r#"invalid value for IntOrString: invalid value "x%": strconv.Atoi: parsing "x": invalid syntax"#);
        let far = "99999999999999999999";
        assert!(error(&format!("{far}%")).ends_with(&format!("parsing \"{far}\": value out of range")));
    }
}
