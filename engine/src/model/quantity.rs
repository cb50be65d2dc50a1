//! Resource quantities: `500m`, `1.5Gi`, `12e6`. Exact numbers that remember which kind of suffix they were written with.
//!
//! Source: kubernetes v1.36, `apimachinery/pkg/api/resource`. A quantity is a small amount (64 bits) or one of any size, as
//! there; which one it is shows only in what [`Quantity::value`] and [`Quantity::milli_value`] give beyond 64 bits and for
//! negative numbers that are not whole.

mod parse;
mod spew;
mod whole;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{AddAssign, Neg, SubAssign};
use std::str::FromStr;
use whole::Whole;

/// Exponent of the finest amount that is kept.
const NANO: i32 = -9;
const MILLI: i32 = -3;

/// The kind of suffix that a quantity is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`: powers of 1024.
    BinarySi,
    /// `12M`: powers of 1000, and `m`, `u`, `n` below one.
    DecimalSi,
}

/// A text that is no quantity; the message is the original's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It does not have the form of a number with a suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// There is no number before the suffix.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// There is no such suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// An exact amount of a resource. Compared, and equal, by amount: `1Gi` is `1024Mi`.
#[derive(Debug, Clone)]
pub struct Quantity {
    amount: Amount,
    format: Format,
    /// The text it was read from, where the original gives that back unchanged.
    text: Option<Box<str>>,
}

/// A number times a power of ten, the exponent at least [`NANO`].
#[derive(Debug, Clone)]
enum Amount {
    Small { value: i64, exponent: i32 },
    Any { unscaled: Whole, exponent: i32 },
}

impl Quantity {
    /// Reads a quantity. Finer than nano is rounded away from zero; binary ones stop at 2^63 - 1.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        parse::parse(text)
    }

    /// A whole number of units, such as bytes or cores.
    pub fn from_units(units: i64, format: Format) -> Quantity {
        Quantity { amount: Amount::Small { value: units, exponent: 0 }, format, text: None }
    }

    /// A number of thousandths, such as millicores.
    pub fn from_milli(milli: i64, format: Format) -> Quantity {
        Quantity { amount: Amount::Small { value: milli, exponent: MILLI }, format, text: None }
    }

    /// The kind of suffix it is written with.
    pub fn format(&self) -> Format {
        self.format
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        match &self.amount {
            Amount::Small { value, .. } => i32::try_from(value.signum()).expect("a sign is -1, 0 or 1"),
            Amount::Any { unscaled, .. } if unscaled.is_zero() => 0,
            Amount::Any { unscaled, .. } => 1 - 2 * i32::from(unscaled.is_negative()),
        }
    }

    /// Whether there is none of it.
    pub fn is_zero(&self) -> bool {
        self.sign() == 0
    }

    /// The amount in whole units, rounded up. Beyond 64 bits, and for negative amounts with a fraction, the number that
    /// the original gives, which means nothing.
    pub fn value(&self) -> i64 {
        self.amount.scaled(0)
    }

    /// The amount in thousandths, rounded up; with the same limits as [`Quantity::value`].
    pub fn milli_value(&self) -> i64 {
        self.amount.scaled(MILLI)
    }

    /// A nearby floating-point number, where Kubernetes computes with one (the HPA's tolerance).
    pub fn approximate_f64(&self) -> f64 {
        let (base, exponent) = match &self.amount {
            Amount::Small { value, exponent } => (*value as f64, *exponent),
            Amount::Any { unscaled, exponent } => (float(&unscaled.to_string()), *exponent),
        };
        if exponent == 0 { base } else { base * power_of_ten(exponent) }
    }
}

impl Amount {
    fn parts(&self) -> (Whole, i32) {
        match self {
            Amount::Small { value, exponent } => (Whole::from(*value), *exponent),
            Amount::Any { unscaled, exponent } => (unscaled.clone(), *exponent),
        }
    }

    fn scaled(&self, to: i32) -> i64 {
        match self {
            Amount::Small { value, exponent } => small_scaled(*value, exponent - to),
            Amount::Any { unscaled, exponent } => any_scaled(unscaled, exponent - to),
        }
    }

    /// The number without trailing zeros, and its exponent; zero has exponent 0.
    fn reduced(&self) -> (Whole, i32) {
        let (whole, exponent) = self.parts();
        if whole.is_zero() {
            return (whole, 0);
        }
        let zeros = whole.trailing_zeros();
        (whole.divided_by_power_of_ten(zeros).0, exponent + i32::try_from(zeros).expect("exponents are small"))
    }
}

/// `value * 10^shift` rounded away from zero; 0 where it does not fit, as in the original.
fn small_scaled(value: i64, shift: i32) -> i64 {
    let power = 10_i64.checked_pow(shift.unsigned_abs());
    match (power, shift < 0) {
        (Some(power), false) => value.checked_mul(power).unwrap_or(0),
        (None, false) => 0,
        (Some(power), true) if value % power == 0 => value / power,
        (Some(power), true) => value / power + value.signum(),
        (None, true) => value.signum(),
    }
}

/// `unscaled * 10^shift` with the original's arithmetic of 64 bits wherever it has one.
fn any_scaled(unscaled: &Whole, shift: i32) -> i64 {
    if shift >= 0 {
        // Beyond 10^18 the original's conversion of the power gives the least number on the machines that it runs on.
        return unscaled.low_i64().wrapping_mul(10_i64.checked_pow(shift.unsigned_abs()).unwrap_or(i64::MIN));
    }
    if *unscaled < Whole::from(i64::MAX) {
        let power = 10_i64.pow(shift.unsigned_abs());
        let low = unscaled.low_i64();
        return low / power + i64::from(low % power != 0);
    }
    let (quotient, exact) = unscaled.clone().divided_by_power_of_ten(shift.unsigned_abs());
    quotient.low_i64().wrapping_add(i64::from(!exact))
}

fn float(text: &str) -> f64 {
    text.parse().expect("a decimal number is a float")
}

/// 10^exponent in the original's two steps, which round twice beyond 10^31.
fn power_of_ten(exponent: i32) -> f64 {
    let power = |exponent: i32| float(&format!("1e{exponent}"));
    match exponent {
        -323..=-1 => power(-(-exponent / 32 * 32)) / power(-exponent % 32),
        0..=308 => power(exponent / 32 * 32) * power(exponent % 32),
        ..=-324 => 0.0,
        309.. => f64::INFINITY,
    }
}

impl AddAssign<&Quantity> for Quantity {
    /// Zero takes the other's kind of suffix.
    fn add_assign(&mut self, other: &Quantity) {
        self.text = None;
        if self.is_zero() {
            self.format = other.format;
        }
        self.amount = match (&self.amount, &other.amount) {
            (&Amount::Small { value: left, exponent: at }, &Amount::Small { value: right, exponent: by }) => {
                add_small((left, at), (right, by)).unwrap_or_else(|| add_any(&self.amount, &other.amount))
            }
            (left, right) => add_any(left, right),
        };
    }
}

impl SubAssign<&Quantity> for Quantity {
    /// Zero takes the other's kind of suffix.
    fn sub_assign(&mut self, other: &Quantity) {
        *self += &-other.clone();
    }
}

impl Neg for Quantity {
    type Output = Quantity;

    fn neg(self) -> Quantity {
        let amount = match self.amount {
            Amount::Small { value, exponent } => match value.checked_neg() {
                Some(value) => Amount::Small { value, exponent },
                None => Amount::Any { unscaled: Whole::from(value).negated(), exponent },
            },
            Amount::Any { unscaled, exponent } => Amount::Any { unscaled: unscaled.negated(), exponent },
        };
        Quantity { amount, format: self.format, text: None }
    }
}

/// The sum as a small amount, where it is one at the finer of both exponents.
fn add_small((left, at): (i64, i32), (right, by): (i64, i32)) -> Option<Amount> {
    if right == 0 {
        return Some(Amount::Small { value: left, exponent: at });
    }
    if left == 0 {
        return Some(Amount::Small { value: right, exponent: by });
    }
    let exponent = at.min(by);
    let aligned = |value: i64, from: i32| value.checked_mul(10_i64.checked_pow((from - exponent).unsigned_abs())?);
    Some(Amount::Small { value: aligned(left, at)?.checked_add(aligned(right, by)?)?, exponent })
}

fn add_any(left: &Amount, right: &Amount) -> Amount {
    let ((left, at), (right, by)) = (left.parts(), right.parts());
    let exponent = at.min(by);
    let aligned = |whole: Whole, from: i32| whole.times_power_of_ten((from - exponent).unsigned_abs());
    Amount::Any { unscaled: aligned(left, at).plus(&aligned(right, by)), exponent }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        if let (Amount::Small { value: left, exponent: at }, Amount::Small { value: right, exponent: by }) = (&self.amount, &other.amount)
            && at == by
        {
            return left.cmp(right);
        }
        self.sign().cmp(&other.sign()).then_with(|| {
            let ((left, at), (right, by)) = (self.amount.parts(), other.amount.parts());
            let exponent = at.min(by);
            let aligned = |whole: Whole, from: i32| whole.times_power_of_ten((from - exponent).unsigned_abs());
            aligned(left, at).cmp(&aligned(right, by))
        })
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (whole, exponent) = self.amount.reduced();
        whole.to_string().hash(state);
        exponent.hash(state);
    }
}

impl fmt::Display for Quantity {
    /// The canonical text: no fraction, the largest suffix that allows that. A text that the original takes for canonical
    /// comes back as it was read.
    ///
    /// Source: kubernetes v1.36, `apimachinery/pkg/api/resource/quantity.go`, `CanonicalizeBytes`; as there, an amount too
    /// large for the largest suffix of its kind is written without any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        let (whole, exponent) = self.amount.reduced();
        if whole.is_zero() {
            return f.write_str("0");
        }
        let small = Quantity::from_units(-1024, self.format) < *self && *self < Quantity::from_units(1024, self.format);
        if self.format == Format::BinarySi && exponent >= 0 && !small {
            return write_binary(f, whole.times_power_of_ten(exponent.unsigned_abs()));
        }
        let down = exponent.rem_euclid(3);
        let exponent = exponent - down;
        write!(f, "{}", whole.times_power_of_ten(down.unsigned_abs()))?;
        match self.format {
            Format::DecimalExponent if exponent != 0 => write!(f, "e{exponent}"),
            Format::DecimalExponent => Ok(()),
            Format::BinarySi | Format::DecimalSi => f.write_str(decimal_suffix(exponent)),
        }
    }
}

fn decimal_suffix(exponent: i32) -> &'static str {
    match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        _ => "",
    }
}

fn write_binary(f: &mut fmt::Formatter<'_>, mut whole: Whole) -> fmt::Result {
    let mut times = 0;
    while let (quotient, 0) = whole.clone().divided(1024) {
        whole = quotient;
        times += 1;
    }
    let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(times).copied().unwrap_or_default();
    write!(f, "{whole}{suffix}")
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Quantity, QuantityError> {
        Quantity::parse(text)
    }
}

impl TryFrom<&k8s_openapi::apimachinery::pkg::api::resource::Quantity> for Quantity {
    type Error = QuantityError;

    /// Reads the quantity of an API object; blanks around it do not matter.
    fn try_from(quantity: &k8s_openapi::apimachinery::pkg::api::resource::Quantity) -> Result<Quantity, QuantityError> {
        Quantity::parse(quantity.0.trim())
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        let text = String::deserialize(deserializer)?;
        Quantity::parse(text.trim()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
