//! A moment of a watched run as a picture of cells.

use super::pace::Pace;
use super::view::{FeedLine, NodeRow, View};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, LineGauge, Paragraph, Row, Table};
use wavetank_engine::record::summary::Rollout;

const KEYS: &str = " space pause   s next change   + faster   - slower   q quit";

/// Draws a whole page.
pub(super) fn draw(frame: &mut Frame, view: &View, pace: &Pace) {
    let height = frame.area().height;
    let rows = view.node_rows.len().max(view.workloads.len()).clamp(1, 100) as u16;
    let middle = (rows + 3).min(height.saturating_sub(8).max(8) / 2 + 1);
    let [head, gauge, pods, tables, feed, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Length(middle),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [nodes, workloads] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(tables);
    frame.render_widget(head_line(view, pace), head);
    frame.render_widget(gauge_of(view), gauge);
    frame.render_widget(pods_of(view), pods);
    frame.render_widget(nodes_of(view, nodes), nodes);
    frame.render_widget(workloads_of(view, workloads), workloads);
    frame.render_widget(feed_of(view, feed), feed);
    frame.render_widget(Line::from(KEYS).dim(), keys);
}

fn head_line(view: &View, pace: &Pace) -> Line<'static> {
    let place = format!("   {} of {}   {}x   ", view.now, view.end, pace.speed);
    Line::from(vec![format!(" {}", view.scene).bold(), place.into(), pace.word().bold()])
}

fn gauge_of(view: &View) -> LineGauge<'static> {
    let done = if view.end.0 == 0 { 1.0 } else { view.now.0 as f64 / view.end.0 as f64 };
    LineGauge::default().ratio(done.clamp(0.0, 1.0)).filled_style(Style::new().fg(Color::Blue))
}

fn pods_of(view: &View) -> Paragraph<'static> {
    let pods = &view.pods;
    let mut parts: Vec<Span> = Vec::new();
    let mut part = |name: &str, count: u64, alarm: bool| {
        let text = format!(" {name} {count} ");
        parts.push(if alarm && count > 0 { text.fg(Color::Yellow) } else { text.into() });
    };
    for (phase, count) in pods.phases.iter().filter(|(phase, count)| *phase != "Unknown" || *count > 0) {
        part(phase, *count, matches!(*phase, "Failed" | "Unknown"));
    }
    part("  ready", pods.ready, false);
    part("without node", pods.without_node, true);
    part("terminating", pods.terminating, false);
    let all: u64 = pods.phases.iter().map(|(_, count)| count).sum();
    Paragraph::new(Line::from(parts)).block(Block::bordered().title(format!(" pods {all} ")))
}

/// How many of `all` rows fit into a table, and a word on the others.
fn fitting(all: usize, shown: usize, area: Rect) -> (usize, String) {
    // Two lines of the frame and one of the headings.
    let fit = shown.min(usize::from(area.height.saturating_sub(3)));
    (fit, if fit < all { format!("({} more) ", all - fit) } else { String::new() })
}

fn nodes_of(view: &View, area: Rect) -> Table<'static> {
    let (fit, more) = fitting(view.nodes, view.node_rows.len(), area);
    let percent = |share: Option<u64>| share.map_or("-".to_string(), |share| format!("{share}%"));
    let row = |node: &NodeRow| {
        let state = match (node.ready, node.cordoned) {
            (true, false) => "Ready".fg(Color::Green),
            (true, true) => "Ready,SchedulingDisabled".fg(Color::Yellow),
            (false, false) => "NotReady".fg(Color::Red),
            (false, true) => "NotReady,SchedulingDisabled".fg(Color::Red),
        };
        let [cpu, memory] = node.requested_percent.map(percent);
        Row::new([Cell::from(node.name.clone()), Cell::from(state), Cell::from(node.pods.to_string()), Cell::from(cpu), Cell::from(memory)])
    };
    let widths = [Constraint::Fill(2), Constraint::Fill(2), Constraint::Length(5), Constraint::Length(5), Constraint::Length(6)];
    Table::new(view.node_rows.iter().take(fit).map(row), widths)
        .header(Row::new(["NAME", "STATUS", "PODS", "CPU", "MEMORY"]).dim())
        .block(Block::bordered().title(format!(" nodes {}/{} {more}", view.nodes_ready, view.nodes)))
}

fn workloads_of(view: &View, area: Rect) -> Table<'static> {
    let (fit, more) = fitting(view.workloads.len(), view.workloads.len(), area);
    let row = |workload: &Rollout| {
        let Rollout { name, wanted, updated, ready, note } = workload;
        let state = format!("{ready}/{wanted}");
        let state = if ready < wanted { state.fg(Color::Yellow) } else { state.fg(Color::Green) };
        Row::new([Cell::from(name.clone()), Cell::from(state), Cell::from(updated.to_string()), Cell::from(note.clone())])
    };
    let widths = [Constraint::Fill(3), Constraint::Length(9), Constraint::Length(7), Constraint::Fill(1)];
    // Those that lack pods come first where not all have room.
    let mut rows: Vec<&Rollout> = view.workloads.iter().collect();
    if fit < rows.len() {
        rows.sort_by_key(|workload| workload.ready >= workload.wanted);
    }
    Table::new(rows.into_iter().take(fit).map(row), widths)
        .header(Row::new(["NAME", "READY", "UPDATED", ""]).dim())
        .block(Block::bordered().title(format!(" workloads {more}")))
}

fn feed_of(view: &View, area: Rect) -> Paragraph<'static> {
    let fit = usize::from(area.height.saturating_sub(2));
    let line = |line: &FeedLine| {
        let FeedLine { at, warning, reason, object, message, count } = line;
        let color = if reason == "script" {
            Color::Cyan
        } else if *warning {
            Color::Yellow
        } else {
            Color::Reset
        };
        let often = if *count > 1 { format!(" (x{count})") } else { String::new() };
        let text = if object.is_empty() { message.clone() } else { format!("{object}  {message}{often}") };
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Line::from(vec![format!("{at}  ").dim(), format!("{reason:<20} ").fg(color), text.into()])
    };
    let lines: Vec<Line> = view.feed[view.feed.len().saturating_sub(fit)..].iter().map(line).collect();
    Paragraph::new(lines).block(Block::bordered().title(" events "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::pace::Key;
    use crate::watch::tests::small_run;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use wavetank_engine::time::SimTime;

    /// A page as text, one line for each row of cells.
    fn page(view: &View, pace: &Pace, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view, pace)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_string();
        (0..height).map(row).collect()
    }

    #[test]
    fn a_page_tells_pods_nodes_workloads_and_what_happened() {
        let mut run = small_run();
        run.run_until(SimTime::from_secs(30), &mut |_| {}).unwrap();
        let mut pace = Pace::new(10.0);
        pace.press(Key::Pause);
        let page = page(&View::of(&run, &[]), &pace, 100, 40);
        assert_eq!(page[0], " web.ron   00:30.000 of 01:00.000   10x   paused");
        assert!(page[1].contains("50%"), "{page:#?}");
        assert!(page[2].contains("pods 3") && page[3].contains("Running 3"), "{page:#?}");
        let row = |words: &[&str]| page.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(row(&["nodes 2/2", "workloads"]), "{page:#?}");
        assert!(row(&["n-1", "Ready", "0%"]), "{page:#?}");
        assert!(row(&["deployment/web", "3/3"]), "{page:#?}");
        assert!(row(&["00:30.000", "ScalingReplicaSet", "Scaled up replica set"]), "{page:#?}");
        assert!(page[39].contains("q quit"));
    }

    #[test]
    fn what_has_no_room_is_counted_and_trouble_comes_first() {
        let node = |name: usize| NodeRow {
            name: format!("node-{name}"),
            ready: name != 70,
            cordoned: false,
            pods: 1,
            requested_percent: [Some(40), None],
        };
        let workload = |name: usize| Rollout {
            name: format!("deployment/d{name:03}"),
            wanted: 2,
            updated: 2,
            ready: if name == 199 { 1 } else { 2 },
            note: String::new(),
        };
        let mut node_rows: Vec<NodeRow> = (0..100).map(node).collect();
        node_rows.sort_by_key(|node| node.ready);
        let view = View { nodes: 5000, nodes_ready: 4999, node_rows, workloads: (0..200).map(workload).collect(), ..View::default() };
        let page = page(&view, &Pace::new(1.0), 110, 24);
        let text = page.join("\n");
        for part in ["nodes 4999/5000 (4994 more)", "node-70", "NotReady", "40%", "deployment/d199", "1/2", "(194 more)"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_tiny_terminal_is_no_bug() {
        let mut run = small_run();
        run.run_until(SimTime::from_secs(5), &mut |_| {}).unwrap();
        for (width, height) in [(1, 1), (10, 3), (30, 8), (300, 4)] {
            page(&View::of(&run, &[]), &Pace::new(1.0), width, height);
        }
    }
}
