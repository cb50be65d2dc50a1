//! A report as one page: style, script, charts and data within, nothing from elsewhere.
//!
//! The charts are drawn by uPlot 1.6.32 (`report/uPlot.LICENSE`, which goes into every page).

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::io::Write;

const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/report.css");
const SCRIPTS: [&str; 4] =
    [include_str!("report/data.js"), include_str!("report/charts.js"), include_str!("report/pods.js"), include_str!("report/main.js")];
const UPLOT: &str = include_str!("report/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("report/uPlot.min.css");
const UPLOT_LICENSE: &str = include_str!("report/uPlot.LICENSE");

/// The whole page. `data` is what a [`crate::report::Collector`] has made.
pub fn page(data: &Value) -> String {
    let title = data["scene"].as_str().unwrap_or_default();
    let data = base64(&compressed(data.to_string().as_bytes()));
    let mut parts = vec![
        ("TITLE", escaped(title)),
        ("STYLE", format!("{UPLOT_STYLE}\n{STYLE}")),
        ("UPLOT", format!("/*\nuPlot 1.6.32\n{UPLOT_LICENSE}*/\n{UPLOT}")),
        ("SCRIPT", SCRIPTS.join("\n")),
        ("DATA", data),
    ];
    let mut out = String::new();
    let mut rest = PAGE;
    // Each part once, in the order in which the page names them: what is put in is not looked through.
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("the page is a constant");
        let at = parts.iter().position(|(part, _)| *part == name).expect("the page names known parts");
        out.push_str(before);
        out.push_str(&parts.swap_remove(at).1);
        rest = after;
    }
    out + rest
}

/// Compressed as the browser's `DecompressionStream("gzip")` reads it, without the time of day.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes all bytes");
    encoder.finish().expect("memory takes all bytes")
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain([0, 0].iter()).take(3).fold(0_u32, |group, &byte| group << 8 | u32::from(byte));
        for at in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * at) & 63) as usize] as char;
            out.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_the_standard_says() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("\u{3ff}", "z78=")];
        for (text, want) in cases {
            assert_eq!(base64(text.as_bytes()), want);
        }
    }
}
