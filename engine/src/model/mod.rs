//! The object model: values that Kubernetes objects are made of, and rules about them that need no cluster.

pub mod int_or_percent;
pub mod quote;
pub mod toleration;
