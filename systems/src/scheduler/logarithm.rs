//! The natural logarithm, with the same bits everywhere.

use std::f64::consts::FRAC_1_SQRT_2;

/// ln 2 in two parts, the first with trailing zeros so that multiples of it are exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Coefficients of the polynomial, from the first on.
const POLYNOMIAL: [f64; 7] = [
    6.666_666_666_666_735e-1,
    3.999_999_999_940_942e-1,
    2.857_142_874_366_239e-1,
    2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1,
    1.531_383_769_920_937_3e-1,
    1.479_819_860_511_658_6e-1,
];

/// ln `x` for a finite `x` of at least 1: x = 2^k (1 + f), and a polynomial in f / (2 + f), by additions, multiplications and divisions
/// alone. Source: the method of Go's `math.Log`, which the original calls.
pub fn ln(x: f64) -> f64 {
    let (mut fraction, mut exponent) = (x, 0.0);
    while fraction >= 1.0 {
        fraction /= 2.0;
        exponent += 1.0;
    }
    if fraction < FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1.0;
    }
    let f = fraction - 1.0;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let [l1, l2, l3, l4, l5, l6, l7] = POLYNOMIAL;
    let odd = s2 * (l1 + s4 * (l3 + s4 * (l5 + s4 * l7)));
    let even = s4 * (l2 + s4 * (l4 + s4 * l6));
    let rest = odd + even;
    let half = 0.5 * f * f;
    exponent * LN2_HIGH - ((half - (s * (half + rest) + exponent * LN2_LOW)) - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compared with the platform's, to within rounding")]
    fn as_the_platforms_to_the_last_bits() {
        for whole in 1..20_000u32 {
            let x = f64::from(whole);
            assert!((ln(x) - x.ln()).abs() <= 2.0 * f64::EPSILON * x.ln().max(1.0), "{x}");
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(2.0), std::f64::consts::LN_2);
    }
}
