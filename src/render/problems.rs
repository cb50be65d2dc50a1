//! Mistakes in input files, each with its line and a caret under the place.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use wavetank_engine::source::{Problems, Severity, SourceError, Sources};

/// All errors and then all warnings, by file and place, with a blank line after each and a count at the end.
///
/// Empty when there is nothing to report. `colour` adds terminal styles.
pub fn problems(problems: &Problems, sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    let (errors, warnings) = (problems.errors(sources), problems.warnings(sources));
    for (severity, list) in [(Severity::Error, &errors), (Severity::Warning, &warnings)] {
        for error in list {
            text.push_str(&one(error, severity, sources, &renderer));
            text.push_str("\n\n");
        }
    }
    let left_out = [("error", problems.errors_left_out()), ("warning", problems.warnings_left_out())];
    for (what, count) in left_out.into_iter().filter(|&(_, count)| count > 0) {
        text.push_str(&format!("... and {}\n", counted(count, &format!("more {what}"))));
    }
    if !errors.is_empty() || !warnings.is_empty() {
        text.push_str(&format!("{}\n", totals(problems.errors_found(), warnings.len() as u64 + problems.warnings_left_out())));
    }
    text
}

fn totals(errors: u64, warnings: u64) -> String {
    match (errors, warnings) {
        (0, warnings) => counted(warnings, "warning"),
        (errors, 0) => counted(errors, "error"),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn one(error: &SourceError, severity: Severity, sources: &Sources, renderer: &Renderer) -> String {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(error.what.as_str());
    let group = match error.line {
        0 => title.element(Origin::path(error.path.as_str())),
        _ => title.element(snippet(error, sources.text(error.span.file))),
    };
    let group = match &error.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    };
    renderer.render(&[group])
}

/// The line of the place with a caret under as much of it as lies in that line. Only this line is handed on, so that the
/// cost does not grow with the file.
fn snippet<'a>(error: &'a SourceError, text: &'a str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let start = floor_boundary(text, error.span.start as usize);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = floor_boundary(text, error.span.end as usize).clamp(start, line_end);
    let line = text[line_start..line_end].trim_end_matches('\r');
    let (from, to) = ((start - line_start).min(line.len()), (end - line_start).min(line.len()));
    let to = if from == to { line[from..].chars().next().map_or(to, |next| from + next.len_utf8()) } else { to };
    Snippet::source(line).line_start(error.line as usize).path(error.path.as_str()).annotation(AnnotationKind::Primary.span(from..to))
}

/// The nearest place at or before `at` where a character of `text` starts.
fn floor_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::source::{Problem, Span};

    #[test]
    fn a_mistake_shows_its_line_and_a_caret() {
        let mut sources = Sources::default();
        let file = sources.add("shop.yaml", "spec:\n  replica: 3\n  # grün\n  sélector: x");
        let mut found = Problems::default();
        let span = |start, end| Span { file, start, end };
        found.push(Severity::Error, Problem::new(span(8, 15), "unknown field \"spec.replica\"").with_help("did you mean \"replicas\"?"));
        found.push(Severity::Warning, Problem::new(span(31, 40), "odd"));
        let want = "\
error: unknown field \"spec.replica\"
 --> shop.yaml:2:3
  |
2 |   replica: 3
  |   ^^^^^^^
  |
  = help: did you mean \"replicas\"?

warning: odd
 --> shop.yaml:4:3
  |
4 |   sélector: x
  |   ^^^^^^^^

1 error, 1 warning
";
        assert_eq!(problems(&found, &sources, false), want);
        assert!(problems(&found, &sources, true).contains("\u{1b}["));
    }

    #[test]
    fn places_at_the_end_over_many_lines_and_without_a_line() {
        let mut sources = Sources::default();
        let file = sources.add("a.ron", "(\n  a: 1,\r\n)");
        let argument = sources.add_argument("--set", "n=x");
        let mut found = Problems::default();
        found.error(Span { file, start: 12, end: 12 }, "end of file");
        found.error(Span { file, start: 0, end: 12 }, "all of it");
        found.error(Span { file: argument, start: 0, end: 3 }, "no such parameter");
        let text = problems(&found, &sources, false);
        for part in [" --> a.ron:1:1\n  |\n1 | (\n  | ^", " --> a.ron:3:2\n  |\n3 | )\n  |  ^", "--> --set n=x\n", "3 errors\n"] {
            assert!(text.contains(part), "{part:?} in:\n{text}");
        }
    }

    #[test]
    fn nothing_to_report_is_empty_and_too_much_is_counted() {
        let mut sources = Sources::default();
        let file = sources.add("a", &*"x".repeat(300));
        let mut found = Problems::default();
        assert_eq!(problems(&found, &sources, false), "");
        (0..250).for_each(|at| found.error(Span { file, start: at, end: at + 1 }, "bad"));
        let text = problems(&found, &sources, false);
        assert!(text.ends_with("... and 50 more errors\n250 errors\n"), "{}", &text[text.len() - 60..]);
    }
}
