//! Bytes to write to and to read from. They are read by the program that wrote them: they have no version and no names.

use genesys_types::Time;
use uuid::Uuid;

/// What can be written as bytes and read back from them as it was.
pub(super) trait Packed: Sized {
    /// Appends it.
    fn write(&self, to: &mut Writer);

    /// Reads what [`Packed::write`] has appended at this place; `None` where something else stands there.
    fn read(from: &mut Reader<'_>) -> Option<Self>;
}

/// How many flags stand together in one byte.
const FLAGS: u8 = 8;

/// Collects bytes. Flags share bytes with those that are written next, and moments after the first one are written as the
/// distance from it.
pub(super) struct Writer {
    bytes: Vec<u8>,
    flags_at: usize,
    flags_used: u8,
    first_moment: Option<i64>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(256), flags_at: 0, flags_used: FLAGS, first_moment: None }
    }

    /// What was written, in a piece of memory of just that size.
    pub(super) fn finish(&self) -> Box<[u8]> {
        // A copy: what is shrunk in place may keep the size that it had.
        Box::from(self.bytes.as_slice())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a number, a small one in one byte.
    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }

    fn flag(&mut self, set: bool) {
        if self.flags_used == FLAGS {
            (self.flags_at, self.flags_used) = (self.bytes.len(), 0);
            self.bytes.push(0);
        }
        self.bytes[self.flags_at] |= u8::from(set) << self.flags_used;
        self.flags_used += 1;
    }
}

/// Reads what a [`Writer`] has written, in the same order.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    flags: u8,
    flags_left: u8,
    first_moment: Option<i64>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, flags: 0, flags_left: 0, first_moment: None }
    }

    fn bytes(&mut self, number: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(number)?;
        self.rest = rest;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn flag(&mut self) -> Option<bool> {
        if self.flags_left == 0 {
            (self.flags, self.flags_left) = (*self.bytes(1)?.first()?, FLAGS);
        }
        let set = self.flags & 1 == 1;
        self.flags >>= 1;
        self.flags_left -= 1;
        Some(set)
    }
}

impl Packed for bool {
    fn write(&self, to: &mut Writer) {
        to.flag(*self);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.flag()
    }
}

macro_rules! packs_numbers {
    ($($number:ty),+) => {$(
        /// Most numbers are zero: those are a flag.
        impl Packed for $number {
            fn write(&self, to: &mut Writer) {
                to.flag(*self != 0);
                if *self != 0 {
                    to.number(u64::from(*self));
                }
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                match from.flag()? {
                    true => Self::try_from(from.number()?).ok(),
                    false => Some(0),
                }
            }
        }
    )+};
}

packs_numbers!(u8, u16, u32, u64);

impl Packed for Time {
    /// A distance in either direction, a short one in few bytes.
    fn write(&self, to: &mut Writer) {
        let distance = self.millis().wrapping_sub(to.first_moment.unwrap_or_default());
        to.first_moment.get_or_insert(self.millis());
        to.number(((distance << 1) ^ (distance >> 63)).cast_unsigned());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let folded = from.number()?;
        let distance = (folded >> 1).cast_signed() ^ (folded & 1).cast_signed().wrapping_neg();
        let moment = from.first_moment.unwrap_or_default().wrapping_add(distance);
        from.first_moment.get_or_insert(moment);
        Some(Self::from_millis(moment))
    }
}

impl Packed for Uuid {
    fn write(&self, to: &mut Writer) {
        to.bytes(self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Self::from_slice(from.bytes(16)?).ok()
    }
}

impl Packed for u128 {
    fn write(&self, to: &mut Writer) {
        to.bytes(&self.to_be_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.bytes(16)?.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Packed for String {
    fn write(&self, to: &mut Writer) {
        to.number(self.len() as u64);
        to.bytes(self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let length = usize::try_from(from.number()?).ok()?;
        std::str::from_utf8(from.bytes(length)?).ok().map(str::to_owned)
    }
}

impl Packed for Box<str> {
    fn write(&self, to: &mut Writer) {
        to.number(self.len() as u64);
        to.bytes(self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        String::read(from).map(String::into_boxed_str)
    }
}

impl<T: Packed> Packed for Box<T> {
    fn write(&self, to: &mut Writer) {
        T::write(self, to);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        T::read(from).map(Self::new)
    }
}

impl<T: Packed> Packed for Option<T> {
    fn write(&self, to: &mut Writer) {
        to.flag(self.is_some());
        if let Some(value) = self {
            value.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        match from.flag()? {
            true => T::read(from).map(Some),
            false => Some(None),
        }
    }
}

impl<T: Packed> Packed for Box<[T]> {
    fn write(&self, to: &mut Writer) {
        to.number(self.len() as u64);
        self.iter().for_each(|item| item.write(to));
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Vec::read(from).map(Self::from)
    }
}

impl<T: Packed> Packed for Vec<T> {
    fn write(&self, to: &mut Writer) {
        to.number(self.len() as u64);
        self.iter().for_each(|item| item.write(to));
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let number = usize::try_from(from.number()?).ok()?;
        // What is left bounds what is set aside, whatever the number says.
        let mut items = Self::with_capacity(number.min(from.rest.len()));
        for _ in 0..number {
            items.push(T::read(from)?);
        }
        Some(items)
    }
}

impl<A: Packed, B: Packed> Packed for (A, B) {
    fn write(&self, to: &mut Writer) {
        self.0.write(to);
        self.1.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some((A::read(from)?, B::read(from)?))
    }
}

impl<A: Packed, B: Packed, C: Packed> Packed for (A, B, C) {
    fn write(&self, to: &mut Writer) {
        self.0.write(to);
        self.1.write(to);
        self.2.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some((A::read(from)?, B::read(from)?, C::read(from)?))
    }
}
