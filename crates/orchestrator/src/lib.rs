//! Drives every closure: the one door through which its state changes.
