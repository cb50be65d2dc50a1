//! Which endpoints of a Service port a node's kube-proxy uses, for each traffic policy.
//!
//! Source: kubernetes v1.36, `pkg/proxy/topology.go`, `CategorizeEndpoints`; `spec/networking.md` §6.

/// An endpoint as a node's proxy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Whether it runs on the node.
    pub local: bool,
    /// `conditions.ready`.
    pub ready: bool,
    /// `conditions.serving`.
    pub serving: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
    /// What its node hints say.
    pub node_hint: Hint,
    /// What its zone hints say.
    pub zone_hint: Hint,
}

/// What an endpoint's hints say of a node or its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// There are none.
    Absent,
    /// They name it.
    Here,
    /// They name others alone.
    Elsewhere,
}

/// Whom a Service port serves and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    /// `internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// `externalTrafficPolicy: Local`.
    pub external_local: bool,
    /// Whether it can be reached from outside: by node port, load balancer or external address.
    pub external: bool,
}

/// Endpoints to use, as places in the list of candidates, each in order of that list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// For traffic with the policy Cluster; `None` when no traffic has it, or there is no candidate at all.
    pub cluster: Option<Vec<usize>>,
    /// For traffic with the policy Local; `None` when no traffic has it, or nobody is there.
    pub local: Option<Vec<usize>>,
    /// Whoever is in one of the two.
    pub all: Option<Vec<usize>>,
    /// Whether there is a usable endpoint anywhere, reachable from here or not: then a packet without an endpoint is dropped, not refused.
    pub any: bool,
}

/// Sorts the endpoints of a Service port for one node. Where no endpoint is ready, those that serve while they terminate stand in.
pub fn categorize(candidates: &[Candidate], policies: Policies) -> Reach {
    let uses_cluster = !policies.internal_local || policies.external;
    let uses_local = policies.internal_local || policies.external_local && policies.external;
    let cluster = (uses_cluster && !candidates.is_empty()).then(|| {
        let hint = hint_in_force(candidates);
        ready_or_leaving(candidates, |candidate| hint.is_none_or(|hint| hint(candidate) == Hint::Here), |_| true)
    });
    if !uses_local {
        let any = cluster.as_ref().is_some_and(|list| !list.is_empty());
        return Reach { all: cluster.clone(), cluster, local: None, any };
    }
    let any = candidates.iter().any(|candidate| candidate.ready || leaving(candidate));
    let local = ready_or_leaving(candidates, |candidate| candidate.local, |candidate| candidate.local);
    let local = (!local.is_empty()).then_some(local);
    let all = match (&cluster, &local) {
        (Some(cluster), Some(local)) => Some(union(cluster, local)),
        (one, other) => one.clone().or_else(|| other.clone()),
    };
    Reach { cluster, local, all, any }
}

fn leaving(candidate: &Candidate) -> bool {
    candidate.serving && candidate.terminating
}

/// The ready ones that fit, or else the leaving ones that fit.
fn ready_or_leaving(
    candidates: &[Candidate],
    ready_fits: impl Fn(&Candidate) -> bool,
    leaving_fits: impl Fn(&Candidate) -> bool,
) -> Vec<usize> {
    let places = |fits: &dyn Fn(&Candidate) -> bool| -> Vec<usize> {
        candidates.iter().enumerate().filter(|(_, candidate)| fits(candidate)).map(|(place, _)| place).collect()
    };
    let ready = places(&|candidate| candidate.ready && ready_fits(candidate));
    if ready.is_empty() { places(&|candidate| leaving(candidate) && leaving_fits(candidate)) } else { ready }
}

/// The hints to go by: of nodes, else of zones, if every ready endpoint has them and one of them is meant for here.
fn hint_in_force(candidates: &[Candidate]) -> Option<fn(&Candidate) -> Hint> {
    let hints: [fn(&Candidate) -> Hint; 2] = [|candidate| candidate.node_hint, |candidate| candidate.zone_hint];
    hints.into_iter().find(|hint| {
        let mut ready = candidates.iter().filter(|candidate| candidate.ready).map(hint);
        ready.clone().all(|hint| hint != Hint::Absent) && ready.any(|hint| hint == Hint::Here)
    })
}

/// Places in one of two ascending lists, ascending.
fn union(left: &[usize], right: &[usize]) -> Vec<usize> {
    let both: std::collections::BTreeSet<usize> = left.iter().chain(right).copied().collect();
    both.into_iter().collect()
}
