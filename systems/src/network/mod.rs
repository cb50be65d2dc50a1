//! Services: their addresses, their endpoints and who gets their requests.

pub mod connect;
pub mod dns;
pub mod endpoint_slice_mirroring;
pub mod endpoint_slices;
pub mod endpoints;
pub mod ingress;
pub mod load_balancers;
pub mod look;
pub mod members;
pub mod policy;
pub mod proxy;
pub mod reach;
pub mod service_addresses;
pub mod traffic;
