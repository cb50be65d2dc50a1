//! Entry point.

use std::process::ExitCode;

fn main() -> ExitCode {
    wavetank::program::program()
}
