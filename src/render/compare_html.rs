//! A comparison as one page: no script, nothing from elsewhere, light and dark.

use crate::compare::spread::Row;
use crate::render::compare::{Comparison, runs_of, shown, squeezed};

const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d8dee4;--a:#0969da;--b:#bc4c00;--good:#1a7f37;--bad:#cf222e}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--line:#30363d;--a:#58a6ff;--b:#f0883e;--good:#3fb950;--bad:#f85149}}
body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid var(--line);padding:.4rem .6rem;text-align:left;vertical-align:middle}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}.wrap{overflow-x:auto}
.a{color:var(--a)}.b{color:var(--b)}.good{color:var(--good)}.bad{color:var(--bad)}.dim{color:var(--dim)}
svg{display:block}circle.a{fill:var(--a)}circle.b{fill:var(--b)}line{stroke:var(--line)}
code{font:13px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}";

/// The whole page.
pub fn page(comparison: &Comparison) -> String {
    let many = comparison.pairs.len() > 1;
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>wavetank compare</title><style>\n{STYLE}\n</style></head><body>\n<h1>Two worlds side by side</h1>\n"
    );
    for (name, class, at) in [("A", "a", 0), ("B", "b", 1)] {
        out.push_str(&format!("<p><strong class=\"{class}\">{name}</strong> {}</p>\n", escaped(&comparison.side(at))));
    }
    let note = if many { "; median, and least to most in brackets; one dot for each seed" } else { "" };
    out.push_str(&format!("<p class=\"dim\">Seeds {}{note}</p>\n", runs_of(&comparison.pairs)));
    out.push_str("<div class=\"wrap\"><table><thead><tr><th></th><th class=\"a\">A</th><th class=\"b\">B</th><th>B − A</th><th></th></tr></thead><tbody>\n");
    comparison.rows.iter().for_each(|row| out.push_str(&table_row(row, many)));
    out.push_str("</tbody></table></div>\n");
    let [input, consequence] = comparison.partings();
    for (parting, what) in [(input, "The scenes differ first"), (consequence, "The runs part")] {
        let Some((seed, parting)) = parting else { continue };
        out.push_str(&format!("<h2>{what} at {} <span class=\"dim\">(seed {seed})</span></h2>\n", parting.at.clock()));
        for (name, class, line) in [("A", "a", &parting.lines[0]), ("B", "b", &parting.lines[1])] {
            let line = line.as_ref().map_or("nothing at that time".to_string(), |line| squeezed(&line.text()));
            out.push_str(&format!("<p><strong class=\"{class}\">{name}</strong> <code>{}</code></p>\n", escaped(&line)));
        }
    }
    if consequence.is_none() {
        out.push_str("<h2>The runs do not part</h2>\n");
    }
    out.push_str("</body></html>\n");
    out
}

fn table_row(row: &Row, many: bool) -> String {
    let measure = &row.measure;
    let unit = if measure.unit.is_empty() { String::new() } else { format!(" <span class=\"dim\">{}</span>", escaped(measure.unit)) };
    let better = match (measure.more_is_better, row.difference.median) {
        (Some(more), median) if median != 0.0 => {
            if (median > 0.0) == more {
                "good"
            } else {
                "bad"
            }
        }
        _ => "",
    };
    let [a, b] = [0, 1].map(|at| shown(measure, &row.sides[at], many, false));
    let difference = shown(measure, &row.difference, many, true);
    format!(
        "<tr><td>{}{unit}</td><td class=\"n\">{a}</td><td class=\"n\">{b}</td><td class=\"n {better}\">{difference}</td><td>{}</td></tr>\n",
        escaped(measure.label),
        dots(row)
    )
}

/// Width and height of a strip of dots, and its margin. Unit: pixels.
const STRIP: (f64, f64, f64) = (220.0, 30.0, 6.0);

/// The values of all seeds on one axis, those of A above those of B.
fn dots(row: &Row) -> String {
    let (width, height, margin) = STRIP;
    let least = row.sides[0].min.min(row.sides[1].min);
    let most = row.sides[0].max.max(row.sides[1].max);
    let at = |value: f64| if most > least { margin + (value - least) / (most - least) * (width - 2.0 * margin) } else { width / 2.0 };
    let mut out = format!(
        "<svg width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\"><line x1=\"{margin}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>",
        escaped(&format!("{} by seed", row.measure.label)),
        width - margin,
        y = height / 2.0,
    );
    for (side, class, y) in [(0, "a", height / 2.0 - 6.0), (1, "b", height / 2.0 + 6.0)] {
        let mut places: Vec<String> = row.values.iter().map(|values| format!("{:.1}", at(values[side]))).collect();
        places.sort();
        places.dedup();
        places.iter().for_each(|x| out.push_str(&format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"/>")));
    }
    out + "</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
