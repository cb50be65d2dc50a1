//! Where two runs part: the first change that only one of them has, apart from what their scenes and scripts say themselves.

use wavetank_engine::record::journal::Line;
use wavetank_engine::scene::build::SCRIPT;
use wavetank_engine::time::SimTime;

/// The first lines that differ. At least one is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parting {
    /// The earlier of their times.
    pub at: SimTime,
    /// Next line of each side's journal; `None`: it has no more before the next stretch.
    pub lines: [Option<Line>; 2],
}

/// Where two runs part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parted {
    /// In what scene and script do.
    pub input: Option<Parting>,
    /// In what becomes of it.
    pub consequence: Option<Parting>,
}

/// Looks at both journals, stretch by stretch.
#[derive(Debug, Default)]
pub struct Watch {
    parted: Parted,
}

impl Watch {
    /// Takes the lines of one stretch of time, which is the same for both.
    pub fn hear(&mut self, a: &[Line], b: &[Line]) {
        let by_script = |line: &&Line| line.actor == SCRIPT;
        if self.parted.input.is_none() {
            self.parted.input = first(a.iter().filter(by_script), b.iter().filter(by_script));
        }
        if self.parted.consequence.is_none() {
            self.parted.consequence = first(a.iter().filter(|line| !by_script(line)), b.iter().filter(|line| !by_script(line)));
        }
    }

    /// What was found.
    pub fn parted(self) -> Parted {
        self.parted
    }
}

/// Revisions count other changes too; everything else must be equal.
fn same(a: &Line, b: &Line) -> bool {
    (a.at, &a.object, &a.field, &a.old, &a.new, &a.actor) == (b.at, &b.object, &b.field, &b.old, &b.new, &b.actor)
}

fn first<'l>(mut a: impl Iterator<Item = &'l Line>, mut b: impl Iterator<Item = &'l Line>) -> Option<Parting> {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (Some(a), Some(b)) if same(a, b) => {}
            (a, b) => {
                let at = a.into_iter().chain(b).map(|line| line.at).min()?;
                return Some(Parting { at, lines: [a.cloned(), b.cloned()] });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::ids::Revision;

    fn line(at_s: u64, new: &str, actor: &str, revision: u64) -> Line {
        let (object, field, old) = ("pod/a".to_string(), "f".to_string(), "-".to_string());
        let (at, actor) = (SimTime::from_secs(at_s), actor.to_string());
        Line { at, revision: Revision(revision), cause: Revision(0), object, field, old, new: new.to_string(), actor }
    }

    #[test]
    fn what_the_script_does_and_what_comes_of_it_are_told_apart() {
        let mut watch = Watch::default();
        watch.hear(&[line(0, "x", SCRIPT, 1), line(0, "y", "kubelet", 2)], &[line(0, "z", SCRIPT, 1), line(0, "y", "kubelet", 9)]);
        watch.hear(&[line(5, "y", "kubelet", 3)], &[]);
        watch.hear(&[line(9, "y", "kubelet", 4)], &[line(9, "n", "kubelet", 4)]);
        let parted = watch.parted();
        let input = parted.input.unwrap();
        assert_eq!((input.at, input.lines.map(|line| line.unwrap().new)), (SimTime::ZERO, ["x".to_string(), "z".to_string()]));
        let consequence = parted.consequence.unwrap();
        assert_eq!((consequence.at, &consequence.lines[1]), (SimTime::from_secs(5), &None));
        let mut watch = Watch::default();
        watch.hear(&[line(1, "x", "kubelet", 1)], &[line(1, "x", "kubelet", 7)]);
        assert_eq!(watch.parted(), Parted::default());
    }
}
