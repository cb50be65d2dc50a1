//! Reads a quantity's text: sign, digits, suffix.

use super::whole::Whole;
use super::{Amount, Format, NANO, Quantity, QuantityError};

/// Most digits that a small amount is read with; more go to the amount of any size.
const SMALL_DIGITS_MAX: usize = 18;
/// Largest size of a decimal exponent. Choice: the original reads any and then works, or fails, for as many digits.
const EXPONENT_MAX: i32 = 9_999;

/// The parts of a text. `digits` has no leading zeros and is never empty; `signed` is the text before the suffix.
struct Parts<'a> {
    negative: bool,
    signed: &'a str,
    digits: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

/// What a suffix stands for: a power of the base.
struct Scale {
    format: Format,
    /// Of two for `BinarySi`, else of ten.
    exponent: i32,
}

/// Source: kubernetes v1.36, `apimachinery/pkg/api/resource/quantity.go`, `ParseQuantity`.
pub(super) fn parse(text: &str) -> Result<Quantity, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Format);
    }
    let parts = split(text)?;
    let scale = scale(parts.suffix)?;
    match parse_small(text, &parts, &scale) {
        Some(quantity) => Ok(quantity),
        None => parse_any(&parts, &scale),
    }
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let significant = unsigned.trim_start_matches('0');
    let negative = text.starts_with('-');
    if significant.is_empty() {
        return Ok(Parts { negative, signed: "0", digits: "0", fraction: "", suffix: "" });
    }
    let (digits, rest) = leading_digits(significant);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), leading_digits);
    let signed = &text[..text.len() - rest.len()];
    let exponent = rest.trim_start_matches(|letter: char| "eEinumkKMGTP".contains(letter));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !leading_digits(exponent).1.is_empty() {
        return Err(QuantityError::Format);
    }
    Ok(Parts { negative, signed, digits: if digits.is_empty() { "0" } else { digits }, fraction, suffix: rest })
}

fn leading_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn scale(suffix: &str) -> Result<Scale, QuantityError> {
    let (format, exponent) = match suffix {
        "n" => (Format::DecimalSi, -9),
        "u" => (Format::DecimalSi, -6),
        "m" => (Format::DecimalSi, -3),
        "" => (Format::DecimalSi, 0),
        "k" => (Format::DecimalSi, 3),
        "M" => (Format::DecimalSi, 6),
        "G" => (Format::DecimalSi, 9),
        "T" => (Format::DecimalSi, 12),
        "P" => (Format::DecimalSi, 15),
        "E" => (Format::DecimalSi, 18),
        "Ki" => (Format::BinarySi, 10),
        "Mi" => (Format::BinarySi, 20),
        "Gi" => (Format::BinarySi, 30),
        "Ti" => (Format::BinarySi, 40),
        "Pi" => (Format::BinarySi, 50),
        "Ei" => (Format::BinarySi, 60),
        _ => {
            let number = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
            let exponent: i32 = number.parse().map_err(|_| QuantityError::Suffix)?;
            if exponent.abs() > EXPONENT_MAX {
                return Err(QuantityError::Suffix);
            }
            (Format::DecimalExponent, exponent)
        }
    };
    Ok(Scale { format, exponent })
}

/// Reads what fits a small amount. Keeps the text where the original takes it for canonical (and it need not be: `+4.`).
fn parse_small(text: &str, parts: &Parts<'_>, scale: &Scale) -> Option<Quantity> {
    let digits = parts.digits.len() + parts.fraction.len();
    if digits > SMALL_DIGITS_MAX {
        return None;
    }
    let shifted: i64 = format!("{}{}", parts.digits, parts.fraction).parse().expect("at most 18 digits fit 64 bits");
    let (size, exponent, canonical) = match scale.format {
        Format::BinarySi => {
            // The original's guess at how many decimal digits the power of two takes.
            let room = 14 - i32::try_from(digits).expect("at most 18") - scale.exponent * 3 / 10;
            if room < 0 || !parts.fraction.is_empty() {
                return None;
            }
            (shifted.checked_mul(1 << scale.exponent)?, 0, shifted & 7 != 0)
        }
        Format::DecimalExponent | Format::DecimalSi => {
            let exponent = scale.exponent - i32::try_from(parts.fraction.len()).expect("at most 18");
            let leading_zero = parts.digits == "0";
            (shifted, exponent, exponent % 3 == 0 && !ends_in_thousands(parts) && !leading_zero)
        }
    };
    if exponent < NANO {
        return None;
    }
    let value = if parts.negative { -size } else { size };
    Some(Quantity { amount: Amount::Small { value, exponent }, format: scale.format, text: canonical.then(|| text.into()) })
}

fn ends_in_thousands(parts: &Parts<'_>) -> bool {
    let zeros = |text: &str| text.len() - text.trim_end_matches('0').len();
    let fraction = zeros(parts.fraction);
    let all = if fraction == parts.fraction.len() { fraction + zeros(parts.digits) } else { fraction };
    all >= 3
}

/// Reads a text of any length: rounded away from zero to a whole number of nanos, binary ones kept below 2^63.
fn parse_any(parts: &Parts<'_>, scale: &Scale) -> Result<Quantity, QuantityError> {
    if !parts.signed.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::Numeric);
    }
    let mut size = Whole::from_digits(&format!("{}{}", parts.digits, parts.fraction));
    let fraction = i64::try_from(parts.fraction.len()).expect("a text is shorter than 2^63");
    if size.is_zero() {
        return Ok(Quantity { amount: Amount::Small { value: 0, exponent: 0 }, format: scale.format, text: None });
    }
    let exponent = match scale.format {
        Format::BinarySi => {
            size = (0..scale.exponent / 10).fold(size, |size, _| size.times(1024));
            -fraction
        }
        Format::DecimalExponent | Format::DecimalSi => i64::from(scale.exponent) - fraction,
    };
    let mut nanos = to_nanos(size, exponent);
    let mut format = scale.format;
    let mut amount_exponent = NANO;
    if format == Format::BinarySi {
        let one = Whole::from(1).times_power_of_ten(9);
        let largest = Whole::from(i64::MAX);
        if nanos > largest.clone().times_power_of_ten(9) {
            (nanos, amount_exponent) = (largest, 0);
        } else if nanos < one {
            format = Format::DecimalSi;
        }
    }
    let unscaled = if parts.negative { nanos.negated() } else { nanos };
    Ok(Quantity { amount: Amount::Any { unscaled, exponent: amount_exponent }, format, text: None })
}

/// `size * 10^exponent` in nanos, rounded up.
fn to_nanos(size: Whole, exponent: i64) -> Whole {
    let shift = exponent - i64::from(NANO);
    let places = u32::try_from(shift.unsigned_abs()).unwrap_or(u32::MAX);
    if shift >= 0 {
        return size.times_power_of_ten(places);
    }
    let (quotient, exact) = size.divided_by_power_of_ten(places);
    if exact { quotient } else { quotient.one_further() }
}
