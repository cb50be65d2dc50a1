//! Services: their addresses, their endpoints and who gets their requests.

pub mod endpoint_slice_mirroring;
pub mod endpoint_slices;
pub mod endpoints;
pub mod load_balancers;
pub mod members;
pub mod reach;
pub mod service_addresses;
pub mod traffic;
