//! Traffic and metrics of a scene: curves over time, with their files.

use super::Loader;
use crate::scene::model::Scene;
use crate::scene::objects::beside;
use crate::scene::series::SeriesText;
use crate::scene::traffic::{RateText, Traffic, TrafficText};
use crate::source::{Span, Tree, TreeValue, decode};

impl Loader<'_> {
    pub(super) fn traffic(&mut self, tree: &Tree, path: &str, scene: &mut Scene) {
        let items = self.list(tree, "traffic");
        if items.is_empty() {
            return;
        }
        let known = self.known(scene);
        for item in items {
            let body = match &item.value {
                TreeValue::Named(named) if named.name == "Traffic" => &named.args,
                _ => &item,
            };
            let Some(text) = decode::<TrafficText>(body, "traffic", &mut self.problems) else { continue };
            if text.to.starts_with("http://") && text.from.is_some() {
                self.problems.error(body.span_of(&["from"]), "from: requests through an Ingress come from outside the cluster");
            } else if !text.to.starts_with("http://") {
                known.check_service(&text.to, body.span_of(&["to"]), &mut self.problems);
            }
            if let Some(from) = &text.from {
                known.check_pod(from, body.span_of(&["from"]), &mut self.problems);
            }
            let Ok(csv) = self.csv(Some(&text.rate), path, body.span_of(&["rate"])) else { continue };
            match text.rate.resolve(csv.as_deref()) {
                Ok(rate) => scene.traffic.push(Traffic { to: text.to, from: text.from, rate }),
                Err(what) => self.problems.error(body.span_of(&["rate"]), what),
            }
        }
    }

    pub(super) fn metrics(&mut self, tree: &Tree, path: &str, scene: &mut Scene) {
        let items = self.list(tree, "metrics");
        if items.is_empty() {
            return;
        }
        let known = self.known(scene);
        for item in items {
            let body = match &item.value {
                TreeValue::Named(named) if named.name == "Metric" => &named.args,
                _ => &item,
            };
            let Some(text) = decode::<SeriesText>(body, "metrics", &mut self.problems) else { continue };
            if let Some(of) = &text.of {
                known.check(of, body.span_of(&["of"]), &mut self.problems);
            }
            let Ok(csv) = self.csv(text.value.as_ref(), path, body.span_of(&["value"])) else { continue };
            match text.resolve(csv.as_deref()) {
                Ok(series) => scene.metrics.push(series),
                Err(what) => self.problems.error(body.span, what),
            }
        }
    }

    /// The text of the file that a rate names, if it names one; an error when that cannot be read, which is noted.
    fn csv(&mut self, rate: Option<&RateText>, path: &str, span: Span) -> Result<Option<String>, ()> {
        let Some(RateText::Csv(file)) = rate else { return Ok(None) };
        let id = self.sources.read(self.files, &beside(path, file), Some(span), &mut self.problems).ok_or(())?;
        Ok(Some(self.sources.text(id).to_string()))
    }
}
