//! A disk that fails when it is told to: a file system between SQLite and the real one.
//!
//! It counts what SQLite asks for, lets one request in turn fail, and remembers what was written and not yet synced, so that a
//! loss of power can be played. It becomes SQLite's default once for the whole process, therefore [`Disk::alone`] lets one test at
//! a time have it.
#![expect(unsafe_code, reason = "to SQLite a file system is a table of C functions")]

use std::{
    collections::BTreeMap,
    ffi::{CStr, c_char, c_int, c_void},
    fs,
    ops::Range,
    ptr, slice,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use rusqlite::ffi;

/// What SQLite asks of a disk, as far as it can fail here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Read,
    Write,
    Sync,
    Truncate,
    Delete,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The device answers with an error, and nothing was done.
    Error,
    /// The same, but half of what was to be written has been written.
    Torn,
    /// There is no space left.
    Full,
}

/// When the disk fails. Requests are counted from 0; reads are counted apart from all others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Plan {
    #[default]
    Sound,
    /// These requests but reads.
    Changes(Range<u64>, Failure),
    /// These reads.
    Reads(Range<u64>),
    /// Everything but reads from this request on: the machine is off.
    OffFrom(u64),
}

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    changes: u64,
    reads: u64,
    files: BTreeMap<String, Image>,
}

/// A file as it would be found after a loss of power.
#[derive(Debug, Default)]
struct Image {
    synced: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Image {
    fn with(&self, kept: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for (_, change) in self.since.iter().enumerate().filter(|(number, _)| kept(*number)) {
            match change {
                Change::Write(offset, written) => {
                    let end = offset + written.len();
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[*offset..end].copy_from_slice(written);
                }
                Change::Cut(length) => bytes.truncate(*length),
            }
        }
        bytes
    }
}

static STATE: Mutex<Option<State>> = Mutex::new(None);
static ALONE: Mutex<()> = Mutex::new(());
static BELOW: OnceLock<Below> = OnceLock::new();

/// The real file system.
struct Below(*mut ffi::sqlite3_vfs);

// SAFETY: SQLite itself calls its file systems from all threads; the table is never changed.
unsafe impl Send for Below {}
// SAFETY: as above.
unsafe impl Sync for Below {}

/// The disk, for one test at a time.
pub(crate) struct Disk {
    _alone: MutexGuard<'static, ()>,
}

impl Disk {
    /// Waits for the other tests, and has a sound disk.
    pub(crate) fn alone() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        BELOW.get_or_init(become_the_default);
        *state() = Some(State::default());
        Self { _alone: alone }
    }

    /// From now on requests are counted anew, and fail as planned.
    pub(crate) fn plan(&self, plan: Plan) {
        with(|state| {
            state.plan = plan;
            state.changes = 0;
            state.reads = 0;
        });
    }

    /// How many requests but reads were made since the last plan.
    pub(crate) fn changes(&self) -> u64 {
        with(|state| state.changes)
    }

    /// How many reads were made since the last plan.
    pub(crate) fn reads(&self) -> u64 {
        with(|state| state.reads)
    }

    /// Whether no request of the future fails, as planned.
    pub(crate) fn is_sound(&self) -> bool {
        with(|state| match &state.plan {
            Plan::Sound => true,
            Plan::Changes(failing, _) => state.changes >= failing.end,
            Plan::Reads(failing) => state.reads >= failing.end,
            Plan::OffFrom(_) => false,
        })
    }

    /// What a loss of power leaves: all that was synced, and of the rest what `kept` says, by a number that differs for each
    /// request. Nobody may have the files open. The index of the log, which lives in memory, is gone.
    pub(crate) fn comes_back(&self, kept: impl Fn(usize) -> bool) {
        with(|state| {
            for (number, (path, image)) in state.files.iter().enumerate() {
                if fs::exists(path).expect("the folder is there") {
                    fs::write(path, image.with(|change| kept(number * 1_000 + change)))
                        .expect("the real disk is sound");
                }
                // The index may not be there.
                let _ = fs::remove_file(format!("{path}-shm"));
            }
            *state = State::default();
        });
    }
}

fn state() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<T>(of: impl FnOnce(&mut State) -> T) -> T {
    of(state().get_or_insert_default())
}

impl State {
    /// Counts a request and says whether it fails.
    fn turn(&mut self, request: Request) -> Option<Failure> {
        let count = if request == Request::Read { &mut self.reads } else { &mut self.changes };
        let number = *count;
        *count += 1;
        match &self.plan {
            Plan::Changes(failing, how) if request != Request::Read && failing.contains(&number) => {
                Some(*how)
            }
            Plan::Reads(failing) if request == Request::Read && failing.contains(&number) => {
                Some(Failure::Error)
            }
            Plan::OffFrom(first) if request != Request::Read && number >= *first => Some(Failure::Error),
            Plan::Sound | Plan::Changes(..) | Plan::Reads(_) | Plan::OffFrom(_) => None,
        }
    }

    fn changed(&mut self, file: &str, change: Change) {
        if let Some(image) = self.files.get_mut(file) {
            image.since.push(change);
        }
    }
}

/// What SQLite is told.
fn code(request: Request, failure: Failure) -> c_int {
    match (request, failure) {
        (Request::Write, Failure::Full) => ffi::SQLITE_FULL,
        (Request::Read, _) => ffi::SQLITE_IOERR_READ,
        (Request::Write, _) => ffi::SQLITE_IOERR_WRITE,
        (Request::Sync, _) => ffi::SQLITE_IOERR_FSYNC,
        (Request::Truncate, _) => ffi::SQLITE_IOERR_TRUNCATE,
        (Request::Delete, _) => ffi::SQLITE_IOERR_DELETE,
    }
}

/// An open file as SQLite has it; the real one follows it in the same memory.
#[repr(C)]
struct Watched {
    methods: *const ffi::sqlite3_io_methods,
    name: *mut String,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // The second version: without the memory maps of the third, which would be read past this disk.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn become_the_default() -> Below {
    // SAFETY: SQLite's default file system lives as long as the process, and so does the copy, which is leaked. All but what
    // is replaced is called as it would be by SQLite, which never looks behind the table.
    unsafe {
        let below = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!below.is_null(), "SQLite has a file system");
        let mut above = *below;
        above.szOsFile += c_int::try_from(size_of::<Watched>()).expect("it is small");
        above.zName = c"failing".as_ptr();
        above.pNext = ptr::null_mut();
        above.xOpen = Some(open);
        above.xDelete = Some(delete);
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(above)), 1), ffi::SQLITE_OK);
        Below(below)
    }
}

fn below() -> *mut ffi::sqlite3_vfs {
    BELOW.get_or_init(become_the_default).0
}

/// # Safety
///
/// `file` was opened by [`open`].
unsafe fn real(file: *mut ffi::sqlite3_file) -> (*mut ffi::sqlite3_file, &'static ffi::sqlite3_io_methods) {
    // SAFETY: `open` was given memory for both, one behind the other, and the real file's table is static.
    unsafe {
        let real: *mut ffi::sqlite3_file = file.cast::<u8>().add(size_of::<Watched>()).cast();
        (real, &*(*real).pMethods)
    }
}

/// # Safety
///
/// `file` was opened by [`open`] and is not closed.
unsafe fn name<'a>(file: *mut ffi::sqlite3_file) -> &'a str {
    // SAFETY: `open` put a name there, which `close` alone takes away.
    unsafe { &*(*file.cast::<Watched>()).name }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives memory of the size that the table names, and a path that ends or none.
    unsafe {
        let watched: *mut Watched = file.cast();
        (*watched).methods = ptr::null();
        let real: *mut ffi::sqlite3_file = file.cast::<u8>().add(size_of::<Watched>()).cast();
        (*real).pMethods = ptr::null();
        let opened = (*below()).xOpen.expect("a file system opens files")(below(), path, real, flags, out);
        if opened == ffi::SQLITE_OK {
            let name = if path.is_null() { String::new() } else { text(path) };
            with(|state| {
                let image = || Image { synced: fs::read(&name).unwrap_or_default(), since: Vec::new() };
                state.files.entry(name.clone()).or_insert_with(image);
            });
            (*watched).name = Box::into_raw(Box::new(name));
            (*watched).methods = &raw const METHODS;
        }
        opened
    }
}

/// # Safety
///
/// `path` ends.
unsafe fn text(path: *const c_char) -> String {
    // SAFETY: the caller says so.
    unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned()
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, path: *const c_char, sync_folder: c_int) -> c_int {
    if let Some(failure) = with(|state| state.turn(Request::Delete)) {
        return code(Request::Delete, failure);
    }
    // SAFETY: SQLite gives a path that ends.
    unsafe {
        let name = text(path);
        with(|state| state.files.remove(&name));
        (*below()).xDelete.expect("a file system deletes files")(below(), path, sync_folder)
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once.
    unsafe {
        let (real, methods) = real(file);
        let closed = methods.xClose.expect("files can be closed")(real);
        drop(Box::from_raw((*file.cast::<Watched>()).name));
        closed
    }
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    if let Some(failure) = with(|state| state.turn(Request::Read)) {
        return code(Request::Read, failure);
    }
    // SAFETY: passed on as it came.
    unsafe {
        let (real, methods) = real(file);
        methods.xRead.expect("files can be read")(real, into, amount, offset)
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let failure = with(|state| state.turn(Request::Write));
    let amount = match failure {
        None => amount,
        Some(Failure::Torn) => amount / 2,
        Some(failure @ (Failure::Error | Failure::Full)) => return code(Request::Write, failure),
    };
    // SAFETY: passed on as it came, or half of it.
    let written = unsafe {
        let (real, methods) = real(file);
        let length = usize::try_from(amount).expect("SQLite writes no less than nothing");
        let bytes = slice::from_raw_parts(from.cast::<u8>(), length).to_vec();
        let offset_in_memory = usize::try_from(offset).expect("a small file");
        with(|state| state.changed(name(file), Change::Write(offset_in_memory, bytes)));
        methods.xWrite.expect("files can be written")(real, from, amount, offset)
    };
    failure.map_or(written, |failure| code(Request::Write, failure))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    if let Some(failure) = with(|state| state.turn(Request::Truncate)) {
        return code(Request::Truncate, failure);
    }
    // SAFETY: passed on as it came.
    unsafe {
        let length = usize::try_from(size).expect("a small file");
        with(|state| state.changed(name(file), Change::Cut(length)));
        let (real, methods) = real(file);
        methods.xTruncate.expect("files can be cut")(real, size)
    }
}

/// The real disk is spared: what it would sync is remembered here.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    with(|state| {
        if let Some(failure) = state.turn(Request::Sync) {
            return code(Request::Sync, failure);
        }
        // SAFETY: the file is open.
        if let Some(image) = state.files.get_mut(unsafe { name(file) }) {
            image.synced = image.with(|_| true);
            image.since.clear();
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: passed on as it came.
    unsafe {
        let (real, methods) = real(file);
        methods.xShmBarrier.expect("a file system with a log has this")(real);
    }
}

/// What is passed on as it came.
macro_rules! passed_on {
    ($($name:ident is $method:ident($($value:ident: $type:ty),*);)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file, $($value: $type),*) -> c_int {
            // SAFETY: passed on as it came.
            unsafe {
                let (real, methods) = real(file);
                methods.$method.expect("a file system with a log has this")(real, $($value),*)
            }
        })*
    };
}

passed_on! {
    file_size is xFileSize(size: *mut ffi::sqlite3_int64);
    lock is xLock(level: c_int);
    unlock is xUnlock(level: c_int);
    check_reserved_lock is xCheckReservedLock(reserved: *mut c_int);
    file_control is xFileControl(operation: c_int, value: *mut c_void);
    sector_size is xSectorSize();
    device_characteristics is xDeviceCharacteristics();
    shm_map is xShmMap(region: c_int, size: c_int, extend: c_int, memory: *mut *mut c_void);
    shm_lock is xShmLock(offset: c_int, number: c_int, flags: c_int);
    shm_unmap is xShmUnmap(remove: c_int);
}
