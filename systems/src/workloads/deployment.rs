//! Deployment controller.

pub mod history;
pub mod progress;
pub mod rolling;
pub mod scale;
pub mod template_hash;
