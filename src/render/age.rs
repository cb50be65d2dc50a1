//! Ages and dates as kubectl prints them. All moments are Unix seconds in UTC.

use serde_json::Value;
use wavetank_engine::time::{SimTime, unix_seconds};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// A span of seconds with two or three significant figures: `95s`, `4m47s`, `3h12m`, `2d4h`, `400d`, `3y12d`.
///
/// A second of clock skew into the future is `0s`, more is `<invalid>`.
///
/// Source: kubernetes v1.36, `apimachinery/pkg/util/duration/duration.go`, `HumanDuration`.
pub fn human_duration(seconds: i64) -> String {
    let pair = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{big_unit}"),
        _ => format!("{big}{big_unit}{small}{small_unit}"),
    };
    match seconds {
        ..-1 => "<invalid>".to_string(),
        -1 => "0s".to_string(),
        0..120 => format!("{seconds}s"),
        120..600 => pair(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => pair(seconds / HOUR, "h", seconds / MINUTE % 60, "m"),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => pair(seconds / DAY, "d", seconds / HOUR % 24, "h"),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => pair(seconds / YEAR, "y", seconds / DAY % 365, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

/// The Unix seconds of an API time at a JSON pointer; fractions of `MicroTime` are cut. `None` when absent or malformed.
pub fn moment(object: &Value, pointer: &str) -> Option<i64> {
    let written = object.pointer(pointer)?.as_str()?;
    match written.split_once('.') {
        None => unix_seconds(written),
        Some((whole, fraction)) if fraction.ends_with('Z') => unix_seconds(&format!("{whole}Z")),
        Some(_) => None,
    }
}

/// The time from an API time until `now`, or `<unknown>` when it is absent.
pub fn since(object: &Value, pointer: &str, now: i64) -> String {
    moment(object, pointer).map_or_else(|| "<unknown>".to_string(), |then| human_duration(now - then))
}

/// The age of an object by its creation time.
pub fn age(object: &Value, now: i64) -> String {
    since(object, "/metadata/creationTimestamp", now)
}

/// An API time as kubectl describes it, `Fri, 20 Nov 2026 21:50:00 +0000`. An absent one is Go's zero time.
pub fn rfc1123(object: &Value, pointer: &str) -> String {
    let Some(unix) = moment(object, pointer) else { return "Mon, 01 Jan 0001 00:00:00 +0000".to_string() };
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let weekday = DAYS[unix.div_euclid(DAY).rem_euclid(7) as usize];
    let written = SimTime::ZERO.rfc3339(unix);
    let month = written[5..7].parse::<usize>().expect("rfc3339 writes the month as two digits");
    format!("{weekday}, {} {} {} {} +0000", &written[8..10], MONTHS[month - 1], &written[..4], &written[11..19])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ages_have_two_or_three_figures() {
        for (seconds, want) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (599, "9m59s"),
            (600, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (3 * HOUR + 59 * MINUTE, "3h59m"),
            (8 * HOUR, "8h"),
            (2 * DAY - 1, "47h"),
            (2 * DAY, "2d"),
            (2 * DAY + HOUR, "2d1h"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY, "8d"),
            (2 * YEAR - 1, "729d"),
            (2 * YEAR, "2y"),
            (2 * YEAR + DAY, "2y1d"),
            (8 * YEAR - 1, "7y364d"),
            (8 * YEAR, "8y"),
        ] {
            assert_eq!(human_duration(seconds), want, "{seconds}");
        }
    }

    #[test]
    fn moments_and_dates() {
        let object = json!({"a": "2026-11-20T21:50:00Z", "b": "2026-11-20T21:50:00.123456Z", "c": "yesterday"});
        assert_eq!(moment(&object, "/a"), moment(&object, "/b"));
        assert_eq!(since(&object, "/b", moment(&object, "/a").unwrap() + 7), "7s");
        assert_eq!(since(&object, "/c", 0), "<unknown>");
        assert_eq!(rfc1123(&object, "/a"), "Fri, 20 Nov 2026 21:50:00 +0000");
        assert_eq!(rfc1123(&object, "/none"), "Mon, 01 Jan 0001 00:00:00 +0000");
    }
}
