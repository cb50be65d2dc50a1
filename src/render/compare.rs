//! A comparison for people and for programs.

use crate::compare::parting::Parting;
use crate::compare::spread::{Measure, Row, Spread};
use crate::compare::{Pair, SCHEMA};
use crate::render::table::Table;
use serde_json::{Value, json};

/// A finished comparison.
#[derive(Debug)]
pub struct Comparison {
    /// Both sides as a person would name them: the scene, and what was changed of it.
    pub sides: [(String, Vec<String>); 2],
    /// What every seed came to.
    pub pairs: Vec<Pair>,
    /// The measures.
    pub rows: Vec<Row>,
}

impl Comparison {
    /// The name of a side with all that was changed.
    pub fn side(&self, at: usize) -> String {
        let (scene, changes) = &self.sides[at];
        if changes.is_empty() { scene.clone() } else { format!("{scene} with {}", changes.join(", ")) }
    }

    /// The first seed whose runs part, and where; in what becomes of the scenes, or else in the scenes.
    pub(crate) fn partings(&self) -> [Option<(u64, &Parting)>; 2] {
        let first = |part: fn(&Pair) -> Option<&Parting>| self.pairs.iter().find_map(|pair| part(pair).map(|parting| (pair.seed, parting)));
        [first(|pair| pair.parted.input.as_ref()), first(|pair| pair.parted.consequence.as_ref())]
    }
}

/// The text that people read.
pub fn text(comparison: &Comparison) -> String {
    let seeds: Vec<String> = comparison.pairs.iter().map(|pair| pair.seed.to_string()).collect();
    let mut out = format!("A      {}\nB      {}\n", comparison.side(0), comparison.side(1));
    let many = seeds.len() > 1;
    let note = if many { " (median, and least to most in brackets)" } else { "" };
    out.push_str(&format!("seeds  {}{note}\n\n", runs_of(&comparison.pairs)));
    let head = ["", "", "A", "B", "B - A"].map(str::to_string).to_vec();
    let cell = |measure: &Measure, spread: &Spread, signed: bool| shown(measure, spread, many, signed);
    let rows = comparison.rows.iter().map(|row| {
        let measure = &row.measure;
        let [a, b] = [0, 1].map(|at| cell(measure, &row.sides[at], false));
        vec![measure.label.to_string(), measure.unit.to_string(), a, b, cell(measure, &row.difference, true)]
    });
    out.push_str(&Table { head, rows: rows.collect() }.render());
    let [input, consequence] = comparison.partings();
    for (parting, what) in [(input, "The scenes differ first"), (consequence, "The runs part")] {
        if let Some((seed, parting)) = parting {
            out.push_str(&format!("\n{what} at {} (seed {seed}):\n", parting.at.clock()));
            for (name, line) in ["A", "B"].into_iter().zip(&parting.lines) {
                let line = line.as_ref().map_or("nothing at that time".to_string(), |line| squeezed(&line.text()));
                out.push_str(&format!("  {name}  {line}\n"));
            }
        }
    }
    if consequence.is_none() {
        out.push_str("\nThe runs do not part.\n");
    }
    out
}

/// `1 to 20`, or the numbers.
pub(crate) fn runs_of(pairs: &[Pair]) -> String {
    match pairs {
        [first, .., last] if pairs.windows(2).all(|two| two[0].seed + 1 == two[1].seed) => format!("{} to {}", first.seed, last.seed),
        _ => pairs.iter().map(|pair| pair.seed.to_string()).collect::<Vec<_>>().join(", "),
    }
}

pub(crate) fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number, or three of them.
pub(crate) fn shown(measure: &Measure, spread: &Spread, many: bool, signed: bool) -> String {
    let one = |value: f64| {
        // No minus before nothing.
        let value = if value == 0.0 { 0.0 } else { value };
        let text = format!("{value:.*}", measure.digits);
        let nothing = text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.'));
        match (nothing, signed) {
            (true, _) => text.trim_start_matches('-').to_string(),
            (false, true) if value > 0.0 => format!("+{text}"),
            _ => text,
        }
    };
    if many && spread.min != spread.max {
        format!("{} ({} to {})", one(spread.median), one(spread.min), one(spread.max))
    } else {
        one(spread.median)
    }
}

/// The object `wavetank.compare/1` on one line.
pub fn json_line(comparison: &Comparison) -> String {
    let side = |(scene, changes): &(String, Vec<String>)| json!({"scene": scene, "changes": changes});
    let measures = comparison.rows.iter().map(|row| {
        json!({
            "name": row.measure.name, "more_is_better": row.measure.more_is_better, "a": row.sides[0], "b": row.sides[1],
            "difference": row.difference, "values": row.values,
        })
    });
    let runs = comparison.pairs.iter().map(|pair| {
        json!({
            "seed": pair.seed, "digests": [pair.outcomes[0].digest, pair.outcomes[1].digest],
            "scenes_differ": pair.parted.input.as_ref().map(parting), "runs_part": pair.parted.consequence.as_ref().map(parting),
        })
    });
    let whole = json!({
        "schema": SCHEMA, "a": side(&comparison.sides[0]), "b": side(&comparison.sides[1]),
        "measures": measures.collect::<Vec<_>>(), "runs": runs.collect::<Vec<_>>(),
    });
    whole.to_string()
}

fn parting(parting: &Parting) -> Value {
    let line = |at: usize| {
        parting.lines[at].as_ref().map(|line| {
            json!({"at_ns": line.at.0, "object": line.object, "field": line.field, "old": line.old, "new": line.new, "actor": line.actor})
        })
    };
    json!({"at_ns": parting.at.0, "a": line(0), "b": line(1)})
}
