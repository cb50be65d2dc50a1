//! When a schedule is next due. Moments are whole seconds since 1970, UTC.
//!
//! Source: robfig/cron v3.0.1, `spec.go`, `SpecSchedule.Next`; `constantdelay.go`.

use super::parse::STAR;
use super::zone::Zone;
use jiff::ToSpan;

/// Years looked ahead for a day that fits.
const YEARS_AHEAD_MAX: i16 = 5;

/// A schedule that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub(super) zone: Zone,
    pub(super) when: When,
}

/// What a schedule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Bits by number for each field.
    Fields(Fields),
    /// So long after the moment before.
    Every {
        /// Whole seconds, at least 1.
        seconds: i64,
    },
}

/// The five fields: the bit of each number that fits, and [`STAR`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days: u64,
    pub(super) months: u64,
    pub(super) weekdays: u64,
}

fn has(set: u64, number: i8) -> bool {
    set & 1 << number != 0
}

/// Where a search stands.
struct Search<'s> {
    zone: &'s Zone,
    at: i64,
    /// The moment was moved already: lesser fields are at their start.
    moved: bool,
}

impl Schedule {
    /// The same schedule, read in another zone.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Schedule {
        Schedule { zone, ..self }
    }

    /// The first moment after one that fits; `None` when none of the next five years does.
    pub fn next(&self, after: i64) -> Option<i64> {
        match &self.when {
            When::Every { seconds } => Some(after + seconds),
            When::Fields(fields) => Search { zone: &self.zone, at: after + 1, moved: false }.run(fields),
        }
    }
}

impl Search<'_> {
    fn run(mut self, fields: &Fields) -> Option<i64> {
        let year_limit = self.zone.clock(self.at)?.year() + YEARS_AHEAD_MAX;
        loop {
            if self.zone.clock(self.at)?.year() > year_limit {
                return None;
            }
            if self.month(fields)? && self.day(fields)? && self.hour(fields)? && self.minute(fields)? && self.second()? {
                return Some(self.at);
            }
        }
    }

    /// Moves to a month that fits. `false`: the year wrapped round, and the search begins anew.
    fn month(&mut self, fields: &Fields) -> Option<bool> {
        while !has(fields.months, self.zone.clock(self.at)?.month()) {
            let first = self.zone.clock(self.at)?.date().first_of_month();
            self.moved = true;
            let next = first.checked_add(1.month()).ok()?;
            self.at = self.zone.moment(next, 0)?;
            if self.zone.clock(self.at)?.month() == 1 {
                return Some(false);
            }
        }
        Some(true)
    }

    fn day(&mut self, fields: &Fields) -> Option<bool> {
        loop {
            let clock = self.zone.clock(self.at)?;
            let (day, weekday) = (has(fields.days, clock.day()), has(fields.weekdays, clock.weekday().to_sunday_zero_offset()));
            let both = (fields.days | fields.weekdays) & STAR != 0;
            if if both { day && weekday } else { day || weekday } {
                return Some(true);
            }
            self.moved = true;
            self.at = self.zone.moment(clock.date().tomorrow().ok()?, 0)?;
            // Where midnight is left out or comes twice.
            let hour = i64::from(self.zone.clock(self.at)?.hour());
            if hour > 12 {
                self.at += (24 - hour) * 3600;
            } else {
                self.at -= hour * 3600;
            }
            if self.zone.clock(self.at)?.day() == 1 {
                return Some(false);
            }
        }
    }

    fn hour(&mut self, fields: &Fields) -> Option<bool> {
        while !has(fields.hours, self.zone.clock(self.at)?.hour()) {
            if !self.moved {
                self.moved = true;
                let clock = self.zone.clock(self.at)?;
                self.at = self.zone.moment(clock.date(), clock.hour())?;
            }
            self.at += 3600;
            if self.zone.clock(self.at)?.hour() == 0 {
                return Some(false);
            }
        }
        Some(true)
    }

    fn minute(&mut self, fields: &Fields) -> Option<bool> {
        while !has(fields.minutes, self.zone.clock(self.at)?.minute()) {
            if !self.moved {
                self.moved = true;
                self.at -= self.at.rem_euclid(60);
            }
            self.at += 60;
            if self.zone.clock(self.at)?.minute() == 0 {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Schedules of five fields fit at second 0.
    fn second(&mut self) -> Option<bool> {
        while self.zone.clock(self.at)?.second() != 0 {
            self.moved = true;
            self.at += 1;
            if self.zone.clock(self.at)?.second() == 0 {
                return Some(false);
            }
        }
        Some(true)
    }
}
