//! The part of the Genesys Cloud Platform API that closing needs, within its quota.
