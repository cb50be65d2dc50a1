//! The `wavetank` command line.
