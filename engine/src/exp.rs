//! Exponentials with the same bits everywhere: by additions, multiplications and divisions alone.

/// e to the power of −x for an x that is not negative.
pub fn exp_of_minus(x: f64) -> f64 {
    if x > 700.0 {
        return 0.0;
    }
    let small = x / 1024.0;
    let series = (1..=20).rev().fold(1.0, |sum, nth| 1.0 + small / f64::from(nth) * sum);
    1.0 / (0..10).fold(series, |power, _| power * power)
}

/// The hyperbolic tangent of an x that is not negative.
pub fn tanh(x: f64) -> f64 {
    let power = exp_of_minus(2.0 * x);
    (1.0 - power) / (1.0 + power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compared with the platform's, to within rounding")]
    fn as_the_platforms() {
        for x in [0.0, 0.001, 0.5, 1.0, 4.6, 30.0, 200.0, 699.0] {
            let (got, want) = (exp_of_minus(x), f64::exp(-x));
            assert!((got - want).abs() <= want * 1e-11, "{x}: {got}, {want}");
            assert!((tanh(x) - f64::tanh(x)).abs() < 1e-12, "{x}: {}", tanh(x));
        }
        assert_eq!(exp_of_minus(1e9), 0.0);
    }
}
