//! Restlessness, judged for each object: two controllers that undo each other's writes within one instant.

use crate::api::log::Entry;
use crate::api::request::Actor;
use crate::hash::LookupMap;
use crate::ids::{ObjRef, Slot};
use crate::time::SimTime;
use bevy_ecs::resource::Resource;

/// Most versions of one object within one instant, besides [`VERSIONS_FOR_EACH`]. Source: `design.md` §2.
pub const VERSIONS_MAX: u32 = 1000;

/// More versions for each object that lives: where nothing takes time, the status of a set that is replaced pod by pod honestly has
/// several for each of its pods within one instant.
pub const VERSIONS_FOR_EACH: u32 = 10;

/// How often one party may set the same state over another's same state within one instant. One state alone may honestly come back:
/// a budget allows a disruption again after each replaced pod. Source: `design.md` §2.
pub const SAME_MAX: u32 = 2;

/// Versions of an object within one instant from which its states are compared: few objects have as many.
const SUSPECT: u32 = 4;

/// Writes of each object within the present instant. ECS resource.
#[derive(Debug, Default, Resource)]
pub struct Fights {
    at: SimTime,
    /// Objects written so often within this instant that their states are compared, with their versions.
    suspects: LookupMap<Slot, u32>,
    /// Of those: who wrote a state, and how often one party set it over another's, by hash.
    writers: LookupMap<(Slot, u64), Actor>,
    replaced: LookupMap<Replacement, u32>,
    found: Option<Fight>,
}

/// One party's state set over another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Replacement {
    slot: Slot,
    actor: Actor,
    /// Hashes of the state before and after.
    old: u64,
    new: u64,
}

/// An object that does not come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fight {
    /// The object.
    pub object: ObjRef,
    /// Versions written within the instant.
    pub versions: u32,
}

impl Fights {
    /// Whether an object has been written so often within this instant that its states are compared.
    pub(crate) fn suspects(&self, object: ObjRef, now: SimTime) -> bool {
        !self.suspects.is_empty() && self.at == now && self.suspects.contains_key(&object.slot)
    }

    /// Takes in a part's state replaced by another, by their hashes.
    pub(crate) fn replaced(&mut self, object: ObjRef, actor: Actor, old: u64, new: u64) {
        let before = self.writers.get(&(object.slot, old)).copied();
        self.writers.insert((object.slot, new), actor);
        if before.is_none_or(|before| before == actor) {
            return;
        }
        let times = self.replaced.entry(Replacement { slot: object.slot, actor, old, new }).or_insert(0);
        *times += 1;
        if *times > SAME_MAX && self.found.is_none() {
            self.found = Some(Fight { object, versions: self.suspects[&object.slot] + 1 });
        }
    }

    /// Takes in a write that is the object's `versions`-th within its instant, with the number of objects that live.
    pub(crate) fn wrote(&mut self, entry: &Entry, versions: u32, living: usize) {
        if entry.at != self.at {
            self.at = entry.at;
            if !self.suspects.is_empty() {
                self.suspects.clear();
                self.writers.clear();
                self.replaced.clear();
            }
        }
        if versions >= SUSPECT {
            self.suspects.insert(entry.object.slot, versions);
        }
        let most = VERSIONS_MAX.saturating_add(VERSIONS_FOR_EACH.saturating_mul(u32::try_from(living).unwrap_or(u32::MAX)));
        if versions > most && self.found.is_none() {
            self.found = Some(Fight { object: entry.object, versions });
        }
    }

    /// The fight found, if any.
    pub(crate) fn found(&self) -> Option<Fight> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use crate::api::queue::Work;
    use crate::api::request::{NewObject, Reply, Verb};
    use crate::api::state::Changes;
    use crate::api::store::View;
    use crate::ids::{Kind, ObjRef};
    use crate::model::labels::{LabelSetId, LabelSets};
    use crate::model::meta::Meta;
    use crate::names::{Names, Sym};
    use crate::simulation::route::{Wake, Whom};
    use crate::simulation::{Settings, Simulation};
    use bevy_ecs::resource::Resource;

    struct Blue;
    struct Green;

    /// The labels that each party wants, and how often it insists.
    #[derive(Resource)]
    struct Wanted {
        blue: LabelSetId,
        green: LabelSetId,
        turns: u32,
    }

    const WAKES: &[Wake] = &[Wake { kind: Kind::Namespace, on: Changes::ANY, whom: Whom::Itself }];

    fn insist<Q: Send + Sync + 'static>(work: &mut Work<Q>, view: &View<Q, Meta>, wanted: &mut LabelSetId, turns: &mut u32) {
        while let Some(item) = work.pop() {
            let Some(meta) = view.get(item.object).filter(|meta| meta.labels != *wanted && *turns > 0) else { continue };
            *turns -= 1;
            let value = Meta { labels: *wanted, ..meta.clone() };
            work.ask(&item, Verb::Put { object: item.object, expect: None, value: value.into() });
        }
    }

    fn blue(mut work: Work<Blue>, view: View<Blue, Meta>, mut wanted: bevy_ecs::prelude::ResMut<Wanted>) {
        let Wanted { blue, turns, .. } = &mut *wanted;
        insist(&mut work, &view, blue, turns);
    }

    fn green(mut work: Work<Green>, view: View<Green, Meta>, mut wanted: bevy_ecs::prelude::ResMut<Wanted>) {
        let Wanted { green, turns, .. } = &mut *wanted;
        insist(&mut work, &view, green, turns);
    }

    fn world(turns: u32) -> (Simulation, ObjRef) {
        let mut sim = Simulation::new(&Settings::default());
        sim.behaviour::<Blue, _, _>("blue", "blue-controller", WAKES, blue);
        sim.behaviour::<Green, _, _>("green", "green-controller", WAKES, green);
        let mut names = std::mem::take(&mut *sim.get_mut::<Names>());
        let (key, values) = (names.sym("colour"), [names.sym("blue"), names.sym("green")]);
        let [blue, green] = values.map(|value| sim.get_mut::<LabelSets>().intern(&names, [(key, value)]));
        let (name, actor) = (names.name("shop"), names.sym("script"));
        *sim.get_mut::<Names>() = names;
        sim.resource(Wanted { blue, green, turns });
        let meta = Meta::new(Kind::Namespace, Sym::EMPTY, name);
        let new = NewObject { meta, states: vec![crate::model::opaque::Namespace::default().into()] };
        match sim.ask(actor, Verb::Create(Box::new(new))) {
            Ok(Reply::Created(object)) => (sim, object),
            other => panic!("a namespace can be created: {other:?}"),
        }
    }

    #[test]
    fn two_parties_that_undo_each_other_are_told_with_their_last_requests() {
        let (mut sim, _) = world(u32::MAX);
        let error = sim.settle().expect_err("they fight");
        assert_eq!(
            error.to_string(),
            "at 00:00.000 namespace/shop does not come to rest: 10 versions within this instant; two parties undo each other's writes, \
             the last were labels by blue-controller (revision 10, because of revision 9) and labels by green-controller (revision 9, \
             because of revision 8)"
        );
    }

    #[test]
    fn a_quarrel_that_ends_is_none() {
        let (mut sim, _) = world(4);
        assert_eq!(sim.settle(), Ok(()));
    }
}
