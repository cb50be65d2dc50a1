//! Histories of objects that share a label, compared as a multiset.

use crate::difference::Difference;
use crate::history::{History, Vocabulary, disagreements};
use std::collections::BTreeMap;

/// All disagreements of two timelines' objects, label by label.
pub(crate) fn compare(expected: &[History], produced: &[History], vocabulary: &Vocabulary) -> Vec<Difference> {
    let mut labels: BTreeMap<&str, (Vec<&History>, Vec<&History>)> = BTreeMap::new();
    for history in expected {
        labels.entry(&history.label).or_default().0.push(history);
    }
    for history in produced {
        labels.entry(&history.label).or_default().1.push(history);
    }
    let mut differences = Vec::new();
    for (label, (ours, theirs)) in labels {
        differences.extend(compare_group(label, &ours, &theirs, vocabulary));
    }
    differences
}

fn compare_group(label: &str, ours: &[&History], theirs: &[&History], vocabulary: &Vocabulary) -> Vec<Difference> {
    let first_of =
        |histories: &[&History], at: usize| histories.get(at).and_then(|history| history.writes.first()).map_or(0, |write| write.at);
    if let ([ours], [theirs]) = (ours, theirs) {
        return disagreements(ours, theirs, vocabulary);
    }
    if ours.len() != theirs.len() {
        let shorter = ours.len().min(theirs.len());
        let at = first_of(ours, shorter).max(first_of(theirs, shorter));
        return vec![Difference::new(at, format!("{label}: recorded {}, produced {}", ours.len(), theirs.len()))];
    }
    let mut table: Vec<Vec<bool>> = Vec::new();
    for a in ours {
        table.push(theirs.iter().map(|b| disagreements(a, b, vocabulary).is_empty()).collect());
    }
    let partners = assign(&table);
    let Some(alone) = (0..ours.len()).find(|a| !partners.contains(&Some(*a))) else { return Vec::new() };
    // Named after the produced one left over that comes nearest, so that the line says what is wrong with it.
    let left_over = (0..theirs.len()).filter(|b| partners[*b].is_none());
    let attempts = left_over.map(|b| disagreements(ours[alone], theirs[b], vocabulary));
    let nearest = attempts.min_by_key(Vec::len).unwrap_or_default();
    let mut differences = Vec::new();
    for difference in nearest {
        differences.push(Difference::new(difference.at, format!("{} (recorded {})", difference.what, ours[alone].id)));
    }
    if differences.is_empty() {
        let what = format!("{label}: no produced one is left that is like {}", ours[alone].id);
        differences.push(Difference::new(first_of(ours, alone), what));
    }
    differences
}

/// A largest matching: for each column the row that it goes to. Rows are served in order by augmenting paths.
fn assign(table: &[Vec<bool>]) -> Vec<Option<usize>> {
    let columns = table.first().map_or(0, Vec::len);
    let mut partner = vec![None; columns];
    for row in 0..table.len() {
        let mut visited = vec![false; columns];
        augment(table, row, &mut partner, &mut visited);
    }
    partner
}

fn augment(table: &[Vec<bool>], row: usize, partner: &mut [Option<usize>], visited: &mut [bool]) -> bool {
    // The same place first, so that equal timelines are matched as they stand.
    let columns = std::iter::once(row).chain(0..partner.len()).filter(|column| *column < table[row].len());
    for column in columns.collect::<Vec<_>>() {
        if !table[row][column] || visited[column] {
            continue;
        }
        visited[column] = true;
        let free = match partner[column] {
            None => true,
            Some(other) => augment(table, other, partner, visited),
        };
        if free {
            partner[column] = Some(row);
            return true;
        }
    }
    false
}
