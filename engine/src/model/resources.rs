//! Amounts of compute resources as exact integers.

use crate::model::quantity::{Format, Quantity};
use crate::names::{Names, Sym};
use crate::words;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// An amount of each resource. CPU in milli-cores, all others in their unit (bytes, pods, devices), rounded up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Resources {
    /// CPU. Unit: milli-cores.
    pub cpu_millicores: i64,
    /// Memory. Unit: bytes.
    pub memory_bytes: i64,
    /// Ephemeral storage. Unit: bytes.
    pub ephemeral_storage_bytes: i64,
    /// Number of pods (of nodes only).
    pub pods: i64,
    /// Extended and huge-page resources, sorted by the resource's symbol.
    pub extended: SmallVec<[(Sym, i64); 0]>,
}

impl Resources {
    /// The amount of one resource, in the unit of its field.
    pub fn get(&self, resource: Sym) -> i64 {
        match resource {
            words::CPU => self.cpu_millicores,
            words::MEMORY => self.memory_bytes,
            words::EPHEMERAL_STORAGE => self.ephemeral_storage_bytes,
            words::PODS => self.pods,
            _ => self.extended.iter().find(|pair| pair.0 == resource).map_or(0, |pair| pair.1),
        }
    }

    /// Sets the amount of one resource.
    pub fn set(&mut self, resource: Sym, amount: i64) {
        match resource {
            words::CPU => self.cpu_millicores = amount,
            words::MEMORY => self.memory_bytes = amount,
            words::EPHEMERAL_STORAGE => self.ephemeral_storage_bytes = amount,
            words::PODS => self.pods = amount,
            _ => match self.extended.binary_search_by_key(&resource, |pair| pair.0) {
                Ok(at) => self.extended[at].1 = amount,
                Err(at) => self.extended.insert(at, (resource, amount)),
            },
        }
    }

    /// Resources with an amount other than 0, in a fixed order.
    pub fn pairs(&self) -> impl Iterator<Item = (Sym, i64)> + '_ {
        [
            (words::CPU, self.cpu_millicores),
            (words::MEMORY, self.memory_bytes),
            (words::EPHEMERAL_STORAGE, self.ephemeral_storage_bytes),
            (words::PODS, self.pods),
        ]
        .into_iter()
        .chain(self.extended.iter().copied())
        .filter(|pair| pair.1 != 0)
    }

    /// Adds `other` to each amount.
    pub fn add(&mut self, other: &Resources) {
        for (resource, amount) in other.pairs() {
            self.set(resource, self.get(resource).saturating_add(amount));
        }
    }

    /// Takes `other` from each amount.
    pub fn sub(&mut self, other: &Resources) {
        for (resource, amount) in other.pairs() {
            self.set(resource, self.get(resource).saturating_sub(amount));
        }
    }

    /// Raises each amount to that of `other` where that is larger.
    pub fn max(&mut self, other: &Resources) {
        for (resource, amount) in other.pairs() {
            self.set(resource, self.get(resource).max(amount));
        }
    }

    /// Reads a `ResourceList`; amounts that do not parse count as absent (validation has refused them before).
    pub fn from_json(names: &mut Names, list: Option<&serde_json::Value>) -> Resources {
        let mut resources = Resources::default();
        for (key, value) in list.and_then(|list| list.as_object()).into_iter().flatten() {
            if let Some(amount) = amount_of(key, value) {
                let resource = names.sym(key);
                resources.set(resource, amount);
            }
        }
        resources
    }
}

/// An amount of a resource, in the unit of its field, as the API writes it.
pub fn amount_text(resource: Sym, amount: i64) -> String {
    match resource {
        words::CPU => Quantity::from_milli(amount, Format::DecimalSi).to_string(),
        words::MEMORY | words::EPHEMERAL_STORAGE => Quantity::from_units(amount, Format::BinarySi).to_string(),
        _ => amount.to_string(),
    }
}

/// The integer amount of a quantity in JSON: milli-cores for `cpu`, rounded up.
pub fn amount_of(resource: &str, value: &serde_json::Value) -> Option<i64> {
    let text = match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let quantity = Quantity::parse(&text).ok()?;
    Some(if resource == "cpu" { quantity.milli_value() } else { quantity.value() })
}
