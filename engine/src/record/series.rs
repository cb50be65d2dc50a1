//! Time series of a run: points of what the store holds at a moment. They are taken only when somebody asks.
//!
//! Amounts are whole thousandths, so that their text is the same everywhere.

use crate::ids::Kind;
use crate::model::meta::Meta;
use crate::model::node::NodeStatus;
use crate::model::pod::{Pod, PodPhase, PodStatus};
use crate::record::collect::{living, resource_sums, rollouts, traffic};
use crate::record::events::Events;
use crate::record::summary::TrafficReport;
use crate::record::tally::Tally;
use crate::scene::arrivals::{Arrivals, Flows, MEASURES, places};
use crate::simulation::Simulation;
use crate::time::{SimDuration, SimTime};

/// Schema of the points as a table.
pub const SCHEMA: &str = "wavetank.series/1";

/// One value of one series at the moment of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Name of the series, with its unit where it has one: `requested_cpu_cores`.
    pub series: &'static str,
    /// What the value is of: `phase` and `Running`.
    pub labels: Vec<(&'static str, String)>,
    /// Unit: thousandths of the series' unit.
    pub milli: i128,
}

impl Point {
    /// A whole number.
    pub fn count(series: &'static str, labels: &[(&'static str, &str)], count: impl Into<i128>) -> Point {
        Point::milli(series, labels, count.into() * 1000)
    }

    /// Thousandths.
    pub fn milli(series: &'static str, labels: &[(&'static str, &str)], milli: impl Into<i128>) -> Point {
        Point { series, labels: labels.iter().map(|&(name, value)| (name, value.to_string())).collect(), milli: milli.into() }
    }

    /// `part` as a share of `all`; `None` when there is nothing to have a share of. Unit: percent.
    pub fn percent(series: &'static str, labels: &[(&'static str, &str)], part: i128, all: i128) -> Option<Point> {
        (all > 0).then(|| Point::milli(series, labels, part * 100_000 / all))
    }

    /// The labels as text: `name=value` with `;` between.
    pub fn labels_text(&self) -> String {
        self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(";")
    }

    /// The value as a decimal number without zeros at its end.
    pub fn value_text(&self) -> String {
        decimal(self.milli, 3)
    }
}

/// A number of `10^-places` as a decimal without zeros at its end.
fn decimal(number: i128, places: u32) -> String {
    let unit = 10_u128.pow(places);
    let sign = if number < 0 { "-" } else { "" };
    let (whole, rest) = (number.unsigned_abs() / unit, number.unsigned_abs() % unit);
    let text = format!("{sign}{whole}.{rest:0width$}", width = places as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A moment as seconds, to the nanosecond.
pub fn seconds_text(at: SimTime) -> String {
    decimal(i128::from(at.0), 9)
}

/// Takes samples of one run, in order of time.
#[derive(Debug, Clone, Default)]
pub struct Sampler {
    /// When the sample before was taken, and the requests until then.
    before: Option<(SimTime, Vec<TrafficReport>)>,
}

impl Sampler {
    /// What the store holds now.
    pub fn look(&mut self, sim: &Simulation) -> Vec<Point> {
        let mut points = nodes_and_pods(sim);
        points.extend(totals(sim));
        points.extend(resources(sim));
        for rollout in rollouts(sim) {
            let of = [("workload", rollout.name.as_str())];
            points.push(Point::count("workload_pods_wanted", &of, rollout.wanted));
            points.push(Point::count("workload_pods_updated", &of, rollout.updated));
            points.push(Point::count("workload_pods_ready", &of, rollout.ready));
        }
        points.extend(self.requests(sim));
        points
    }

    /// Requests so far, and their rates since the sample before.
    fn requests(&mut self, sim: &Simulation) -> Vec<Point> {
        let reports = traffic(sim);
        let mut points = Vec::new();
        for (at, report) in reports.iter().enumerate() {
            let before = self.before.as_ref().and_then(|(since, list)| Some((*since, list.get(at)?)));
            let old = before.map(|(_, report)| outcomes(report));
            for (place, (outcome, count)) in outcomes(report).into_iter().enumerate() {
                let mut of = vec![("to", report.to.as_str())];
                of.extend(report.from.as_deref().map(|from| ("from", from)));
                of.push(("outcome", outcome));
                points.push(Point::count("requests_total", &of, count));
                if let (Some((since, _)), Some(old)) = (before, &old) {
                    let passed = i128::from(sim.now().since(since).0);
                    let milli = i128::from(count.saturating_sub(old[place].1)) * 1_000_000_000_000 / passed.max(1);
                    points.push(Point::milli("requests_per_s", &of, milli));
                }
            }
        }
        points.extend(self.errors(&reports));
        points.extend(latencies(sim));
        self.before = Some((sim.now(), reports));
        points
    }

    /// Requests to each place that were not served, since the sample before, as a share of those sent.
    fn errors(&self, reports: &[TrafficReport]) -> Vec<Point> {
        let Some((_, before)) = &self.before else { return Vec::new() };
        let sums = |list: &[TrafficReport], to: &str| {
            let of = list.iter().filter(|report| report.to == to);
            of.fold((0_i128, 0_i128), |sum, one| (sum.0 + i128::from(one.sent), sum.1 + i128::from(one.sent - one.served)))
        };
        let mut points = Vec::new();
        for (at, report) in reports.iter().enumerate() {
            if reports[..at].iter().all(|other| other.to != report.to) {
                let (now, old) = (sums(reports, &report.to), sums(before, &report.to));
                points.extend(Point::percent("request_errors_percent", &[("to", &report.to)], now.1 - old.1, now.0 - old.0));
            }
        }
        points
    }
}

/// How long requests take that come now, by where they go.
fn latencies(sim: &Simulation) -> Vec<Point> {
    let (Some(flows), Some(arrivals)) = (sim.find::<Flows>(), sim.find::<Arrivals>()) else { return Vec::new() };
    let mut points = Vec::new();
    for to in places(flows) {
        let Some(latency) = arrivals.latency_to(flows, to, sim.now()) else { continue };
        let (own, calls) = (arrivals.has_latency(flows, to), latency.with_calls.is_some_and(|span| span > SimDuration::ZERO));
        for measure in MEASURES.into_iter().filter(|&measure| if measure == "with calls" { calls } else { own }) {
            let milli = latency.of(measure).map_or(0, |span| i128::from(span.0 / 1000));
            points.push(Point::milli("request_latency_ms", &[("to", to), ("measure", measure)], milli));
        }
    }
    points
}

fn outcomes(report: &TrafficReport) -> [(&'static str, u64); 5] {
    let TrafficReport { sent, served, refused, timed_out, dropped, .. } = report;
    [("sent", *sent), ("served", *served), ("refused", *refused), ("timed_out", *timed_out), ("dropped", *dropped)]
}

fn nodes_and_pods(sim: &Simulation) -> Vec<Point> {
    let nodes: Vec<bool> = living(sim, Kind::Node).map(|row| sim.state::<NodeStatus>(row.object).is_some_and(NodeStatus::ready)).collect();
    let phases = [PodPhase::Pending, PodPhase::Running, PodPhase::Succeeded, PodPhase::Failed, PodPhase::Unknown];
    let mut of_phase = [0_u64; 5];
    let (mut ready, mut unplaced, mut terminating) = (0_u64, 0_u64, 0_u64);
    for row in living(sim, Kind::Pod) {
        let (Some(pod), Some(status)) = (sim.state::<Pod>(row.object), sim.state::<PodStatus>(row.object)) else { continue };
        for (count, phase) in of_phase.iter_mut().zip(phases) {
            *count += u64::from(status.phase == phase);
        }
        ready += u64::from(status.ready());
        unplaced += u64::from(pod.node.is_empty() && !status.phase.terminal());
        let meta = sim.state::<Meta>(row.object);
        terminating += u64::from(meta.is_some_and(Meta::terminating));
    }
    let mut points = vec![
        Point::count("nodes", &[], nodes.len() as u64),
        Point::count("nodes_ready", &[], nodes.iter().filter(|&&ready| ready).count() as u64),
    ];
    points.extend(phases.into_iter().zip(of_phase).map(|(phase, count)| Point::count("pods", &[("phase", phase.text())], count)));
    points.push(Point::count("pods_ready", &[], ready));
    points.push(Point::count("pods_without_node", &[], unplaced));
    points.push(Point::count("pods_terminating", &[], terminating));
    points
}

fn totals(sim: &Simulation) -> Vec<Point> {
    let tally = sim.get::<Tally>();
    let list = [
        ("pods_created_total", tally.pods_created),
        ("pods_deleted_total", tally.pods_deleted),
        ("bindings_total", tally.bindings),
        ("evictions_total", tally.evictions),
        ("restarts_total", tally.restarts),
        ("events_total", sim.get::<Events>().total()),
    ];
    list.into_iter().map(|(series, count)| Point::count(series, &[], count)).collect()
}

/// What nodes can give, what pods on nodes request, and its share.
fn resources(sim: &Simulation) -> Vec<Point> {
    let sums = resource_sums(sim);
    let mut points = Vec::new();
    for (resource, (requested, allocatable)) in sums.into_iter().filter(|(_, (_, all))| *all > 0) {
        let of = [("resource", resource)];
        // CPU is counted in milli-cores, everything else in whole units.
        let milli = |amount: i128| if resource == "cpu" { amount } else { amount * 1000 };
        points.push(Point::milli("allocatable", &of, milli(allocatable)));
        points.push(Point::milli("requested", &of, milli(requested)));
        points.extend(Point::percent("requested_percent", &of, requested, allocatable));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_needless_digits() {
        let text = |milli: i64| Point::milli("x", &[], milli).value_text();
        assert_eq!([0, 1, 1500, -250, 3_000_000].map(text), ["0", "0.001", "1.5", "-0.25", "3000"]);
        assert_eq!(seconds_text(SimTime(12_500_000_000)), "12.5");
        assert_eq!(Point::percent("x", &[], 1, 3).map(|point| point.value_text()), Some("33.333".to_string()));
        assert_eq!(Point::percent("x", &[], 1, 0), None);
    }

    #[test]
    fn labels_are_pairs() {
        assert_eq!(Point::count("x", &[("to", "service/web"), ("outcome", "sent")], 1).labels_text(), "to=service/web;outcome=sent");
    }
}
