//! Webhook signature schemes: bytes in, verdict out.
