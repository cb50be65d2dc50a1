//! The result of a workload for people.

use crate::commands::bench::Report;
use crate::render::summary::{count, grouped};

/// A few lines, each ending in a newline.
pub fn text(report: &Report) -> String {
    let work = report.work;
    let mut lines = vec![
        (
            "workload",
            format!("{}: {}, {} of {} bound", report.name, count(report.nodes, "node"), grouped(report.bound), count(report.pods, "pod")),
        ),
        (
            "speed",
            format!(
                "{} pods/s ({:.3} s wall, {:.3} s CPU from the first pop to the last bind)",
                grouped(report.pods_per_s as u64),
                report.measured_wall_s,
                report.measured_cpu_s
            ),
        ),
    ];
    if report.decisions == 0 {
        lines.push(("decisions", "none".to_string()));
    } else {
        let spans = format!("half of them within {}, 99 % within {}", span(report.p50_ns), span(report.p99_ns));
        lines.push(("decisions", format!("{}; {spans}", grouped(report.decisions))));
    }
    if let Some(vain) = report.decisions.checked_sub(report.bound).filter(|vain| *vain > 0) {
        lines.push(("", format!("{} of them found no node or were taken anew; their time is in the speed", grouped(vain))));
    }
    let work = format!(
        "{} nodes filtered, {} scored, {} tree entries re-scored",
        grouped(work.filtered),
        grouped(work.scored),
        grouped(work.rescored)
    );
    let memory = format!("{} MB at most", grouped(report.peak_rss_bytes / 1_000_000));
    lines.extend([("work", work), ("memory", memory), ("digest", report.digest.clone())]);
    lines.iter().map(|(label, what)| format!("{label:<14} {what}\n")).collect()
}

fn span(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{} µs", ns / 1_000),
        _ => format!("{} ms", ns / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_four_digits_at_most() {
        assert_eq!([span(950), span(9_999), span(12_345), span(12_345_678)], ["950 ns", "9999 ns", "12 µs", "12 ms"]);
    }
}
