//! Process-level tests: the program as a user meets it.
