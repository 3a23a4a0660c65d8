//! The HTTP interface for producers, operators and tools.
