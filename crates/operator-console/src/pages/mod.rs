//! The pages, one a file.

pub(crate) mod advice;
pub(crate) mod asked;
pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod batches;
pub(crate) mod closure;
pub(crate) mod deliveries;
pub(crate) mod filter;
pub(crate) mod force;
pub(crate) mod home;
pub(crate) mod list;
pub(crate) mod needs;
pub(crate) mod pause;
pub(crate) mod received;
pub(crate) mod scope;
pub(crate) mod settings;
pub(crate) mod sources;
pub(crate) mod timeline;
pub(crate) mod typed;
