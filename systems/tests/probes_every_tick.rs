//! A probe that runs at every tick and one that sleeps until a tick changes something give the same journal and the same events.

mod common;

use common::{Cluster, secs, span};
use proptest::prelude::*;
use serde_json::{Value, json};
use wavetank_engine::scene::format::DurationText;
use wavetank_engine::scene::program::{AnswerText, OnTermText, ProgramText};
use wavetank_systems::kubelet;
use wavetank_systems::kubelet::probes::EveryTick;

#[derive(Debug, Clone)]
struct Case {
    probes: [Option<(u32, u32, u32, u32)>; 3],
    ready_after_s: u64,
    outages: [Vec<(u64, u64, bool)>; 3],
    runs_for_s: Option<u64>,
    term_s: u64,
    deleted_s: Option<u64>,
}

fn text(s: u64) -> DurationText {
    DurationText(span(s))
}

fn answers(list: &[(u64, u64, bool)]) -> Vec<AnswerText> {
    let mut from = 0;
    let spans = list.iter().map(|&(gap_s, length_s, late)| {
        let begins = from + gap_s;
        from = begins + length_s;
        if late { AnswerText::TimesOut(text(begins), text(from)) } else { AnswerText::Fails(text(begins), text(from)) }
    });
    spans.collect()
}

fn probe(parameters: Option<(u32, u32, u32, u32)>, success: bool) -> Value {
    parameters.map_or(Value::Null, |(delay, period, successes, failures)| {
        json!({"tcpSocket": {"port": 80}, "initialDelaySeconds": delay, "periodSeconds": period,
            "successThreshold": if success { successes } else { 1 }, "failureThreshold": failures})
    })
}

fn run(case: &Case, every_tick: bool) -> (Vec<String>, Vec<String>, u64) {
    let mut cluster = Cluster::ideal(1, &[kubelet::install]);
    cluster.sim.get_mut::<EveryTick>().0 = every_tick;
    let program = ProgramText {
        ready_after: text(case.ready_after_s),
        runs_for: case.runs_for_s.map(text),
        liveness: answers(&case.outages[0]),
        readiness: answers(&case.outages[1]),
        startup: answers(&case.outages[2]),
        on_term: OnTermText::ExitsAfter(text(case.term_s)),
        ..ProgramText::default()
    };
    cluster.program("web", program);
    let mut container = json!({"name": "c", "image": "web:1"});
    for (field, at, success) in [("livenessProbe", 0, false), ("readinessProbe", 1, true), ("startupProbe", 2, false)] {
        if case.probes[at].is_some() {
            container[field] = probe(case.probes[at], success);
        }
    }
    let pod = cluster.pod("web", "n1", json!({"containers": [container]}));
    if let Some(at) = case.deleted_s {
        cluster.run(secs(at));
        cluster.delete(pod, None);
    }
    cluster.run(secs(400));
    let fired = cluster.sim.get::<wavetank_engine::simulation::clock::Clock>().fired;
    (cluster.journal(), cluster.events(pod), fired)
}

fn cases() -> impl Strategy<Value = Case> {
    let one = || proptest::option::weighted(0.7, (0u32..12, 1u32..12, 1u32..4, 1u32..4));
    let list = || proptest::collection::vec((1u64..60, 1u64..30, any::<bool>()), 0..3);
    (
        [one(), one(), one()],
        0u64..20,
        [list(), list(), list()],
        proptest::option::weighted(0.3, 20u64..150),
        0u64..5,
        proptest::option::weighted(0.5, 1u64..300),
    )
        .prop_map(|(probes, ready_after_s, outages, runs_for_s, term_s, deleted_s)| Case {
            probes,
            ready_after_s,
            outages,
            runs_for_s,
            term_s,
            deleted_s,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn both_ways_give_the_same(case in cases()) {
        let (journal, events, _) = run(&case, false);
        let (journal_of_all, events_of_all, _) = run(&case, true);
        prop_assert_eq!(journal, journal_of_all);
        prop_assert_eq!(events, events_of_all);
    }
}

#[test]
fn a_probe_that_keeps_succeeding_costs_nothing() {
    let case = Case {
        probes: [Some((0, 5, 1, 3)), Some((0, 5, 1, 3)), None],
        ready_after_s: 0,
        outages: [Vec::new(), Vec::new(), Vec::new()],
        runs_for_s: None,
        term_s: 0,
        deleted_s: None,
    };
    assert_eq!(run(&case, false).2, 0);
    assert_eq!(run(&case, true).2, 80);
}
