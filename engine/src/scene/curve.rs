//! Rates as straight pieces: what a curve is at a moment, between two moments, and where it bends. Whole numbers only.

use crate::scene::traffic::Rate;
use crate::time::{SimDuration, SimTime};

/// Points of a sine for each period. Between them the curve is straight, which is off by less than 0.01 % of the amplitude.
const SINE_POINTS: u64 = 256;
/// Shortest period of a sine, so that no window has more than some thousand points.
pub const SINE_PERIOD_MIN: SimDuration = SimDuration::from_secs(1);
/// Thousandths of a request per second as billionths.
const NANO_PER_MILLI: u64 = 1_000_000;

impl Rate {
    /// The moments strictly between `from` and `until` at which the curve bends or jumps, in order.
    pub(crate) fn bends(&self, from: SimTime, until: SimTime, into: &mut impl Extend<SimTime>) {
        match self {
            Rate::Steps(points) | Rate::Ramp(points) => {
                let first = points.partition_point(|point| point.0 <= from);
                into.extend(points[first..].iter().map(|point| point.0).take_while(|&at| at < until));
            }
            Rate::Sine { period, ahead, .. } => {
                let nth = u128::from(from.0 + ahead.0) * u128::from(SINE_POINTS) / u128::from(period.0.max(1)) + 1;
                let at =
                    |nth: u128| SimTime(((nth * u128::from(period.0)).div_ceil(u128::from(SINE_POINTS)) as u64).saturating_sub(ahead.0));
                into.extend((nth..).map(at).take_while(|&at| at < until).filter(|&at| at > from));
            }
        }
    }

    /// The rate just after `from` and just before `until`, between which the curve neither bends nor jumps.
    /// Unit: billionths of a request per second.
    pub fn over(&self, from: SimTime, until: SimTime) -> (u128, u128) {
        match self {
            Rate::Steps(points) => {
                let past = points.partition_point(|point| point.0 <= from);
                let rate = past.checked_sub(1).map_or(0, |at| nano(points[at].1));
                (rate, rate)
            }
            Rate::Ramp(points) => (on_ramp(points, from), on_ramp(points, until)),
            Rate::Sine { mean_milli, amplitude_milli, period, ahead } => {
                let at = |moment| on_sine((*mean_milli, *amplitude_milli, *period), moment + *ahead);
                (at(from), at(until))
            }
        }
    }

    /// The rate at a moment; at a jump that after it. Unit: billionths of a request per second.
    pub fn at(&self, moment: SimTime) -> u128 {
        self.over(moment, moment).0
    }
}

fn nano(milli: u64) -> u128 {
    u128::from(milli) * u128::from(NANO_PER_MILLI)
}

fn on_ramp(points: &[(SimTime, u64)], moment: SimTime) -> u128 {
    let past = points.partition_point(|point| point.0 <= moment);
    match (past.checked_sub(1).map(|at| points[at]), points.get(past)) {
        (None, None) => 0,
        (None, Some(first)) => nano(first.1),
        (Some(last), None) => nano(last.1),
        (Some(before), Some(after)) => {
            between(nano(before.1), nano(after.1), u128::from(moment.0 - before.0.0), u128::from(after.0.0 - before.0.0))
        }
    }
}

/// The value `part / whole` of the way from one to the other.
fn between(from: u128, to: u128, part: u128, whole: u128) -> u128 {
    if to >= from { from + (to - from) * part / whole } else { from - (from - to) * part / whole }
}

fn on_sine((mean_milli, amplitude_milli, period): (u64, u64, SimDuration), moment: SimTime) -> u128 {
    let within = u128::from(moment.0 % period.0.max(1)) * u128::from(SINE_POINTS);
    let (point, part) = (within / u128::from(period.0.max(1)), within % u128::from(period.0.max(1)));
    let value = |point: u128| {
        let swing = i128::from(amplitude_milli) * sine_billionths((point % u128::from(SINE_POINTS)) as u64) * i128::from(NANO_PER_MILLI);
        (nano(mean_milli) as i128 + swing / 1_000_000_000).max(0) as u128
    };
    between(value(point), value(point + 1), part, u128::from(period.0.max(1)))
}

/// The sine of one of the points of a period, in billionths: its series in whole numbers, the same on every machine.
fn sine_billionths(point: u64) -> i128 {
    const HALF: u64 = SINE_POINTS / 2;
    const UNIT: i128 = 1_000_000_000_000_000;
    const PI: i128 = 3_141_592_653_589_793;
    let (half, negative) = (point % HALF, point >= HALF);
    let quarter = half.min(HALF - half);
    let angle = PI * i128::from(quarter) / i128::from(HALF);
    let (mut term, mut sum) = (angle, angle);
    for nth in 1..12 {
        term = -(term * angle / UNIT * angle / UNIT) / (2 * nth * (2 * nth + 1));
        sum += term;
    }
    let rounded = (sum + 500_000) / 1_000_000;
    if negative { -rounded } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    fn milli(rate: u128) -> u128 {
        rate / u128::from(NANO_PER_MILLI)
    }

    #[test]
    fn rates_at_moments() {
        let points = vec![(s(10), 1000), (s(20), 3000)];
        let (steps, ramp) = (Rate::Steps(points.clone()), Rate::Ramp(points));
        let sine = Rate::Sine { mean_milli: 1000, amplitude_milli: 500, period: SimDuration::from_secs(400), ahead: SimDuration::ZERO };
        let deep = Rate::Sine { mean_milli: 100, amplitude_milli: 500, period: SimDuration::from_secs(400), ahead: SimDuration::ZERO };
        for (rate, at, want) in [
            (&steps, 5, 0),
            (&steps, 10, 1000),
            (&steps, 19, 1000),
            (&steps, 20, 3000),
            (&ramp, 5, 1000),
            (&ramp, 15, 2000),
            (&ramp, 99, 3000),
            (&sine, 0, 1000),
            (&sine, 100, 1500),
            (&sine, 200, 1000),
            (&sine, 300, 500),
            (&sine, 500, 1500),
            (&deep, 300, 0),
        ] {
            assert_eq!(milli(rate.at(s(at))), want, "{rate:?} at {at} s");
        }
    }

    #[test]
    fn the_table_of_sines() {
        let want = [(0, 0), (16, 382_683_432), (32, 707_106_781), (64, 1_000_000_000), (128, 0), (192, -1_000_000_000)];
        assert_eq!(want.map(|(point, _)| (point, sine_billionths(point))), want);
    }

    #[test]
    fn bends_lie_strictly_inside() {
        let mut found = Vec::new();
        Rate::Steps(vec![(s(1), 1), (s(2), 2), (s(3), 3)]).bends(s(1), s(3), &mut found);
        assert_eq!(found, [s(2)]);
        found.clear();
        let sine = Rate::Sine { mean_milli: 1, amplitude_milli: 1, period: SimDuration::from_secs(256), ahead: SimDuration::ZERO };
        sine.bends(s(255), s(258), &mut found);
        assert_eq!(found, [s(256), s(257)]);
    }
}
