//! Says of most numbered names that the finder's large levels do not hold them, without reading a page of those.
//!
//! Nearly every event and every idempotency key is new, and each of the finder's two last levels has a page to read before that is
//! known. So there is a Bloom filter for each of 1,024 ranges of fingerprints: what it denies stands in neither level; what it
//! does not deny is looked for. It is written in the transaction that moves entries there, and kept in memory: 128 bytes of a range
//! with few names, and 2 KiB where there are more, two megabytes in all. There is no size between, so that what a process takes comes to
//! rest soon, with some forty thousand closures in the store.
//!
//! Entries that are removed leave their bits behind. A range too many of whose bits are set is made anew from the levels, of the size
//! that what is there asks for, a few of them with each slice. A range of which nothing is stored denies nothing as soon as the levels
//! hold anything: a row that is lost costs lookups, and never lets a name be taken for new.

use rusqlite::{Connection, params};

/// Ranges of fingerprints. A slice that is moved lands in some sixteen of them.
const RANGES: usize = 1_024;

/// How far a fingerprint is shifted to tell its range.
const RANGE_SHIFT: u32 = u64::BITS - RANGES.ilog2();

/// The two sizes of a range, in bits: 128 bytes, and 2 KiB, of which three rows stand in a page.
const FEWEST_BITS: usize = 1 << 10;
const MOST_BITS: usize = 1 << BIT_SHIFT;

/// Bits of a fingerprint that name a bit of a range.
const BIT_SHIFT: u32 = 14;

/// Bits that each name sets. With two million names there, eight of the most bits to each, 3 of 100 new names are looked for in vain.
const BITS_OF_A_NAME: u32 = 3;

/// The names up to which a range is made with the fewest bits, sixteen to each.
const FEW_NAMES: usize = FEWEST_BITS / 16;

/// Names that are read for one slice to make ranges anew, and those of the range with which they become as many: some milliseconds.
const ENOUGH_NAMES: usize = 2_048;

const _: () = assert!(
    BITS_OF_A_NAME * BIT_SHIFT <= RANGE_SHIFT,
    "a range and its bits come from different bits of a fingerprint"
);

/// What the levels hold, as far as it can be said from memory.
#[derive(Debug)]
pub(crate) struct Bloom {
    ranges: Vec<Range>,
}

/// The names of one range; none, while it has no words.
#[derive(Debug, Clone, Default)]
struct Range {
    words: Box<[u64]>,
    /// Names that were entered, among them those that it was made of.
    entered: i64,
    /// Names of which it was made when it was last made anew.
    made_of: i64,
}

impl Bloom {
    /// Reads what was last made durable.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let empty = connection.query_row(EMPTY, (), |row| row.get(0))?;
        let unknown = if empty { Range::default() } else { Range::that_denies_nothing() };
        let mut bloom = Self { ranges: vec![unknown; RANGES] };
        let mut query = connection.prepare("SELECT range, entered, made_of, bits FROM finder_bloom")?;
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let range = usize::try_from(number).ok().and_then(|number| bloom.ranges.get_mut(number));
            let Some(range) = range else { continue };
            let (bytes, rest) = row.get_ref(3)?.as_blob()?.as_chunks();
            let words: Box<[u64]> = bytes.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
            *range = match rest.is_empty() && is_size(words.len() * 64) {
                true => Range { words, entered: row.get(1)?, made_of: row.get(2)? },
                false => Range::that_denies_nothing(),
            };
        }
        Ok(bloom)
    }

    /// Whether one of the large levels may hold a numbered name of this fingerprint. `false` is certain.
    pub(crate) fn may_hold(&self, fingerprint: i64) -> bool {
        self.ranges[range_of(fingerprint)].may_hold(fingerprint)
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
            let range = range_of(fingerprint);
            self.ranges[range].enter(fingerprint);
            if ranges.last() != Some(&range) {
                ranges.push(range);
            }
        }
        Ok(ranges)
    }

    /// Writes ranges whose names have been moved by now. Those that deny too little are made anew, until that was enough work for
    /// one slice; the others are when they are next written.
    pub(crate) fn write(&mut self, connection: &Connection, ranges: &[usize]) -> rusqlite::Result<()> {
        let mut names_read = 0;
        for number in ranges {
            let range = &mut self.ranges[*number];
            if names_read < ENOUGH_NAMES && range.denies_too_little() {
                let names = held(connection, *number)?;
                names_read += names.len();
                *range = Range::of(&names);
            }
            let bits: Vec<u8> = range.words.iter().flat_map(|word| word.to_le_bytes()).collect();
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO finder_bloom (range, entered, made_of, bits) VALUES (?, ?, ?, ?)",
                )?
                .execute(params![*number as i64, range.entered, range.made_of, bits])?;
        }
        Ok(())
    }
}

impl Range {
    fn of(names: &[i64]) -> Self {
        let mut range = Self::default();
        let bits = if names.len() <= FEW_NAMES { FEWEST_BITS } else { MOST_BITS };
        range.words = vec![0; bits / 64].into();
        names.iter().for_each(|name| range.enter(*name));
        range.made_of = range.entered;
        range
    }

    /// It is made anew when it is next written.
    fn that_denies_nothing() -> Self {
        Self { words: vec![u64::MAX; FEWEST_BITS / 64].into(), entered: 0, made_of: 0 }
    }

    fn may_hold(&self, fingerprint: i64) -> bool {
        let bits = self.words.len() * 64;
        bits > 0 && bits_of(fingerprint, bits).all(|(word, bit)| self.words[word] & bit != 0)
    }

    fn enter(&mut self, fingerprint: i64) {
        if self.words.is_empty() {
            self.words = vec![0; FEWEST_BITS / 64].into();
        }
        for (word, bit) in bits_of(fingerprint, self.words.len() * 64) {
            self.words[word] |= bit;
        }
        self.entered = self.entered.saturating_add(1);
    }

    /// One that can grow denies too little when a quarter of its bits are set, which looks for 2 of 100 new names in vain. One that
    /// cannot, and has more names than its bits are enough for, is made anew only once there are twice as many as the last time.
    fn denies_too_little(&self) -> bool {
        let set: u32 = self.words.iter().map(|word| word.count_ones()).sum();
        let bits = self.words.len() * 64;
        match bits < MOST_BITS {
            true => set as usize > bits / 4,
            false => set as usize > bits / 2 && self.entered >= self.made_of.saturating_mul(2),
        }
    }
}

fn is_size(bits: usize) -> bool {
    [FEWEST_BITS, MOST_BITS].contains(&bits)
}

/// The numbered names that the large levels hold in a range.
fn held(connection: &Connection, range: usize) -> rusqlite::Result<Vec<i64>> {
    let mut names = Vec::new();
    for sql in HELD {
        let mut held = connection.prepare_cached(sql)?;
        let mut rows = held.query(bounds_of(range))?;
        while let Some(row) = rows.next()? {
            names.push(row.get(0)?);
        }
    }
    Ok(names)
}

/// Whether the large levels hold nothing.
const EMPTY: &str = "SELECT NOT EXISTS (SELECT 1 FROM finder_2) AND NOT EXISTS (SELECT 1 FROM finder_3)";

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

/// The word and the bit in it for each bit of a name, of so many. The fingerprint is a hash, so its bits need no other one.
fn bits_of(fingerprint: i64, bits: usize) -> impl Iterator<Item = (usize, u64)> {
    (0..BITS_OF_A_NAME).map(move |number| {
        let bit = (fingerprint.cast_unsigned() >> (number * BIT_SHIFT)) % bits as u64;
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
        put(&connection, "finder_2", (0..100_000).map(mixed));
        bloom.write(&connection, &ranges).unwrap();
        for bloom in [bloom, Bloom::read(&connection).unwrap()] {
            assert!((0..100_000).all(|number| bloom.may_hold(mixed(number))));
            let in_vain = (100_000..200_000).filter(|number| bloom.may_hold(mixed(*number))).count();
            assert!(in_vain < 3_000, "{in_vain} of 100,000 are looked for in vain");
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
        // Many times as many as it is large enough for, and nearly all of them pruned since.
        for fingerprint in of_one_range(0).take(8_000) {
            bloom.ranges[range].enter(fingerprint);
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
            let range = &bloom.ranges[range];
            assert_eq!((range.entered, range.made_of, range.words.len() * 64), (20, 20, FEWEST_BITS));
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
            names.iter().for_each(|name| bloom.ranges[range].enter(*name));
            let before = bloom.ranges[range].made_of;
            bloom.write(&connection, &[range]).unwrap();
            made += usize::from(bloom.ranges[range].made_of != before);
            assert!(names.iter().all(|name| bloom.may_hold(*name)));
        }
        assert!(names.iter().all(|name| bloom.may_hold(*name)));
        assert_eq!(bloom.ranges[range].words.len() * 64, MOST_BITS);
        assert!((5..=8).contains(&made), "it is made anew {made} times while 40,000 names come");
    }

    #[test]
    fn a_row_that_is_lost_denies_nothing_once_the_levels_hold_anything() {
        let connection = file::open_in_memory().unwrap();
        assert!(!Bloom::read(&connection).unwrap().may_hold(5));
        connection.execute("INSERT INTO finder_3 VALUES (5, x'01')", ()).unwrap();
        let mut bloom = Bloom::read(&connection).unwrap();
        assert!((-1_000..1_000).all(|name| bloom.may_hold(name)));
        bloom.write(&connection, &[512]).unwrap();
        assert!(!Bloom::read(&connection).unwrap().may_hold(5), "a closure is no numbered name");
    }

    #[test]
    fn many_ranges_are_made_anew_a_few_at_a_time() {
        let connection = file::open_in_memory().unwrap();
        put(&connection, "finder_3", (0..200_000).map(mixed));
        let mut bloom = Bloom::read(&connection).unwrap();
        let ranges: Vec<_> = (0..RANGES).collect();
        let made = |bloom: &Bloom| bloom.ranges.iter().filter(|range| range.made_of > 0).count();
        bloom.write(&connection, &ranges).unwrap();
        assert!((5..20).contains(&made(&bloom)), "of some 200 names each, {}", made(&bloom));
        for ranges in ranges.chunks(8) {
            bloom.write(&connection, ranges).unwrap();
        }
        assert_eq!(made(&bloom), RANGES);
        assert!((0..200_000).all(|number| bloom.may_hold(mixed(number))));
    }

    #[test]
    fn bits_that_cannot_be_read_deny_nothing_until_they_are_made_anew() {
        let names: Vec<_> = (0..1_000).map(|number| mixed(number) & i64::MAX >> 10).collect();
        for flaw in ["x'00'", "x''", "zeroblob(1536)", "zeroblob(2049)", "zeroblob(4096)"] {
            let connection = file::open_in_memory().unwrap();
            connection.execute(&format!("INSERT INTO finder_bloom VALUES (512, 7, 7, {flaw})"), ()).unwrap();
            let mut bloom = Bloom::read(&connection).unwrap();
            assert!(names.iter().all(|name| bloom.may_hold(*name)), "{flaw}");
            put(&connection, "finder_3", [names[5]]);
            bloom.write(&connection, &[512]).unwrap();
            let held: Vec<_> = names.iter().filter(|name| bloom.may_hold(**name)).collect();
            assert_eq!(held, [&names[5]], "{flaw}");
        }
    }
}
