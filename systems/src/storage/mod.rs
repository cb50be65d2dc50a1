//! Storage: claims get volumes, volumes are made and given back, and nothing goes while it is in use.
//!
//! `volumes` binds; `provisioner` makes volumes for classes and deletes them; `protection` holds what is in use; `ephemeral` makes the claims
//! of pods' own volumes.

pub mod ephemeral;
pub mod protection;
pub mod provisioner;
pub mod volumes;
