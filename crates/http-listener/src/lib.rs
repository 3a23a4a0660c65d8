//! Serves a router with the limits that an open port needs.
