//! Takes webhooks in: bytes, signature, evidence, answer.
