//! Virtual time: moments and spans as integer nanoseconds, their text forms, and the calendar of the scene's epoch.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A span of virtual time. Unit: nanoseconds, never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct SimDuration(pub u64);

/// A moment of virtual time. Unit: nanoseconds since the scene's epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct SimTime(pub u64);

impl SimDuration {
    /// No time at all.
    pub const ZERO: SimDuration = SimDuration(0);

    /// A span of whole seconds.
    pub const fn from_secs(seconds: u64) -> SimDuration {
        SimDuration(seconds * 1_000_000_000)
    }

    /// A span of whole milliseconds.
    pub const fn from_millis(milliseconds: u64) -> SimDuration {
        SimDuration(milliseconds * 1_000_000)
    }

    /// A span of whole microseconds.
    pub const fn from_micros(microseconds: u64) -> SimDuration {
        SimDuration(microseconds * 1_000)
    }

    /// Whole seconds, cut.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Whole milliseconds, cut.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Seconds as a decimal number, for people and charts only; never for a decision.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// `self * factor`, stopping at the largest span.
    pub const fn saturating_mul(self, factor: u64) -> SimDuration {
        SimDuration(self.0.saturating_mul(factor))
    }

    /// `self - other`, or nothing when `other` is longer.
    pub const fn saturating_sub(self, other: SimDuration) -> SimDuration {
        SimDuration(self.0.saturating_sub(other.0))
    }

    /// Reads `1h30m`, `1.5s`, `250ms`, `10us`, `7ns`; units in falling order are not demanded, as in Go.
    ///
    /// # Errors
    /// Says what was found and which units exist.
    pub fn parse(text: &str) -> Result<SimDuration, String> {
        let wrong = || format!("not a duration: {text:?}; write for example \"90s\", \"1m30s\", \"250ms\" (units: h, m, s, ms, us, ns)");
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(SimDuration::ZERO);
        }
        if rest.is_empty() {
            return Err(wrong());
        }
        let mut total: u128 = 0;
        while !rest.is_empty() {
            let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(number_len);
            let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_len);
            let unit_ns: u128 = match unit {
                "h" => 3_600_000_000_000,
                "m" => 60_000_000_000,
                "s" => 1_000_000_000,
                "ms" => 1_000_000,
                "us" | "µs" => 1_000,
                "ns" => 1,
                _ => return Err(wrong()),
            };
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || whole.len() > 18 || fraction.len() > 18 {
                return Err(wrong());
            }
            let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
            total += whole * unit_ns;
            if !fraction.is_empty() {
                let scale = 10u128.pow(fraction.len() as u32);
                total += fraction.parse::<u128>().map_err(|_| wrong())? * unit_ns / scale;
            }
            rest = tail;
        }
        u64::try_from(total)
            .ok()
            .filter(|&ns| ns <= i64::MAX as u64)
            .map(SimDuration)
            .ok_or_else(|| format!("duration too long: {text:?}; at most 292 years"))
    }
}

impl SimTime {
    /// The scene's epoch.
    pub const ZERO: SimTime = SimTime(0);

    /// The moment `seconds` after the epoch.
    pub const fn from_secs(seconds: u64) -> SimTime {
        SimTime(seconds * 1_000_000_000)
    }

    /// Time since `earlier`; nothing when `earlier` lies in the future.
    pub const fn since(self, earlier: SimTime) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }

    /// This moment cut to the whole second, as every time in the API is stored.
    pub const fn cut_to_second(self) -> SimTime {
        SimTime(self.0 / 1_000_000_000 * 1_000_000_000)
    }

    /// The form of journals: `00:30.000`, with hours in front only when there are any.
    pub fn clock(self) -> String {
        let milliseconds = self.0 / 1_000_000;
        let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60);
        let (seconds, milliseconds) = (milliseconds / 1_000 % 60, milliseconds % 1_000);
        if hours > 0 {
            format!("{hours}:{minutes:02}:{seconds:02}.{milliseconds:03}")
        } else {
            format!("{minutes:02}:{seconds:02}.{milliseconds:03}")
        }
    }

    /// RFC 3339 in UTC, cut to the second, for an epoch given as Unix seconds.
    pub fn rfc3339(self, epoch_unix_s: i64) -> String {
        let unix_s = epoch_unix_s + (self.0 / 1_000_000_000) as i64;
        let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
    }
}

/// Gregorian date of a day number counted from 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Unix seconds of an RFC 3339 moment in UTC (`2026-01-01T00:00:00Z`), or `None` when the text is something else.
pub fn unix_seconds(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 20
        || bytes[4] != b'-'
        || bytes[7] != b'-'
        || bytes[10] != b'T'
        || bytes[13] != b':'
        || bytes[16] != b':'
        || bytes[19] != b'Z'
    {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let shifted_year = year - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    (civil_from_days(days) == (year, month, day)).then_some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

impl Add<SimDuration> for SimTime {
    type Output = SimTime;
    fn add(self, span: SimDuration) -> SimTime {
        SimTime(self.0.saturating_add(span.0))
    }
}

impl AddAssign<SimDuration> for SimTime {
    fn add_assign(&mut self, span: SimDuration) {
        *self = *self + span;
    }
}

impl Sub<SimDuration> for SimTime {
    type Output = SimTime;
    fn sub(self, span: SimDuration) -> SimTime {
        SimTime(self.0.saturating_sub(span.0))
    }
}

impl Add for SimDuration {
    type Output = SimDuration;
    fn add(self, other: SimDuration) -> SimDuration {
        SimDuration(self.0.saturating_add(other.0))
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: SimDuration) {
        *self = *self + other;
    }
}

impl fmt::Display for SimDuration {
    /// Go's form: `1h0m5s`, `1m30s`, `1.5s`, `250ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0;
        let fraction = |value: u64, unit: u64| {
            let text = format!("{}.{:0width$}", value / unit, value % unit, width = unit.ilog10() as usize);
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        };
        match ns {
            0 => write!(f, "0s"),
            1..1_000 => write!(f, "{ns}ns"),
            1_000..1_000_000 => write!(f, "{}µs", fraction(ns, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", fraction(ns, 1_000_000)),
            _ => {
                let (hours, minutes) = (ns / 3_600_000_000_000, ns / 60_000_000_000 % 60);
                let seconds = fraction(ns % 60_000_000_000, 1_000_000_000);
                match (hours, minutes) {
                    (0, 0) => write!(f, "{seconds}s"),
                    (0, _) => write!(f, "{minutes}m{seconds}s"),
                    _ => write!(f, "{hours}h{minutes}m{seconds}s"),
                }
            }
        }
    }
}

impl fmt::Debug for SimDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.clock())
    }
}

impl fmt::Debug for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.clock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_in_go() {
        for (text, printed) in [
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("1.5s", "1.5s"),
            ("250ms", "250ms"),
            ("0", "0s"),
            ("1m0.25s", "1m0.25s"),
            ("10us", "10µs"),
        ] {
            assert_eq!(SimDuration::parse(text).unwrap().to_string(), printed, "{text}");
        }
        for text in ["", "s", "1", "5 s", "1x", "-1s", "1..5s", "99999999999h"] {
            assert!(SimDuration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn calendar_round_trips() {
        for text in ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2026-11-20T21:50:00Z", "2100-03-01T00:00:01Z"] {
            let unix = unix_seconds(text).unwrap();
            assert_eq!(SimTime::from_secs(0).rfc3339(unix), text);
        }
        assert_eq!(unix_seconds("2026-02-30T00:00:00Z"), None);
    }
}
