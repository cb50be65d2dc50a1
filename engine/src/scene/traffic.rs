//! Traffic: request rates into Services over time.

use crate::scene::curve::SINE_PERIOD_MIN;
use crate::scene::format::DurationText;
use crate::time::{SimDuration, SimTime};
use serde::Deserialize;

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
    /// `mean + amplitude × sin(2π t / period)`, never below nothing.
    Sine {
        /// Mean.
        mean_milli: u64,
        /// Amplitude.
        amplitude_milli: u64,
        /// Period.
        period: SimDuration,
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
                Ok(Rate::Sine { mean_milli: milli(*mean)?, amplitude_milli: milli(*amplitude)?, period: period.0 })
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

/// The scene's sources of traffic. ECS resource.
#[derive(Debug, Clone, Default, bevy_ecs::resource::Resource)]
pub struct TrafficSources(pub Vec<Traffic>);

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
