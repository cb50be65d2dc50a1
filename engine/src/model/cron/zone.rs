//! Time zones by name, from the data that comes with the program: the machine's own play no part.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A time zone. Moments are whole seconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The zone with a name; the empty name is UTC.
///
/// # Errors
/// A name that is not in the data, with the original's text.
pub fn load_zone(name: &str) -> Result<Zone, String> {
    match name {
        "" | "UTC" | "Local" => Ok(Zone::utc()),
        _ => {
            let zone = TimeZoneDatabase::bundled().get(name).ok();
            // The original looks names up as files: letters must match.
            let zone = zone.filter(|zone| zone.iana_name() == Some(name));
            zone.map(Zone).ok_or_else(|| format!("unknown time zone {name}"))
        }
    }
}

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone(TimeZone::UTC)
    }

    /// Seconds by which clocks are ahead of UTC at a moment. Moments beyond the calendar count as UTC.
    pub fn offset_s(&self, unix_s: i64) -> i64 {
        Timestamp::from_second(unix_s).map_or(0, |at| i64::from(self.0.to_offset(at).seconds()))
    }

    /// What the clocks show at a moment; `None` beyond the calendar.
    pub fn clock(&self, unix_s: i64) -> Option<DateTime> {
        Some(self.0.to_datetime(Timestamp::from_second(unix_s).ok()?))
    }

    /// The moment at which clocks show a date and an hour. Of an hour that is left out or comes twice, the one that Go's `time.Date`
    /// gives.
    pub fn moment(&self, date: Date, hour: i8) -> Option<i64> {
        let local = date.at(hour, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
        let first = self.offset_s(local);
        Some(if first == 0 { local } else { local - self.offset_s(local - first) })
    }

    /// A moment as RFC 3339 text with the zone's offset.
    pub fn rfc3339(&self, unix_s: i64) -> String {
        let Some(clock) = self.clock(unix_s) else { return String::new() };
        let offset = self.offset_s(unix_s) / 60;
        let zone = match offset {
            0 => "Z".to_string(),
            _ => format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60),
        };
        format!("{}{zone}", clock.strftime("%Y-%m-%dT%H:%M:%S"))
    }
}

/// A moment in UTC as the RFC 1123 text with a numeric zone, such as `Sun, 08 Mar 2026 08:54:00 +0000`.
pub fn rfc1123(unix_s: i64) -> String {
    Zone::utc().clock(unix_s).map_or_else(String::new, |clock| clock.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_show_their_clocks() {
        let berlin = load_zone("Europe/Berlin").expect("it is in the data");
        assert_eq!(berlin.rfc3339(1_774_746_000), "2026-03-29T03:00:00+02:00");
        assert_eq!(load_zone("bad/zone"), Err("unknown time zone bad/zone".into()));
        assert_eq!(load_zone("europe/berlin"), Err("unknown time zone europe/berlin".into()));
        assert_eq!(rfc1123(1_774_746_000), "Sun, 29 Mar 2026 01:00:00 +0000");
        let gap = Date::constant(2026, 3, 29);
        assert_eq!(berlin.moment(gap, 2).map(|at| berlin.rfc3339(at)).as_deref(), Some("2026-03-29T03:00:00+02:00"));
    }
}
