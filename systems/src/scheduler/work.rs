//! What the scheduler's decisions cost: counts of work that are the same on every machine, and a watcher for those who measure time.

/// Nodes that decisions had to look at since the start. The same scene gives the same counts on any machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkCounts {
    /// Nodes run through the filters, one for each node and decision; places that counters pass over among them.
    pub filtered: u64,
    /// Nodes scored for a decision.
    pub scored: u64,
    /// Entries of class trees computed anew because a node changed or a tree was built.
    pub rescored: u64,
}

impl WorkCounts {
    /// What came on top since `before`.
    pub fn since(self, before: WorkCounts) -> WorkCounts {
        WorkCounts {
            filtered: self.filtered - before.filtered,
            scored: self.scored - before.scored,
            rescored: self.rescored - before.rescored,
        }
    }
}

/// Told of decisions as they are taken, by whom measures them. It sees nothing of the simulated world and cannot change it: the only
/// implementation that reads a clock lives in the command line.
pub trait DecisionWatch: Send + Sync {
    /// The first pod of a turn is about to be taken from the queue.
    fn begins(&mut self);
    /// A pod has been decided on, with so much work done so far; the next one, if any, is about to be taken.
    fn decided(&mut self, work: WorkCounts);
}
