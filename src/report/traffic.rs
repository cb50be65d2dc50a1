//! What became of requests: sums of each flow at the end of each stretch, and how long those took that came then.

use serde_json::{Value, json};
use wavetank_engine::scene::arrivals::{Arrivals, Flows};
use wavetank_engine::simulation::Simulation;

/// Flows that are kept.
pub const FLOWS_MAX: usize = 100;

/// Served, refused, timed out and dropped so far.
type Sums = [Vec<u64>; 4];

/// How long requests took that came at the end of each stretch: the mean and 99 of 100. Unit: microseconds.
type Latencies = [Vec<Option<u64>>; 2];

/// All flows, in the order in which the scene names them.
#[derive(Debug, Default)]
pub struct Traffic {
    names: Vec<String>,
    sums: Vec<Sums>,
    latencies: Vec<Latencies>,
    left_out: usize,
}

impl Traffic {
    /// Takes the sums of the present moment.
    pub fn column(&mut self, sim: &Simulation) {
        let (Some(flows), Some(arrivals)) = (sim.find::<Flows>(), sim.find::<Arrivals>()) else { return };
        if self.sums.is_empty() {
            let kept = &flows.0[..flows.0.len().min(FLOWS_MAX)];
            let from = |from: &Option<String>| from.as_ref().map_or(String::new(), |from| format!("{from} → "));
            self.names = kept.iter().map(|flow| from(&flow.from) + &flow.to).collect();
            self.sums = kept.iter().map(|_| Sums::default()).collect();
            self.latencies = kept.iter().map(|_| Latencies::default()).collect();
            self.left_out = flows.0.len() - kept.len();
        }
        for (at, sums) in self.sums.iter_mut().enumerate() {
            let counts = arrivals.counts(flows, at, sim.now());
            let now = [counts.served(), counts.refused(), counts.timed_out(), counts.dropped()];
            sums.iter_mut().zip(now).for_each(|(column, sum)| column.push(sum));
        }
        for (flow, latencies) in flows.0.iter().zip(&mut self.latencies) {
            let known = arrivals.has_latency(flows, &flow.to).then(|| arrivals.latency_to(flows, &flow.to, sim.now())).flatten();
            let micros = known.map(|latency| [latency.mean, latency.p99].map(|span| span.0 / 1000));
            latencies.iter_mut().enumerate().for_each(|(at, column)| column.push(micros.map(|pair| pair[at])));
        }
    }

    /// Sentences on what is not in the report.
    pub fn left_out(&self) -> Vec<String> {
        let left_out = self.left_out;
        (left_out > 0).then(|| format!("{left_out} more flows of requests than the first {FLOWS_MAX}")).into_iter().collect()
    }

    /// Names, the sums of served, refused, timed out and dropped requests by column, and the mean and 99th percentile of their latency, if
    /// anything is known of it.
    pub fn json(&self) -> Value {
        let flow = |((name, sums), latencies): ((&String, &Sums), &Latencies)| {
            let known = latencies.iter().flatten().any(Option::is_some);
            json!({"name": name, "sums": sums, "latency_us": known.then_some(latencies)})
        };
        self.names.iter().zip(&self.sums).zip(&self.latencies).map(flow).collect()
    }
}
