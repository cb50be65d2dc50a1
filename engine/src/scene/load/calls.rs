//! Which Services call which, as programs say.

use super::{Loader, images_of};
use crate::scene::model::{Scene, SceneObject};
use crate::scene::program::{ProgramText, image_matches};
use crate::scene::targets::Target;
use crate::scene::traffic::Call;
use crate::source::{Span, Tree};
use serde_json::Value;

/// Most requests that one request brings about in one Service.
const CALLS_MAX: f64 = 1e6;

/// Most requests that may wait in one pod.
const QUEUE_MAX: u64 = 1_000_000_000;

impl Loader<'_> {
    /// Requests wait where a program needs CPU for them.
    pub(super) fn queue(&mut self, program: &ProgramText, tree: &Tree) {
        let span = tree.span_of(&["queue"]);
        if program.queue > QUEUE_MAX {
            self.problems.error(span, format!("found a queue of {} requests, expected 0 to {QUEUE_MAX}", program.queue));
        }
        if program.queue > 0 && program.cpu_us_per_request == 0 {
            self.problems.error(
                span,
                "found a queue before a program that needs no time for a request, expected cpu_us_per_request: 5000 or another cost",
            );
        }
    }

    /// The calls of a program: from each Service whose pods run it.
    pub(super) fn calls(&mut self, image: &str, program: &ProgramText, tree: &Tree, scene: &mut Scene) {
        if program.calls.is_empty() {
            return;
        }
        let span = tree.span_of(&["calls"]);
        let known = self.known(scene);
        let callers = callers(image, scene);
        if callers.is_empty() {
            self.problems
                .warning(span, format!("no Service of the scene sends requests to pods with the image {image:?}, so they call nobody"));
        }
        for (to, &number) in &program.calls {
            known.check_service(to, span, &mut self.problems);
            if !(0.0..=CALLS_MAX).contains(&number) {
                self.problems.error(span, format!("{to:?}: found {number} calls for each request, expected 0 to {CALLS_MAX}"));
                continue;
            }
            let milli = (number * 1000.0).round() as u64;
            scene.calls.extend(callers.iter().map(|from| Call { from: from.clone(), to: to.clone(), milli }));
        }
    }

    /// Puts callers before those that they call.
    pub(super) fn order_calls(&mut self, span: Span, scene: &mut Scene) {
        let mut left = std::mem::take(&mut scene.calls);
        while !left.is_empty() {
            let ready = left.iter().position(|call| !left.iter().any(|other| same(&other.to, &call.from)));
            match ready {
                Some(place) => scene.calls.push(left.remove(place)),
                None => {
                    let round: Vec<String> = left.iter().map(|call| format!("{} -> {}", call.from, call.to)).collect();
                    self.problems.error(span, format!("programs: calls go round in a circle: {}", round.join(", ")));
                    return;
                }
            }
        }
    }
}

/// Whether two targets name the same Service.
fn same(one: &str, other: &str) -> bool {
    let place = |text| Target::parse(text).map(|target| (target.namespace, target.name));
    place(one) == place(other)
}

/// The Services that select pods which run an image.
fn callers(image: &str, scene: &Scene) -> Vec<String> {
    let runs = |object: &&SceneObject| images_of(&object.body).iter().any(|own| image_matches(image, own));
    let space = |object: &SceneObject| object.namespace().unwrap_or("default").to_string();
    let mut list = Vec::new();
    for workload in scene.objects.iter().filter(runs) {
        let own = workload.metadata.written().get("labels");
        let labels = workload.body.pointer("/spec/template/metadata/labels").or(own);
        for service in scene.objects.iter().filter(|object| object.kind() == "Service" && space(object) == space(workload)) {
            let selector = service.body.pointer("/spec/selector").and_then(Value::as_object).filter(|selector| !selector.is_empty());
            let selects = selector
                .is_some_and(|selector| selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value)));
            let name = match space(service).as_str() {
                "default" => format!("service/{}", service.name()),
                space => format!("service/{space}/{}", service.name()),
            };
            if selects && !list.contains(&name) {
                list.push(name);
            }
        }
    }
    list
}
