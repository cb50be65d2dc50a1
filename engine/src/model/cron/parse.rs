//! Reads schedules: five fields, a macro, or `@every` with a span; a zone may stand in front.
//!
//! No crate reads them as the original does: its errors are texts that users see, and its macros, names and steps are its own.
//!
//! Source: robfig/cron v3.0.1, `parser.go`, as vendored by kubernetes v1.36.

use super::schedule::{Fields, Schedule, When};
use super::zone::{Zone, load_zone};

/// What a field may hold: smallest and largest number, and names for numbers.
struct Bounds {
    min: u64,
    max: u64,
    names: &'static [(&'static str, u64)],
}

const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &[
        ("jan", 1),
        ("feb", 2),
        ("mar", 3),
        ("apr", 4),
        ("may", 5),
        ("jun", 6),
        ("jul", 7),
        ("aug", 8),
        ("sep", 9),
        ("oct", 10),
        ("nov", 11),
        ("dec", 12),
    ],
};
const WEEKDAYS: Bounds =
    Bounds { min: 0, max: 6, names: &[("sun", 0), ("mon", 1), ("tue", 2), ("wed", 3), ("thu", 4), ("fri", 5), ("sat", 6)] };

/// Bit of a field that was written as `*` or `?`.
pub(super) const STAR: u64 = 1 << 63;

/// Reads a schedule. The error is the original's text.
///
/// # Errors
/// A schedule that the original refuses.
pub fn parse(text: &str) -> Result<Schedule, String> {
    if text.is_empty() {
        return Err("empty spec string".into());
    }
    let (zone, rest) = split_zone(text)?;
    if rest.starts_with('@') {
        return parse_macro(rest, zone);
    }
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let &[minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    };
    let fields = Fields {
        minutes: field(minute, &MINUTES)?,
        hours: field(hour, &HOURS)?,
        days: field(day, &DAYS)?,
        months: field(month, &MONTHS)?,
        weekdays: field(weekday, &WEEKDAYS)?,
    };
    Ok(Schedule { zone, when: When::Fields(fields) })
}

/// The zone that stands in front of a schedule, and the schedule without it.
fn split_zone(text: &str) -> Result<(Zone, &str), String> {
    let Some(rest) = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) else { return Ok((Zone::utc(), text)) };
    // The original panics without a space; there is no field then either way.
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let zone = load_zone(name).map_err(|error| format!("provided bad location {name}: {error}"))?;
    Ok((zone, rest.trim()))
}

fn all(bounds: &Bounds) -> u64 {
    bits(bounds.min, bounds.max, 1) | STAR
}

fn parse_macro(text: &str, zone: Zone) -> Result<Schedule, String> {
    let any = Fields { minutes: 1, hours: 1, days: all(&DAYS), months: all(&MONTHS), weekdays: all(&WEEKDAYS) };
    let fields = match text {
        "@yearly" | "@annually" => Fields { days: 1 << 1, months: 1 << 1, ..any },
        "@monthly" => Fields { days: 1 << 1, ..any },
        "@weekly" => Fields { weekdays: 1, ..any },
        "@daily" | "@midnight" => any,
        "@hourly" => Fields { hours: all(&HOURS), ..any },
        _ => {
            let Some(span) = text.strip_prefix("@every ") else { return Err(format!("unrecognized descriptor: {text}")) };
            let seconds = every(span).map_err(|error| format!("failed to parse duration {text}: {error}"))?;
            return Ok(Schedule { zone, when: When::Every { seconds } });
        }
    };
    Ok(Schedule { zone, when: When::Fields(fields) })
}

/// A span in whole seconds, at least one.
fn every(span: &str) -> Result<i64, String> {
    let negative = span.starts_with('-');
    let digits = span.strip_prefix(['-', '+']).unwrap_or(span);
    let parsed = crate::time::SimDuration::parse(digits).map_err(|_| format!("time: invalid duration \"{span}\""))?;
    Ok(if negative { 1 } else { (parsed.as_secs() as i64).max(1) })
}

fn field(text: &str, bounds: &Bounds) -> Result<u64, String> {
    text.split(',').filter(|part| !part.is_empty()).try_fold(0, |set, part| Ok(set | range(part, bounds)?))
}

fn range(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let range_and_step: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = range_and_step[0].split('-').collect();
    let mut star = 0;
    let (start, mut end) = if matches!(ends[0], "*" | "?") {
        star = STAR;
        (bounds.min, bounds.max)
    } else {
        let start = number_or_name(ends[0], bounds)?;
        match ends.len() {
            1 => (start, start),
            2 => (start, number_or_name(ends[1], bounds)?),
            _ => return Err(format!("too many hyphens: {text}")),
        }
    };
    let step = match range_and_step.len() {
        1 => 1,
        2 => {
            let step = number(range_and_step[1])?;
            if ends.len() == 1 {
                end = bounds.max;
            }
            if step > 1 {
                star = 0;
            }
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    if start < bounds.min {
        return Err(format!("beginning of range ({start}) below minimum ({}): {text}", bounds.min));
    }
    if end > bounds.max {
        return Err(format!("end of range ({end}) above maximum ({}): {text}", bounds.max));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(bits(start, end, step) | star)
}

fn bits(start: u64, end: u64, step: u64) -> u64 {
    (start..=end).step_by(step.max(1).try_into().unwrap_or(usize::MAX)).fold(0, |set, bit| set | 1 << bit)
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let name = text.to_lowercase();
    bounds.names.iter().find(|known| known.0 == name).map_or_else(|| number(text), |known| Ok(known.1))
}

fn number(text: &str) -> Result<u64, String> {
    let why = |why: &str| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {why}");
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(why("invalid syntax"));
    }
    let number: i64 = text.parse().map_err(|_| why("value out of range"))?;
    u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
}
