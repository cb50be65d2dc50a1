//! Services: their addresses, their endpoints and who gets their requests.

pub mod endpoint_slices;
pub mod endpoints;
pub mod members;
pub mod reach;
pub mod service_addresses;
pub mod traffic;
