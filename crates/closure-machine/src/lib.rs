//! The life of a closure as one pure function.
