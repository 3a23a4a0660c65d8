//! A stand-in for Genesys Cloud behind its real HTTP surface, with seeded faults.
