//! The arguments that `cargo test` passes to every target: a name filter and libtest's flags.

/// Flags of libtest that take a value as the next argument. None of them means anything here except `--skip`.
const FLAGS_WITH_VALUE: &[&str] = &["--test-threads", "--format", "--color", "--logfile", "--report-time", "--shuffle-seed", "-Z"];

/// Which tables are wanted, and whether only their names are.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// A table runs when its name contains one of these; all run when there is none.
    filters: Vec<String>,
    /// A table whose name contains one of these does not run.
    skips: Vec<String>,
    /// Filters and skips are whole names.
    exact: bool,
    /// Print the names of the tables, run none.
    pub(crate) list: bool,
}

impl Arguments {
    /// Whether the table of this name is to be run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let hits = |pattern: &String| if self.exact { name == pattern } else { name.contains(pattern.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(hits)) && !self.skips.iter().any(hits)
    }
}

/// Reads libtest's arguments. Flags that do not matter here are passed over; an error names a flag without its value.
pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut read = Arguments::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--exact" => read.exact = true,
            "--list" => read.list = true,
            "--skip" => read.skips.push(arguments.next().ok_or("--skip wants a name")?),
            flag if FLAGS_WITH_VALUE.contains(&flag) => {
                arguments.next().ok_or_else(|| format!("{flag} wants a value"))?;
            }
            flag if flag.starts_with('-') => {}
            filter => read.filters.push(filter.to_owned()),
        }
    }
    Ok(read)
}
