//! Whole numbers of any size, in decimal limbs: quantities are written, shifted and rounded in powers of ten.

use std::cmp::Ordering;
use std::fmt;

/// One more than the largest limb.
const BASE: u64 = 1_000_000_000;
/// Decimal digits in a limb.
const LIMB_DIGITS: usize = 9;

/// A whole number. Limbs of nine digits, least first, no zero limb at the end; zero has none and is not negative.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Whole {
    negative: bool,
    limbs: Vec<u32>,
}

impl Whole {
    /// Reads decimal digits. Anything but digits is a bug of the caller.
    pub(super) fn from_digits(digits: &str) -> Whole {
        let limb = |chunk: &[u8]| chunk.iter().fold(0, |limb, digit| limb * 10 + u32::from(digit - b'0'));
        Whole { negative: false, limbs: digits.as_bytes().rchunks(LIMB_DIGITS).map(limb).collect() }.trimmed()
    }

    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    pub(super) fn is_negative(&self) -> bool {
        self.negative
    }

    pub(super) fn negated(mut self) -> Whole {
        self.negative = !self.negative && !self.is_zero();
        self
    }

    pub(super) fn plus(&self, other: &Whole) -> Whole {
        if self.negative == other.negative {
            return Whole { negative: self.negative, limbs: add(&self.limbs, &other.limbs) };
        }
        match compare(&self.limbs, &other.limbs) {
            Ordering::Less => Whole { negative: other.negative, limbs: subtract(&other.limbs, &self.limbs) }.trimmed(),
            Ordering::Equal | Ordering::Greater => Whole { negative: self.negative, limbs: subtract(&self.limbs, &other.limbs) }.trimmed(),
        }
    }

    pub(super) fn times(mut self, factor: u32) -> Whole {
        let mut carry = 0;
        for limb in &mut self.limbs {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = low_limb(product);
            carry = product / BASE;
        }
        while carry > 0 {
            self.limbs.push(low_limb(carry));
            carry /= BASE;
        }
        self.trimmed()
    }

    /// Times ten to the power of `exponent`.
    pub(super) fn times_power_of_ten(mut self, exponent: u32) -> Whole {
        if self.is_zero() {
            return self;
        }
        let limbs = exponent as usize / LIMB_DIGITS;
        self.limbs.splice(0..0, std::iter::repeat_n(0, limbs));
        self.times(10_u32.pow(exponent % LIMB_DIGITS as u32))
    }

    /// The quotient towards zero, and the size of the remainder.
    pub(super) fn divided(mut self, divisor: u32) -> (Whole, u32) {
        let mut remainder = 0;
        for limb in self.limbs.iter_mut().rev() {
            let part = remainder * BASE + u64::from(*limb);
            *limb = low_limb(part / u64::from(divisor));
            remainder = part % u64::from(divisor);
        }
        (self.trimmed(), u32::try_from(remainder).expect("less than the divisor"))
    }

    /// The quotient by ten to the power of `exponent` towards zero, and whether it is exact.
    pub(super) fn divided_by_power_of_ten(mut self, exponent: u32) -> (Whole, bool) {
        let dropped = (exponent as usize / LIMB_DIGITS).min(self.limbs.len());
        let exact = self.limbs.drain(..dropped).all(|limb| limb == 0);
        let (quotient, remainder) = self.divided(10_u32.pow(exponent % LIMB_DIGITS as u32));
        (quotient, exact && remainder == 0)
    }

    /// One further from zero.
    pub(super) fn one_further(&self) -> Whole {
        Whole { negative: self.negative, limbs: add(&self.limbs, &[1]) }
    }

    /// How often the number can be divided by ten without remainder; zero for zero.
    pub(super) fn trailing_zeros(&self) -> u32 {
        let Some(place) = self.limbs.iter().position(|&limb| limb != 0) else { return 0 };
        let mut limb = self.limbs[place];
        let mut zeros = u32::try_from(place * LIMB_DIGITS).expect("a text of four thousand million digits does not fit in memory");
        while limb.is_multiple_of(10) {
            limb /= 10;
            zeros += 1;
        }
        zeros
    }

    /// The low 64 bits in two's complement: the number itself where it fits.
    pub(super) fn low_i64(&self) -> i64 {
        let size = self.limbs.iter().rev().fold(0_u64, |size, &limb| size.wrapping_mul(BASE).wrapping_add(u64::from(limb)));
        let signed = size.cast_signed();
        if self.negative { signed.wrapping_neg() } else { signed }
    }
}

impl Whole {
    fn trimmed(mut self) -> Whole {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        self.negative &= !self.limbs.is_empty();
        self
    }
}

impl From<i64> for Whole {
    fn from(number: i64) -> Whole {
        let whole = Whole::from_digits(&number.unsigned_abs().to_string());
        if number < 0 { whole.negated() } else { whole }
    }
}

impl Ord for Whole {
    fn cmp(&self, other: &Whole) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => compare(&self.limbs, &other.limbs),
            (true, true) => compare(&other.limbs, &self.limbs),
        }
    }
}

impl PartialOrd for Whole {
    fn partial_cmp(&self, other: &Whole) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.limbs.split_last() else { return f.write_str("0") };
        if self.negative {
            f.write_str("-")?;
        }
        write!(f, "{first}")?;
        rest.iter().rev().try_for_each(|limb| write!(f, "{limb:09}"))
    }
}

fn low_limb(number: u64) -> u32 {
    u32::try_from(number % BASE).expect("a limb is less than the base")
}

fn compare(left: &[u32], right: &[u32]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

fn add(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut sum = Vec::with_capacity(left.len().max(right.len()) + 1);
    let mut carry = 0;
    for place in 0..left.len().max(right.len()) {
        let limb = carry + u64::from(left.get(place).copied().unwrap_or(0)) + u64::from(right.get(place).copied().unwrap_or(0));
        sum.push(low_limb(limb));
        carry = limb / BASE;
    }
    if carry > 0 {
        sum.push(low_limb(carry));
    }
    sum
}

/// `left - right`; `left` is not the smaller. May end in zero limbs.
fn subtract(left: &[u32], right: &[u32]) -> Vec<u32> {
    let mut borrow = 0;
    let difference = |(place, &limb): (usize, &u32)| {
        let take = u64::from(right.get(place).copied().unwrap_or(0)) + borrow;
        borrow = u64::from(u64::from(limb) < take);
        low_limb(borrow * BASE + u64::from(limb) - take)
    };
    left.iter().enumerate().map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(number: i128) -> Whole {
        let size = Whole::from_digits(&number.unsigned_abs().to_string());
        if number < 0 { size.negated() } else { size }
    }

    proptest! {
        #[test]
        fn agrees_with_i128(left in -(1_i128 << 100)..1_i128 << 100, right in -(1_i128 << 100)..1_i128 << 100, factor in 0_u32.., exponent in 0_u32..30) {
            prop_assert_eq!(whole(left).to_string(), left.to_string());
            prop_assert_eq!(whole(left).plus(&whole(right)), whole(left + right));
            prop_assert_eq!(whole(left).cmp(&whole(right)), left.cmp(&right));
            prop_assert_eq!(whole(left >> 40).times(factor), whole((left >> 40) * i128::from(factor)));
            let power = 10_i128.pow(exponent);
            prop_assert_eq!(whole(left).divided_by_power_of_ten(exponent), (whole(left / power), left % power == 0));
            prop_assert_eq!(whole(left).times_power_of_ten(exponent).divided_by_power_of_ten(exponent), (whole(left), true));
            prop_assert_eq!(whole(left).low_i64(), left as i64);
            let size = left.unsigned_abs().to_string();
            prop_assert_eq!(whole(left).trailing_zeros() as usize, if left == 0 { 0 } else { size.len() - size.trim_end_matches('0').len() });
        }
    }
}
