//! Services: their addresses and their endpoints.

pub mod endpoint_slices;
pub mod endpoints;
pub mod members;
pub mod service_addresses;
