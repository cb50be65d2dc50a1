//! Traffic: request rates into Services over time.

use crate::scene::curve::SINE_PERIOD_MIN;
use crate::scene::format::DurationText;
use crate::time::{SimDuration, SimTime};
use serde::Deserialize;

/// A day.
const DAY: SimDuration = SimDuration::from_secs(86_400);

/// Requests into a Service: `Traffic(to: "service/shop", rate: Constant(100))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// The Service, as `service/name` or `service/namespace/name`, or an address that an Ingress answers to, as `http://host/path`.
    pub to: String,
    /// The pod that they come from, as `pod/name` or `pod/namespace/name`; `None`: from outside the cluster.
    pub from: Option<String>,
    /// How many requests arrive when.
    pub rate: Rate,
}

/// A request rate over time. Unit: thousandths of a request per second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rate {
    /// Constant between the points: from each moment on, this many.
    Steps(Vec<(SimTime, u64)>),
    /// Linear between the points; constant before the first and after the last.
    Ramp(Vec<(SimTime, u64)>),
    /// `mean + amplitude × sin(2π (t + ahead) / period)`, never below nothing.
    Sine {
        /// Mean.
        mean_milli: u64,
        /// Amplitude.
        amplitude_milli: u64,
        /// Period.
        period: SimDuration,
        /// How far into a period the curve begins.
        ahead: SimDuration,
    },
}

/// A rate as it is written.
#[derive(Debug, Clone, Deserialize)]
pub enum RateText {
    /// Requests per second.
    Constant(f64),
    /// From each time on, so many requests per second: `Step([("0s", 10), ("1m", 100)])`.
    Step(Vec<(DurationText, f64)>),
    /// Linear between the points: `Ramp([("0s", 0), ("1m", 100)])`.
    Ramp(Vec<(DurationText, f64)>),
    /// `Sine(mean: 100, amplitude: 50, period: "10m")`.
    Sine {
        /// Requests per second.
        mean: f64,
        /// Requests per second.
        amplitude: f64,
        /// Time from one peak to the next.
        period: DurationText,
    },
    /// A day that repeats, lowest twelve hours from its peak: `Day(low: 20, high: 200, peak_at: "14h")`. The run begins at midnight.
    Day {
        /// Requests per second at the quietest time.
        low: f64,
        /// Requests per second at the peak.
        high: f64,
        /// Time of the peak.
        peak_at: DurationText,
    },
    /// Spikes above a constant rate: `Spikes(base: 20, peak: 200, at: ["1m", "5m"], lasts: "30s")`.
    Spikes {
        /// Requests per second between the spikes.
        base: f64,
        /// Requests per second in a spike.
        peak: f64,
        /// When spikes begin.
        at: Vec<DurationText>,
        /// How long each lasts.
        lasts: DurationText,
    },
    /// Lines `seconds,requests_per_second` of a file; constant between them.
    Csv(String),
}

/// A source of traffic as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrafficText {
    /// The Service, or `http://host/path`.
    pub to: String,
    /// The pod that sends; outside the cluster unless given.
    #[serde(default)]
    pub from: Option<String>,
    /// The rate.
    pub rate: RateText,
}

impl RateText {
    /// The rate in thousandths; `csv` holds the text of the file that `Csv` names.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn resolve(&self, csv: Option<&str>) -> Result<Rate, String> {
        let points = |list: &[(DurationText, f64)]| -> Result<Vec<(SimTime, u64)>, String> {
            if list.is_empty() {
                return Err("a rate needs at least one point (time, requests per second)".into());
            }
            if list.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
                return Err("the times of a rate must rise".into());
            }
            list.iter().map(|(at, rate)| Ok((SimTime(at.0.0), milli(*rate)?))).collect()
        };
        match self {
            RateText::Constant(rate) => Ok(Rate::Steps(vec![(SimTime::ZERO, milli(*rate)?)])),
            RateText::Step(list) => points(list).map(Rate::Steps),
            RateText::Ramp(list) => points(list).map(Rate::Ramp),
            RateText::Sine { mean, amplitude, period } => {
                if period.0 < SINE_PERIOD_MIN {
                    return Err(format!("found a sine with a period of {}, expected at least {SINE_PERIOD_MIN}", period.0));
                }
                Ok(Rate::Sine {
                    mean_milli: milli(*mean)?,
                    amplitude_milli: milli(*amplitude)?,
                    period: period.0,
                    ahead: SimDuration::ZERO,
                })
            }
            RateText::Day { low, high, peak_at } => {
                let (low, high) = (milli(*low)?, milli(*high)?);
                if high < low {
                    return Err("found a day whose high is below its low".into());
                }
                // A sine has its peak after a quarter of its period.
                let ahead = SimDuration((DAY.0 + DAY.0 / 4 - peak_at.0.0 % DAY.0) % DAY.0);
                let amplitude_milli = (high - low) / 2;
                Ok(Rate::Sine { mean_milli: low + amplitude_milli, amplitude_milli, period: DAY, ahead })
            }
            RateText::Spikes { base, peak, at, lasts } => {
                let (base, peak) = (milli(*base)?, milli(*peak)?);
                if lasts.0.0 == 0 || at.windows(2).any(|pair| pair[0].0 + lasts.0 > pair[1].0) {
                    return Err("spikes must last and not touch, the earliest first".into());
                }
                let mut points = vec![(SimTime::ZERO, base)];
                for from in at {
                    points.retain(|point| point.0 < SimTime(from.0.0));
                    points.extend([(SimTime(from.0.0), peak), (SimTime(from.0.0) + lasts.0, base)]);
                }
                Ok(Rate::Steps(points))
            }
            RateText::Csv(path) => csv_points(path, csv.unwrap_or("")).map(Rate::Steps),
        }
    }
}

fn milli(rate: f64) -> Result<u64, String> {
    if rate.is_finite() && (0.0..=1e12).contains(&rate) {
        Ok((rate * 1000.0).round() as u64)
    } else {
        Err(format!("found a rate of {rate} requests per second, expected 0 to 1e12"))
    }
}

fn csv_points(path: &str, text: &str) -> Result<Vec<(SimTime, u64)>, String> {
    let mut points: Vec<(SimTime, u64)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = || format!("{path}:{}: found {line:?}, expected `seconds,requests_per_second`", number + 1);
        if line.is_empty() || line.starts_with('#') || number == 0 && line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let (at, rate) = line.split_once(',').ok_or_else(wrong)?;
        let at: f64 = at.trim().parse().map_err(|_| wrong())?;
        let rate: f64 = rate.trim().parse().map_err(|_| wrong())?;
        if !(0.0..=1e9).contains(&at) {
            return Err(wrong());
        }
        let at = SimTime((at * 1e9).round() as u64);
        if points.last().is_some_and(|last| last.0 >= at) {
            return Err(format!("{path}:{}: the times of a rate must rise", number + 1));
        }
        points.push((at, milli(rate)?));
    }
    if points.is_empty() { Err(format!("{path}: no line `seconds,requests_per_second`")) } else { Ok(points) }
}

/// The scene's sources of traffic, and the calls that requests bring about. ECS resource.
#[derive(Debug, Clone, Default, bevy_ecs::resource::Resource)]
pub struct TrafficSources(pub Vec<Traffic>, pub Vec<Call>);

/// For each request that one Service's pods serve they send so many to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The Service whose pods call, as `service/name` or `service/namespace/name`.
    pub from: String,
    /// The Service that is called.
    pub to: String,
    /// Requests for each request served. Unit: thousandths.
    pub milli: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> DurationText {
        DurationText(SimDuration::parse(text).unwrap())
    }

    #[test]
    fn files_of_rates() {
        let rate = |text: &str| RateText::Csv("r.csv".into()).resolve(Some(text));
        let want = Rate::Steps(vec![(SimTime::ZERO, 10_000), (SimTime::from_secs(60), 2_500), (SimTime(60_500_000_000), 0)]);
        assert_eq!(rate("seconds,rate\n0,10\n# a comment\n\n60, 2.5\n60.5,0\n"), Ok(want));
        for (text, message) in [
            ("", "r.csv: no line `seconds,requests_per_second`"),
            ("0;10", "r.csv:1: found \"0;10\", expected `seconds,requests_per_second`"),
            ("0,10\n0,11", "r.csv:2: the times of a rate must rise"),
            ("0,10\n-1,11", "r.csv:2: found \"-1,11\", expected `seconds,requests_per_second`"),
            ("0,-3", "found a rate of -3 requests per second, expected 0 to 1e12"),
        ] {
            assert_eq!(rate(text), Err(message.to_string()));
        }
    }

    #[test]
    fn days_and_spikes() {
        let hour = |hours: u64| SimTime::from_secs(hours * 3600);
        let day = RateText::Day { low: 20.0, high: 200.0, peak_at: span("14h") }.resolve(None).unwrap();
        let milli = |at| day.at(at) / 1_000_000;
        assert_eq!([hour(14), hour(2), hour(8), hour(38)].map(milli), [200_000, 20_000, 110_000, 200_000]);
        let spikes = RateText::Spikes { base: 1.0, peak: 9.0, at: vec![span("0s"), span("1m")], lasts: span("10s") }.resolve(None);
        let s = SimTime::from_secs;
        assert_eq!(spikes, Ok(Rate::Steps(vec![(s(0), 9000), (s(10), 1000), (s(60), 9000), (s(70), 1000)])));
        assert!(RateText::Day { low: 2.0, high: 1.0, peak_at: span("14h") }.resolve(None).is_err());
        assert!(RateText::Spikes { base: 1.0, peak: 9.0, at: vec![span("5s"), span("10s")], lasts: span("10s") }.resolve(None).is_err());
    }

    #[test]
    fn rates_as_written() {
        let points = || vec![(span("1s"), 0.5), (span("2s"), 3.0)];
        let want = || vec![(SimTime::from_secs(1), 500), (SimTime::from_secs(2), 3000)];
        assert_eq!(RateText::Constant(2.0).resolve(None), Ok(Rate::Steps(vec![(SimTime::ZERO, 2000)])));
        assert_eq!(RateText::Step(points()).resolve(None), Ok(Rate::Steps(want())));
        assert_eq!(RateText::Ramp(points()).resolve(None), Ok(Rate::Ramp(want())));
        assert!(RateText::Step(Vec::new()).resolve(None).is_err());
        assert!(RateText::Constant(f64::NAN).resolve(None).is_err());
    }
}
