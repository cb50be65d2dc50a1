//! One turn of an autoscaler: waits for its time, decides, and carries out the writes one after the other.

use super::answer::{Setting, answer};
use super::behavior::Behavior;
use super::controller::{AutoscalerQueue, Autoscalers, DOWNSCALE_STABILIZATION, Known, Own, Pending, SYNC_PERIOD, TOLERANCE};
use super::metric::Metric;
use super::normalize::Normalizer;
use super::proposal::Tolerances;
use super::reads::{Apis, Asker};
use super::scale::{Scale, selector_text};
use super::verdict::{BadSelector, Facts, Heard, Set, Verdict, decide, no_scale};
use crate::autoscaling::metrics::MetricsApi;
use serde_json::Value;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{Reply, Verb};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Revision};
use wavetank_engine::model::autoscaling::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus};
use wavetank_engine::model::meta::{Condition, ConditionStatus, set_condition};
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// Everything that a turn works with.
pub(super) struct Turn<'t, 'w, 'o, 's, 'a> {
    pub(super) work: &'t mut Work<'w, AutoscalerQueue>,
    pub(super) own: &'t Own<'o, 's>,
    pub(super) api: &'t mut MetricsApi<'a>,
    pub(super) state: &'t mut Autoscalers,
    pub(super) names: &'t mut Names,
    pub(super) selectors: &'t mut Selectors,
    pub(super) events: &'t mut Events,
}

impl Turn<'_, '_, '_, '_, '_> {
    pub(super) fn take(mut self, mut item: Item) {
        let own = self.own;
        let (Some(spec), Some(meta)) = (own.specs.get(item.object), own.metas.get(item.object)) else {
            self.state.known.remove(&item.object.uid);
            return;
        };
        let key = ObjectKey { kind: Kind::HorizontalPodAutoscaler, namespace: meta.namespace, name: meta.name };
        let now = self.work.now();
        let fresh = || Known { due: now + SYNC_PERIOD, memory: Normalizer::default(), selector: None, pending: None };
        let known = self.state.known.entry(item.object.uid).or_insert_with(fresh);
        match (known.pending.take(), item.replies.pop()) {
            (Some(pending), Some(reply)) => self.answered(&item, spec, key, pending, reply),
            (None, _) if known.due > now => self.work.wake_at(item.object, known.due),
            (None, _) => self.sync(&item, spec, key),
            (pending @ Some(_), None) => known.pending = pending,
        }
    }

    fn sync(&mut self, item: &Item, spec: &HorizontalPodAutoscaler, key: ObjectKey) {
        let Some(before) = self.own.statuses.get(item.object) else { return };
        let base = self.own.pods.listing.revision(item.object);
        let mut status = before.clone();
        let scale = self.scale(spec, key);
        let verdict = match &scale {
            Err(why) => no_scale(why),
            Ok(scale) => self.decide(item.object, spec, key, scale),
        };
        for warning in &verdict.warnings {
            let (reason, message) = (self.names.sym(warning.reason), self.names.sym(&warning.message));
            self.event(item.object, key, true, (reason, self.own.texts.whole), &[Arg::Text(message)]);
        }
        verdict.conditions.iter().for_each(|set| self.condition(&mut status, set));
        let Ok(scale) = scale else {
            self.put_status(item, status, base);
            return;
        };
        let Verdict { rescale, desired, metrics, .. } = verdict;
        status.current_replicas = scale.replicas;
        status.current_metrics = metrics;
        status.desired_replicas = desired.unwrap_or(status.desired_replicas);
        match rescale {
            None => self.put_status(item, status, base),
            Some((to, reason)) => {
                self.pend(item.object, Pending::Scale { from: scale.replicas, to, reason, status, base });
                self.work.ask(item, Verb::Scale { object: scale.object, replicas: to });
            }
        }
    }

    fn scale(&mut self, spec: &HorizontalPodAutoscaler, key: ObjectKey) -> Result<Scale, String> {
        let text = |field: &str| spec.raw.at(&["scaleTargetRef", field]).and_then(Value::as_str).unwrap_or("");
        let target = ObjectKey { kind: spec.target_kind, namespace: key.namespace, name: spec.target };
        self.own.targets.scale(&self.own.pods.listing, self.names, target, (text("apiVersion"), text("kind")))
    }

    fn decide(&mut self, object: ObjRef, spec: &HorizontalPodAutoscaler, key: ObjectKey, scale: &Scale) -> Verdict {
        let now = self.work.now();
        let behavior = spec.raw.at(&["behavior"]);
        let rules = behavior.and_then(|behavior| Behavior::read(behavior, DOWNSCALE_STABILIZATION));
        let facts = Facts { current: scale.replicas, min: spec.min_replicas, max: spec.max_replicas, behavior: rules.as_ref(), now };
        let known = self.state.known.get_mut(&object.uid);
        let mut memory = known.map(|known| std::mem::take(&mut known.memory)).unwrap_or_default();
        let verdict = decide(facts, &mut memory, || self.hear(object, spec, key, scale));
        if let Some(known) = self.state.known.get_mut(&object.uid) {
            known.memory = memory;
        }
        verdict
    }

    /// Reads the metrics of the pods that the target selects.
    fn hear(&mut self, object: ObjRef, spec: &HorizontalPodAutoscaler, key: ObjectKey, scale: &Scale) -> Result<Vec<Heard>, BadSelector> {
        let selector = scale.selector.ok_or_else(|| BadSelector {
            event: "SelectorRequired",
            reason: "InvalidSelector",
            message: "the HPA target's scale is missing a selector".into(),
            error: "selector is required".into(),
        })?;
        if let Some(known) = self.state.known.get_mut(&object.uid) {
            known.selector = Some(selector);
        }
        let pods = self.own.pods.selected(&mut self.state.matching, self.selectors, selector, key.namespace);
        let rivals = self.rivals(key.namespace, &pods);
        if rivals.len() > 1 {
            let text = selector_text(self.names, self.selectors.get(selector));
            let error = format!("pods by selector {text} are controlled by multiple HPAs: [{}]", rivals.join(" "));
            return Err(BadSelector { event: "AmbiguousSelector", reason: "AmbiguousSelector", message: error.clone(), error });
        }
        let namespace = self.names.text(key.namespace).to_string();
        let tolerances = Tolerances::read(spec.raw.at(&["behavior"]).unwrap_or(&Value::Null), TOLERANCE);
        let (current, status_replicas) = (scale.replicas, scale.status_replicas);
        let now = self.work.now();
        let setting = Setting { current, status_replicas, tolerances, namespace: &namespace, now };
        let metrics = spec.raw.at(&["metrics"]).and_then(Value::as_array).into_iter().flatten().map(Metric::read);
        let heard = metrics.map(|metric| {
            let apis = Apis { resources: &mut *self.api, custom: &self.own.custom };
            let read = self.own.pods.read(&metric, &pods, apis, Asker { names: self.names, namespace: key.namespace, now });
            Heard { answer: answer(&metric, &read, setting), shown: metric.shown }
        });
        Ok(heard.collect())
    }

    /// The autoscalers of the namespace whose targets select one of these pods.
    ///
    /// Choice: the original names them in no order; ours is by name.
    fn rivals(&self, namespace: Sym, pods: &[ObjRef]) -> Vec<String> {
        let own = self.own;
        let mut rivals = Vec::new();
        for autoscaler in own.pods.listing.in_namespace(Kind::HorizontalPodAutoscaler, namespace) {
            let selector = self.state.known.get(&autoscaler.uid).and_then(|known| known.selector);
            let selects = selector.is_some_and(|selector| own.pods.any_match(self.selectors, selector, pods));
            if let Some(row) = own.pods.listing.row(autoscaler).filter(|_| selects) {
                rivals.push(format!("{}/{}", self.names.text(namespace), self.names.render(row.key.name)));
            }
        }
        rivals.sort_unstable();
        rivals
    }

    fn answered(&mut self, item: &Item, spec: &HorizontalPodAutoscaler, key: ObjectKey, pending: Pending, reply: Reply) {
        match pending {
            Pending::Scale { from, to, reason, status, base } => self.scaled(item, spec, key, (from, to, reason), (status, base), reply),
            Pending::Status => {
                if let Some(refusal) = reply.refusal() {
                    let (reason, message) = (self.own.texts.failed_status, self.names.sym(&refusal.message));
                    self.event(item.object, key, true, (reason, self.own.texts.whole), &[Arg::Text(message)]);
                }
                self.end(item.object);
            }
        }
    }

    fn scaled(
        &mut self,
        item: &Item,
        spec: &HorizontalPodAutoscaler,
        key: ObjectKey,
        (from, to, reason): (i32, i32, String),
        (mut status, base): (HorizontalPodAutoscalerStatus, Revision),
        reply: Reply,
    ) {
        let texts = self.own.texts.as_ref();
        let size = [Arg::Int(i64::from(to)), Arg::Text(self.names.sym(&reason))];
        let set = |holds, reason: &str, message| Set { kind: words::ABLE_TO_SCALE, holds, reason: reason.into(), message };
        if let Some(refusal) = reply.refusal() {
            let args = [size[0], size[1], Arg::Text(self.names.sym(&refusal.message))];
            self.event(item.object, key, true, (texts.failed_rescale, texts.failed_rescale_words), &args);
            let message = format!("the HPA controller was unable to update the target scale: {}", refusal.message);
            self.condition(&mut status, &set(false, "FailedUpdateScale", message));
        } else {
            let message = format!("the HPA controller was able to update the target scale to {to}");
            self.condition(&mut status, &set(true, "SucceededRescale", message));
            self.event(item.object, key, false, (texts.rescaled, texts.rescaled_words), &size);
            let now = self.work.now();
            let behavior = spec.raw.at(&["behavior"]).and_then(|behavior| Behavior::read(behavior, DOWNSCALE_STABILIZATION));
            if let Some(known) = self.state.known.get_mut(&item.object.uid) {
                known.memory.record_scale(behavior.as_ref(), from, to, now);
            }
            status.desired_replicas = to;
            status.last_scale_at = Some(now);
        }
        self.put_status(item, status, base);
    }

    /// Writes the status where it differs from what is stored, and ends the sync.
    fn put_status(&mut self, item: &Item, status: HorizontalPodAutoscalerStatus, base: Revision) {
        if self.own.statuses.get(item.object) == Some(&status) {
            self.end(item.object);
            return;
        }
        self.pend(item.object, Pending::Status);
        self.work.ask(item, Verb::Put { object: item.object, expect: Some(base), value: status.into() });
    }

    fn pend(&mut self, object: ObjRef, pending: Pending) {
        if let Some(known) = self.state.known.get_mut(&object.uid) {
            known.pending = Some(pending);
        }
    }

    fn end(&mut self, object: ObjRef) {
        let due = self.work.now() + SYNC_PERIOD;
        if let Some(known) = self.state.known.get_mut(&object.uid) {
            known.due = due;
        }
        self.work.wake_at(object, due);
    }

    fn condition(&mut self, status: &mut HorizontalPodAutoscalerStatus, set: &Set) {
        let now = self.work.now();
        let word = if set.holds { ConditionStatus::True } else { ConditionStatus::False };
        let (reason, message) = (self.names.sym(&set.reason), self.names.sym(&set.message));
        let new = Condition { kind: set.kind, status: word, reason, message, transition_at: now, update_at: SimTime::ZERO };
        set_condition(&mut status.conditions, new);
    }

    fn event(&mut self, object: ObjRef, about: ObjectKey, warning: bool, (reason, words): (Sym, Sym), args: &[Arg]) {
        let source = self.own.texts.source;
        self.events.report(self.work.now(), Report { about, uid: object.uid, source, warning, reason, words, args });
    }
}
