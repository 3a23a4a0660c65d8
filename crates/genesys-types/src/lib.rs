//! What Genesys Cloud's conversations are made of: ids that parse, legs, and what was observed of them.
