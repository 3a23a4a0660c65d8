//! Reads the bodies of events, by whatever way they came: strict JSON in, what it says of a conversation out.
//!
//! - Whatever two readers could understand differently is refused: a key twice, nesting beyond 64, a byte order mark.
//! - A guest who is there is never read as not there: a row that cannot be read makes the whole event unreadable.
//! - Nothing here believes anybody. Whether the sender is proven is the adapter's business, and comes first.

mod decode;
mod json;
mod reading;
mod unreadable;

pub use decode::{Decoder, UnknownDecoder};
pub use reading::Reading;
pub use unreadable::Unreadable;

/// Reads a body in the form that `decoder` understands.
///
/// # Errors
///
/// [`Unreadable`] when it is no JSON object that can be taken, or of no form that the decoder knows.
pub fn read(decoder: Decoder, body: &[u8]) -> Result<Reading, Unreadable> {
    let object = json::parse_object(body)?;
    Ok(decoder.read(&object)?)
}
