//! For which zone's clients each endpoint of a Service with `service.kubernetes.io/topology-mode: Auto` is: as many for each zone as its
//! share of the nodes' CPU.
//!
//! Choice: the original keeps hints that it gave before as long as no zone is overloaded; here they always follow from what is there now.
//!
//! Source: kubernetes v1.36, staging `endpointslice/topologycache/topologycache.go`, `AddHints`; `spec/networking.md` §3.

use std::collections::BTreeMap;

/// The annotation, and the one of old.
pub const ANNOTATIONS: [&str; 2] = ["service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"];
/// Nodes with one of these labels do not count.
pub const EXCLUDED: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
/// How much more than its share an endpoint may get.
const OVERLOAD: f64 = 0.2;

/// Whether an annotation's value asks for hints.
pub fn wanted(value: &str) -> bool {
    matches!(value, "Auto" | "auto")
}

/// What can be allocated of the CPU of ready nodes, by zone. Unit: milli-cores. `None` where a node has no zone or no CPU, or all are in
/// one zone.
pub fn cpu_by_zone<'a>(nodes: impl Iterator<Item = (Option<&'a str>, i64)>) -> Option<BTreeMap<&'a str, i64>> {
    let mut zones: BTreeMap<&str, i64> = BTreeMap::new();
    for (zone, cpu_millicores) in nodes {
        let zone = zone.filter(|zone| !zone.is_empty() && cpu_millicores > 0)?;
        *zones.entry(zone).or_default() += cpu_millicores;
    }
    (zones.len() > 1).then_some(zones)
}

/// The zone for which each endpoint is, given its zone and whether it is ready; none for those that are not. All have none where there are
/// too few, or where a zone would be overloaded in spite of it.
pub fn hints<'a>(endpoints: &[(&'a str, bool)], cpu: &BTreeMap<&'a str, i64>) -> Vec<Option<&'a str>> {
    let ready = endpoints.iter().filter(|endpoint| endpoint.1).count();
    let (Some(desired), true) = (desired(ready, cpu), endpoints.iter().all(|(zone, ready)| !ready || !zone.is_empty())) else {
        return vec![None; endpoints.len()];
    };
    let mut hints: Vec<Option<&str>> = endpoints.iter().map(|&(zone, ready)| ready.then_some(zone)).collect();
    let mut have: BTreeMap<&str, usize> = BTreeMap::new();
    hints.iter().flatten().for_each(|zone| *have.entry(zone).or_default() += 1);
    let (mut giving, mut receiving) = exchanges(&desired, &have);
    for hint in hints.iter_mut().flatten() {
        let Some(give) = giving.get_mut(hint).filter(|give| **give > 0) else { continue };
        let Some((zone, take)) = receiving.iter_mut().find(|(_, take)| **take > 0) else { break };
        *give -= 1;
        *take -= 1;
        *hint = zone;
    }
    hints
}

/// How many endpoints each zone should have; `None` where that can't be without overloading one.
fn desired<'a>(ready: usize, cpu: &BTreeMap<&'a str, i64>) -> Option<BTreeMap<&'a str, f64>> {
    let total: i64 = cpu.values().sum();
    if cpu.len() > ready || total <= 0 {
        return None;
    }
    let mut left = ready as i64;
    let mut desired = BTreeMap::new();
    for (&zone, &cpu) in cpu {
        let share = cpu as f64 / total as f64 * ready as f64;
        let minimum = (share * (1.0 / (1.0 + OVERLOAD))).ceil();
        left -= minimum as i64;
        desired.insert(zone, share.max(minimum));
    }
    (left >= 0).then_some(desired)
}

/// How many endpoints of each zone are for others, and how many each zone gets from others.
fn exchanges<'a>(
    desired: &BTreeMap<&'a str, f64>,
    have: &BTreeMap<&'a str, usize>,
) -> (BTreeMap<&'a str, usize>, BTreeMap<&'a str, usize>) {
    let over = |zone: &str| have.get(zone).copied().unwrap_or(0) as f64 - desired[zone];
    let mut giving: BTreeMap<&str, f64> = desired.keys().map(|&zone| (zone, over(zone))).filter(|pair| pair.1 > 0.0).collect();
    let mut receiving: BTreeMap<&str, f64> = desired.keys().map(|&zone| (zone, -over(zone))).filter(|pair| pair.1 > 0.0).collect();
    let (mut gives, mut takes) = (BTreeMap::new(), BTreeMap::new());
    while let (Some((from, give)), Some((to, take))) = (most(&giving), most(&receiving)) {
        if give < 1.0 && take < 1.0 || give < 0.5 || take < 0.5 {
            break;
        }
        *gives.entry(from).or_insert(0) += 1;
        *takes.entry(to).or_insert(0) += 1;
        giving.entry(from).and_modify(|left| *left -= 1.0);
        receiving.entry(to).and_modify(|left| *left -= 1.0);
    }
    (gives, takes)
}

/// The zone with most; the first by name of equal ones.
fn most<'a>(zones: &BTreeMap<&'a str, f64>) -> Option<(&'a str, f64)> {
    let mut best = None;
    for (&zone, &number) in zones.iter().filter(|pair| *pair.1 > 0.0) {
        if best.is_none_or(|(_, most)| number > most) {
            best = Some((zone, number));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_table() {
        // Nodes as zone and cores; endpoints by zone, small letters are not ready; hints, or `-` for none.
        for (nodes, endpoints, want) in [
            ("a4 b4", "AABB", "aabb"),
            ("a4 b4", "AAAB", "baab"),
            ("a4 b4", "AAAA", "bbaa"),
            ("a4 b4 c4", "AAAABC", "bcaabc"),
            ("a4 b4 c4", "AAAAAA", "bbccaa"),
            ("a8 b4", "ABB", "aab"),
            ("a8 b4", "AaBB", "a-ab"),
            // Fewer endpoints than zones; a zone that would be overloaded; nodes in one zone, or in none.
            ("a4 b4 c4", "AB", "--"),
            ("a4 b4 c4", "ABCC", "----"),
            ("a4 a4", "AA", "--"),
            ("a4 .4", "AA", "--"),
        ] {
            let node = |word: &'static str| (Some(&word[..1]).filter(|zone| *zone != "."), word[1..].parse::<i64>().unwrap() * 1000);
            let names = ["a", "b", "c"];
            let zone = |letter: char| names[(letter.to_ascii_lowercase() as u8 - b'a') as usize];
            let list: Vec<(&str, bool)> = endpoints.chars().map(|letter| (zone(letter), letter.is_ascii_uppercase())).collect();
            let cpu = cpu_by_zone(nodes.split(' ').map(node));
            let got = cpu.map_or_else(|| vec![None; list.len()], |cpu| hints(&list, &cpu));
            let got: String = got.into_iter().map(|hint| hint.unwrap_or("-")).collect();
            assert_eq!(got, want, "{nodes}: {endpoints}");
        }
    }
}
