//! Runs a table: each row alone, a panic being one miss.

use crate::report::{Counts, Miss, Outcome, cut};
use crate::row::{Check, Functions, Row, first_difference};
use crate::tables::Table;
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// What the last panic of this thread said, and where.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// All that is known about functions, by name.
pub(crate) struct Checks {
    built: BTreeMap<&'static str, &'static Check>,
    not_built: BTreeSet<&'static str>,
}

impl Checks {
    /// Joins the lists. An error names a function that is listed twice.
    pub(crate) fn new(families: &[Functions], not_built: &[&'static str]) -> Result<Checks, String> {
        let mut checks = Checks { built: BTreeMap::new(), not_built: BTreeSet::new() };
        for &name in not_built {
            if !checks.not_built.insert(name) {
                return Err(format!("{name} is listed twice as not built"));
            }
        }
        for (name, check) in families.iter().copied().flatten() {
            if checks.not_built.contains(name) {
                return Err(format!("{name} is listed as not built and has a check"));
            }
            if checks.built.insert(name, check).is_some() {
                return Err(format!("{name} has two checks"));
            }
        }
        Ok(checks)
    }
}

/// What came of one row.
enum Fate {
    Passed,
    NotBuilt,
    Missed(Miss),
}

/// Lets panics be told as misses instead of on standard error.
pub(crate) fn quieten_panics() {
    std::panic::set_hook(Box::new(|info| LAST_PANIC.with(|last| *last.borrow_mut() = info.to_string())));
}

/// Runs all rows of a table. A table that cannot be read, or has no row, is one miss.
pub(crate) fn table(table: &Table, checks: &Checks) -> Outcome {
    let fates = match table.read() {
        Ok(text) if text.trim().is_empty() => vec![whole_table("it has no rows")],
        Ok(text) => {
            let lines: Vec<(usize, &str)> = text.lines().enumerate().collect();
            lines.par_iter().map(|&(index, line)| fate(index, line, checks)).collect()
        }
        Err(why) => vec![whole_table(&why)],
    };
    let mut outcome = Outcome { name: table.name.clone(), counts: Counts::default(), misses: Vec::new() };
    for fate in fates {
        match fate {
            Fate::Passed => outcome.counts.passed += 1,
            Fate::NotBuilt => outcome.counts.not_built += 1,
            Fate::Missed(miss) => {
                outcome.counts.failed += 1;
                outcome.misses.push(miss);
            }
        }
    }
    outcome
}

fn whole_table(why: &str) -> Fate {
    Fate::Missed(Miss { row: "table".to_owned(), function: String::new(), what: format!("    unreadable: {why}") })
}

fn fate(index: usize, line: &str, checks: &Checks) -> Fate {
    let row = match Row::read(line) {
        Ok(row) => row,
        Err(why) => {
            return Fate::Missed(Miss {
                row: format!("line {}", index + 1),
                function: String::new(),
                what: format!("    unreadable: {why}"),
            });
        }
    };
    if checks.not_built.contains(row.function.as_str()) {
        return Fate::NotBuilt;
    }
    let verdict = match checks.built.get(row.function.as_str()) {
        Some(check) => catch_unwind(AssertUnwindSafe(|| judge(&row, check))).unwrap_or_else(|_| Err(format!("    {}", LAST_PANIC.take()))),
        None => Err("    no check for this function, and it is not listed as not built".to_owned()),
    };
    match verdict {
        Ok(()) => Fate::Passed,
        Err(what) => Fate::Missed(Miss { row: row.id, function: row.function, what }),
    }
}

fn judge(row: &Row, check: &Check) -> Result<(), String> {
    let shown = |why: &str| {
        let (input, expected) = (row.input().to_string(), row.expected().to_string());
        format!("    in       {}\n    expected {}\n    {}", cut(&input), cut(&expected), cut(why))
    };
    match check {
        Check::Answer(answer) => match answer(row.input()) {
            Ok(got) => first_difference(row.expected(), &got)
                .map_or(Ok(()), |place| Err(shown(&format!("differs at {place}\n    got      {got}")))),
            Err(why) => Err(shown(&format!("no answer: {why}"))),
        },
        Check::Judge(judge) => judge(row).map_err(|why| shown(&format!("got      {why}"))),
    }
}
