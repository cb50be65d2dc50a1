//! Events: how many over time, of which reasons, and the rows themselves as far as there is room.

use crate::report::millis;
use crate::report::named;
use crate::report::series::deltas;
use crate::report::texts::Texts;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wavetank_engine::names::Names;
use wavetank_engine::record::events::EventRow;
use wavetank_engine::record::events::Written;
use wavetank_engine::simulation::Simulation;

/// Rows that are kept, of warnings and of others each.
pub const ROWS_MAX: usize = 40_000;

#[derive(Debug, Clone, Copy)]
struct Kept {
    first_ms: u64,
    last_ms: u64,
    count: u32,
    about: u32,
    source: u32,
    reason: u32,
    message: u32,
}

/// All events.
#[derive(Debug, Default)]
pub struct EventRows {
    /// Normal ones and warnings, by the number of their row.
    rows: [BTreeMap<u64, Kept>; 2],
    /// For each column how many were written, normal ones and warnings.
    written: [Vec<u64>; 2],
    /// By reason and source: how many, and whether they are warnings.
    reasons: BTreeMap<(u32, u32, bool), u64>,
    left_out: u64,
}

impl EventRows {
    /// Takes what was written in one stretch.
    pub fn take(&mut self, sim: &Simulation, trail: Vec<Written>, texts: &mut Texts) {
        let names = sim.get::<Names>();
        let mut written = [0; 2];
        for Written { number, row, .. } in trail.into_iter().filter(|written| !written.deleted) {
            let side = usize::from(row.warning);
            written[side] += 1;
            let (reason, source) = (texts.number(names.text(row.reason)), texts.number(names.text(row.source)));
            *self.reasons.entry((reason, source, row.warning)).or_insert(0) += 1;
            if self.rows[side].len() >= ROWS_MAX && !self.rows[side].contains_key(&number) {
                self.left_out += 1;
                continue;
            }
            self.rows[side].insert(number, kept(sim, &row, texts));
        }
        self.written[0].push(written[0]);
        self.written[1].push(written[1]);
    }

    /// Sentences on what is not in the report.
    pub fn left_out(&self) -> Vec<String> {
        let left_out = self.left_out;
        (left_out > 0).then(|| format!("the messages of {left_out} events; they are counted")).into_iter().collect()
    }

    /// Counts, reasons and rows.
    pub fn json(&self) -> Value {
        let mut rows: Vec<(&Kept, bool)> = Vec::new();
        for (side, warning) in [(0, false), (1, true)] {
            rows.extend(self.rows[side].values().map(|row| (row, warning)));
        }
        rows.sort_by_key(|(row, _)| row.first_ms);
        let column = |of: fn(&Kept) -> u32| rows.iter().map(|(row, _)| of(row)).collect::<Vec<u32>>();
        let firsts: Vec<u64> = rows.iter().map(|(row, _)| row.first_ms).collect();
        let lasts: Vec<u64> = rows.iter().map(|(row, _)| row.last_ms - row.first_ms).collect();
        let warnings: Vec<u8> = rows.iter().map(|(_, warning)| u8::from(*warning)).collect();
        let mut reasons: Vec<_> =
            self.reasons.iter().map(|(&(reason, source, warning), &count)| (reason, source, warning, count)).collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.3));
        json!({
            "written": self.written,
            "reasons": reasons,
            "rows": {
                "t": deltas(&firsts),
                "for_ms": lasts,
                "warning": warnings,
                "count": column(|row| row.count),
                "about": column(|row| row.about),
                "source": column(|row| row.source),
                "reason": column(|row| row.reason),
                "message": column(|row| row.message),
            },
        })
    }
}

fn kept(sim: &Simulation, row: &EventRow, texts: &mut Texts) -> Kept {
    let names = sim.get::<Names>();
    Kept {
        first_ms: millis(row.first_at),
        last_ms: millis(row.last_at),
        count: row.count,
        about: texts.number(&named(sim, row.about)),
        source: texts.number(names.text(row.source)),
        reason: texts.number(names.text(row.reason)),
        message: texts.number(&row.text(names)),
    }
}
