//! Says of most numbered names that the finder's large levels do not hold them, without reading a page of those.
//!
//! Nearly every event and every idempotency key is new, and each of the finder's two last levels has a page to read before that is
//! known. So there is a Bloom filter for each of 1,024 ranges of fingerprints: what it denies stands in neither level; what it
//! does not deny is looked for. It is written in the transaction that moves entries there, and kept in memory: two megabytes, once
//! entries reach those levels.
//!
//! Entries that are removed leave their bits behind. A range more than half of whose bits are set is made anew from the levels.

use rusqlite::{Connection, params};

/// Ranges of fingerprints. A slice that is moved lands in some sixteen of them.
const RANGES: usize = 1_024;

/// How far a fingerprint is shifted to tell its range.
const RANGE_SHIFT: u32 = u64::BITS - RANGES.ilog2();

/// Words of 64 bits in a range: 2 KiB, three rows to a page.
const WORDS: usize = 256;

/// Bits of a range, and those of a fingerprint that name one of them.
const BITS: usize = WORDS * u64::BITS as usize;
const BIT_SHIFT: u32 = BITS.ilog2();

/// Bits that each name sets: with eight bits to a name, which is two million names, 3 of 100 new names are looked for in vain.
const BITS_OF_A_NAME: u32 = 3;

const _: () = assert!(
    BITS_OF_A_NAME * BIT_SHIFT <= RANGE_SHIFT,
    "a range and its bits come from different bits of a fingerprint"
);

/// What the levels hold, as far as it can be said from memory.
#[derive(Debug)]
pub(crate) struct Bloom {
    words: Vec<u64>,
    counts: Vec<Counts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// Names that were entered, among them those that it was made of.
    entered: i64,
    /// Names of which it was made when it was last made anew.
    made_of: i64,
}

impl Bloom {
    /// Reads what was last made durable.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut bloom = Self { words: vec![0; RANGES * WORDS], counts: vec![Counts::default(); RANGES] };
        let mut query = connection.prepare("SELECT range, entered, made_of, bits FROM finder_bloom")?;
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let range: i64 = row.get(0)?;
            let bits = row.get_ref(3)?.as_blob()?.as_chunks().0;
            let known = usize::try_from(range).ok().filter(|range| *range < RANGES && bits.len() == WORDS);
            let Some(range) = known else {
                return Err(rusqlite::Error::IntegralValueOutOfRange(0, range));
            };
            for (word, bytes) in bloom.words_of(range).iter_mut().zip(bits) {
                *word = u64::from_le_bytes(*bytes);
            }
            bloom.counts[range] = Counts { entered: row.get(1)?, made_of: row.get(2)? };
        }
        Ok(bloom)
    }

    /// Whether one of the large levels may hold a numbered name of this fingerprint. `false` is certain.
    pub(crate) fn may_hold(&self, fingerprint: i64) -> bool {
        let words = &self.words[range_of(fingerprint) * WORDS..][..WORDS];
        bits_of(fingerprint).all(|(word, bit)| words[word] & bit != 0)
    }

    /// Enters the numbered names of the second level that are about to be moved on, from one fingerprint up to before another.
    /// Returns the ranges in which they are.
    pub(crate) fn enter(
        &mut self,
        connection: &Connection,
        from: i64,
        before: i64,
    ) -> rusqlite::Result<Vec<usize>> {
        let mut ranges = Vec::new();
        let mut moved = connection.prepare_cached(MOVED)?;
        let mut rows = moved.query((from, before))?;
        while let Some(row) = rows.next()? {
            let fingerprint = row.get(0)?;
            self.set(fingerprint);
            let range = range_of(fingerprint);
            if ranges.last() != Some(&range) {
                ranges.push(range);
            }
        }
        Ok(ranges)
    }

    /// Writes ranges into which names were moved, and makes those anew that deny too little.
    pub(crate) fn write(&mut self, connection: &Connection, ranges: &[usize]) -> rusqlite::Result<()> {
        for range in ranges {
            let range = *range;
            if self.denies_too_little(range) {
                self.make_anew(connection, range)?;
            }
            let bits: Vec<u8> = self.words_of(range).iter().flat_map(|word| word.to_le_bytes()).collect();
            let Counts { entered, made_of } = self.counts[range];
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO finder_bloom (range, entered, made_of, bits) VALUES (?, ?, ?, ?)",
                )?
                .execute(params![range as i64, entered, made_of, bits])?;
        }
        Ok(())
    }

    /// Where there are more names than it is large enough for, it is made anew only once there are twice as many as the last time.
    fn denies_too_little(&mut self, range: usize) -> bool {
        let Counts { entered, made_of } = self.counts[range];
        let set: u32 = self.words_of(range).iter().map(|word| word.count_ones()).sum();
        set as usize > BITS / 2 && entered >= 2 * made_of
    }

    fn make_anew(&mut self, connection: &Connection, range: usize) -> rusqlite::Result<()> {
        self.words_of(range).fill(0);
        self.counts[range] = Counts::default();
        for sql in HELD {
            let mut held = connection.prepare_cached(sql)?;
            let mut rows = held.query(bounds_of(range))?;
            while let Some(row) = rows.next()? {
                self.set(row.get(0)?);
            }
        }
        self.counts[range].made_of = self.counts[range].entered;
        Ok(())
    }

    fn set(&mut self, fingerprint: i64) {
        let range = range_of(fingerprint);
        let words = self.words_of(range);
        for (word, bit) in bits_of(fingerprint) {
            words[word] |= bit;
        }
        self.counts[range].entered += 1;
    }

    fn words_of(&mut self, range: usize) -> &mut [u64] {
        &mut self.words[range * WORDS..][..WORDS]
    }
}

/// The numbered names that are about to be moved on from the second level.
pub(crate) const MOVED: &str = "SELECT fingerprint FROM finder_1 WHERE fingerprint >= ? AND fingerprint < ? AND typeof(place) = 'integer'";

/// The numbered names that the large levels hold in a range.
pub(crate) const HELD: [&str; 2] = [
    "SELECT fingerprint FROM finder_2 WHERE fingerprint BETWEEN ? AND ? AND typeof(place) = 'integer'",
    "SELECT fingerprint FROM finder_3 WHERE fingerprint BETWEEN ? AND ? AND typeof(place) = 'integer'",
];

/// Ranges are in the order of the fingerprints, which are signed.
fn range_of(fingerprint: i64) -> usize {
    let from_the_lowest = fingerprint.cast_unsigned() ^ (1 << 63);
    usize::try_from(from_the_lowest >> RANGE_SHIFT).expect("there are few ranges")
}

/// The lowest and the highest fingerprint of a range.
fn bounds_of(range: usize) -> (i64, i64) {
    let lowest = ((range as u64) << RANGE_SHIFT) ^ (1 << 63);
    (lowest.cast_signed(), (lowest | ((1 << RANGE_SHIFT) - 1)).cast_signed())
}

/// The word and the bit in it for each bit of a name. The fingerprint is a hash, so its bits need no other one.
fn bits_of(fingerprint: i64) -> impl Iterator<Item = (usize, u64)> {
    (0..BITS_OF_A_NAME).map(move |number| {
        let bit = (fingerprint.cast_unsigned() >> (number * BIT_SHIFT)) % BITS as u64;
        (usize::try_from(bit / 64).expect("a range has few words"), 1 << (bit % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    /// A hash of a number, as fingerprints are: every bit depends on every bit (splitmix64).
    fn mixed(number: u64) -> i64 {
        let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).cast_signed()
    }

    fn put(connection: &Connection, level: &str, fingerprints: impl IntoIterator<Item = i64>) {
        let sql = format!("INSERT INTO {level} VALUES (?, 1)");
        let mut put = connection.prepare(&sql).unwrap();
        for fingerprint in fingerprints {
            put.execute([fingerprint]).unwrap();
        }
    }

    #[test]
    fn ranges_are_in_order_and_hold_what_is_within_their_bounds() {
        let mut next = i64::MIN;
        for range in 0..RANGES {
            let (lowest, highest) = bounds_of(range);
            assert_eq!((lowest, range_of(lowest), range_of(highest)), (next, range, range));
            next = highest.wrapping_add(1);
        }
        assert_eq!(next, i64::MIN);
    }

    #[test]
    fn what_was_entered_is_never_denied_and_most_else_is() {
        let connection = file::open_in_memory().unwrap();
        let mut bloom = Bloom::read(&connection).unwrap();
        put(&connection, "finder_1", (0..100_000).map(mixed));
        let ranges = bloom.enter(&connection, i64::MIN, i64::MAX).unwrap();
        assert_eq!(ranges, (0..RANGES).collect::<Vec<_>>());
        bloom.write(&connection, &ranges).unwrap();
        for bloom in [bloom, Bloom::read(&connection).unwrap()] {
            assert!((0..100_000).all(|number| bloom.may_hold(mixed(number))));
            let in_vain = (100_000..200_000).filter(|number| bloom.may_hold(mixed(*number))).count();
            assert!(in_vain < 100, "{in_vain} of 100,000 are looked for in vain");
        }
    }

    #[test]
    fn a_closure_is_no_numbered_name() {
        let connection = file::open_in_memory().unwrap();
        let mut bloom = Bloom::read(&connection).unwrap();
        connection.execute("INSERT INTO finder_1 VALUES (5, x'01')", ()).unwrap();
        assert!(bloom.enter(&connection, i64::MIN, i64::MAX).unwrap().is_empty());
        assert!(!bloom.may_hold(5));
    }

    #[test]
    fn a_range_that_is_full_of_what_is_gone_is_made_anew_from_both_levels() {
        let connection = file::open_in_memory().unwrap();
        let mut bloom = Bloom::read(&connection).unwrap();
        let of_one_range = |from: u64| (from..).map(|number| mixed(number) & i64::MAX >> 10);
        let range = range_of(0);
        // Twice as many as half of its bits, and nearly all of them pruned since.
        for fingerprint in of_one_range(0).take(8_000) {
            bloom.set(fingerprint);
        }
        let held: Vec<_> = of_one_range(0).take(20).collect();
        put(&connection, "finder_2", held[..10].iter().copied());
        put(&connection, "finder_3", held[10..].iter().copied());
        put(&connection, "finder_3", [bounds_of(range - 1).1, bounds_of(range + 1).0]);
        let in_vain =
            |bloom: &Bloom| of_one_range(10_000).take(1_000).filter(|name| bloom.may_hold(*name)).count();
        assert!(in_vain(&bloom) > 300, "{}", in_vain(&bloom));
        bloom.write(&connection, &[range]).unwrap();
        for bloom in [&bloom, &Bloom::read(&connection).unwrap()] {
            assert!(held.iter().all(|name| bloom.may_hold(*name)));
            assert_eq!(in_vain(bloom), 0);
            assert_eq!((bloom.counts[range].entered, bloom.counts[range].made_of), (20, 20));
        }
    }

    #[test]
    fn a_range_that_is_full_of_what_is_there_is_not_made_anew_each_time() {
        let connection = file::open_in_memory().unwrap();
        let mut bloom = Bloom::read(&connection).unwrap();
        let names: Vec<_> = (0..40_000).map(|number| mixed(number) & i64::MAX >> 10).collect();
        let range = range_of(0);
        let mut made = 0;
        for names in names.chunks(100) {
            put(&connection, "finder_3", names.iter().copied());
            names.iter().for_each(|name| bloom.set(*name));
            let before = bloom.counts[range].made_of;
            bloom.write(&connection, &[range]).unwrap();
            made += usize::from(bloom.counts[range].made_of != before);
            assert!(names.iter().all(|name| bloom.may_hold(*name)));
        }
        assert!(names.iter().all(|name| bloom.may_hold(*name)));
        assert_eq!(made, 4, "at some 4,000, and each time when there are twice as many");
    }

    #[test]
    fn bits_that_cannot_be_read_are_an_error_and_never_a_denial() {
        for flaw in ["(0, 0, 0, x'00')", "(1024, 0, 0, zeroblob(2048))", "(-1, 0, 0, zeroblob(2048))"] {
            let connection = file::open_in_memory().unwrap();
            connection.execute(&format!("INSERT INTO finder_bloom VALUES {flaw}"), ()).unwrap();
            Bloom::read(&connection).unwrap_err();
        }
    }
}
