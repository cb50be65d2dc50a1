//! The JUnit report, for machines that collect test results.

use super::Tested;
use super::report::why;
use super::scenes::name;
use std::time::Duration;

/// The report as an XML document: one suite, one case for each scene in the order given.
pub fn junit(tested: &[Tested], took: Duration) -> String {
    let failures = tested.iter().filter(|tested| !tested.verdict.passed()).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" time=\"{:.3}\"", tested.len(), took.as_secs_f64());
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.push_str(&format!("<testsuites name=\"wavetank\" {counts}>\n  <testsuite name=\"scenes\" {counts} skipped=\"0\">\n"));
    for tested in tested {
        text.push_str(&case(tested));
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

fn case(tested: &Tested) -> String {
    let whole = name(&tested.scene);
    let (class, name) = whole.rsplit_once('/').unwrap_or(("", &whole));
    let head = format!("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"", escape(class), escape(name), tested.took.as_secs_f64());
    match why(&tested.verdict) {
        None => format!("{head}/>\n"),
        Some(why) => {
            let first = why.lines().next().unwrap_or("");
            format!("{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n", escape(first), escape(&why))
        }
    }
}

/// Text as XML may hold it, in an attribute or between tags: markup escaped, line breaks and tabs kept (as references,
/// since a reader would turn them into spaces inside an attribute), characters that XML 1.0 forbids replaced by U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_runner::Verdict;

    #[test]
    fn markup_and_control_characters_are_escaped() {
        for (text, want) in [
            ("a < b && c > \"d\"", "a &lt; b &amp;&amp; c &gt; &quot;d&quot;"),
            ("it's", "it&apos;s"),
            ("one\ntwo\tthree\r", "one&#10;two&#9;three&#13;"),
            ("bell\u{7} esc\u{1b}[31m \u{ffff}", "bell\u{fffd} esc\u{fffd}[31m \u{fffd}"),
            ("]]> ü 🌊", "]]&gt; ü 🌊"),
        ] {
            assert_eq!(escape(text), want);
        }
    }

    #[test]
    fn the_document() {
        let tested = |scene: &str, verdict| Tested { scene: scene.into(), took: Duration::from_millis(12), verdict };
        let all = [tested("scenes/a/b.ron", Verdict::Pass), tested("c<.ron", Verdict::Failed("x & y\nz".to_string()))];
        let want = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="wavetank" tests="2" failures="1" errors="0" time="1.500">
  <testsuite name="scenes" tests="2" failures="1" errors="0" time="1.500" skipped="0">
    <testcase classname="scenes/a" name="b" time="0.012"/>
    <testcase classname="" name="c&lt;" time="0.012">
      <failure message="x &amp; y">x &amp; y&#10;z</failure>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(junit(&all, Duration::from_millis(1500)), want);
    }
}
