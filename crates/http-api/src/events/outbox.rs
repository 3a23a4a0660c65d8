//! What all streams share: the pages of the outbox, the look-out for new lines, and the room for streams.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use callbacks::{EventPlace, Records, every_event};
use genesys_types::Organisation;
use store::StoreUnavailable;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::frame;
use crate::{call::Shared, state::ApiState};

/// How many streams there may be at once.
pub(super) const STREAMS: usize = 64;

/// How many of them one key may have, by its name: a quarter, so that no key keeps all others out.
pub(super) const STREAMS_OF_KEY: usize = 16;

/// Lines in one page.
const PAGE: usize = 64;

/// How many pages are kept for those who read the same: whoever follows is on the last one.
const KEPT: usize = 8;

/// How often is looked whether there are new lines, while somebody follows. As callbacks do: other processes write them too.
const TICK: Duration = Duration::from_millis(500);

/// The outbox as streams read it. Every page is read once for all who are at the same place.
pub(crate) struct Outbox {
    pages: tokio::sync::Mutex<VecDeque<(u64, Arc<Page>)>>,
    /// The last position that the look-out saw.
    news: watch::Sender<u64>,
    /// Whether somebody looks out.
    looks_out: Mutex<bool>,
    room: Arc<Semaphore>,
    /// The room of each key that has streams.
    room_of_keys: Mutex<HashMap<Arc<str>, Weak<Semaphore>>>,
}

/// Room for one stream, for as long as it is held.
#[derive(Debug)]
pub(super) struct Room {
    _of_key: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Who has as many streams as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// This key.
    Key,
    /// All keys together.
    All,
}

/// What the lines behind a position tell.
pub(super) struct Page {
    /// The position of its last line.
    pub(super) last: u64,
    pub(super) events: Vec<Told>,
}

/// One event, written.
pub(super) struct Told {
    pub(super) place: EventPlace,
    pub(super) organisation: Organisation,
    pub(super) event_type: String,
    pub(super) text: String,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            pages: tokio::sync::Mutex::default(),
            news: watch::Sender::new(0),
            looks_out: Mutex::default(),
            room: Arc::new(Semaphore::new(STREAMS)),
            room_of_keys: Mutex::default(),
        }
    }
}

impl Outbox {
    /// Room for one stream of this key.
    pub(super) fn room(&self, key: &Arc<str>) -> Result<Room, Full> {
        let of_key = self.room_of_key(key).try_acquire_owned().map_err(|_| Full::Key)?;
        let of_all = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Full::All)?;
        Ok(Room { _of_key: of_key, _of_all: of_all })
    }

    fn room_of_key(&self, key: &Arc<str>) -> Arc<Semaphore> {
        let mut all = self.room_of_keys.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, room| room.strong_count() > 0);
        let known = all.get(key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let room = Arc::new(Semaphore::new(STREAMS_OF_KEY));
            all.insert(Arc::clone(key), Arc::downgrade(&room));
            room
        })
    }

    /// Tells of new lines from now on, of this process and of others. It may tell where nothing is new.
    pub(super) fn follow(shared: &Arc<Shared>) -> watch::Receiver<u64> {
        let outbox = &shared.outbox;
        let mut looks_out = outbox.looks_out.lock().unwrap_or_else(PoisonError::into_inner);
        let news = outbox.news.subscribe();
        if !*looks_out {
            *looks_out = true;
            tokio::spawn(look_out(Arc::clone(shared)));
        }
        news
    }

    /// What the lines behind `after` tell, as many as one page holds; `None` where there is none.
    pub(super) async fn page(
        &self,
        api: &ApiState,
        after: u64,
    ) -> Result<Option<Arc<Page>>, StoreUnavailable> {
        // Held while the page is read, so that the others wait for it in place of reading it too.
        let mut pages = self.pages.lock().await;
        if let Some((_, page)) = pages.iter().find(|(begin, _)| *begin == after) {
            return Ok(Some(Arc::clone(page)));
        }
        let Some(page) = read(api, after).await? else { return Ok(None) };
        let page = Arc::new(page);
        pages.push_back((after, Arc::clone(&page)));
        if pages.len() > KEPT {
            pages.pop_front();
        }
        Ok(Some(page))
    }

    /// Whether nobody follows any more. Then whoever looked out has stopped.
    fn is_left(&self) -> bool {
        let mut looks_out = self.looks_out.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.news.receiver_count() == 0;
        *looks_out = !left;
        left
    }
}

async fn look_out(shared: Arc<Shared>) {
    let Shared { api, outbox, .. } = &*shared;
    let mut seen = None;
    while !outbox.is_left() {
        // A store that is away tells its readers so.
        if let Ok(last) = api.store.last_line(u64::MAX).await {
            let last = last.map_or(0, |(position, _)| position);
            // Also for the first time: what came before it may not have been seen by those who follow since.
            if seen.replace(last) != Some(last) {
                outbox.news.send_replace(last);
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn read(api: &ApiState, after: u64) -> Result<Option<Page>, StoreUnavailable> {
    let lines = api.store.announcements(after, PAGE).await?;
    let Some(last) = lines.last().map(|placed| placed.position) else { return Ok(None) };
    // The driver tells of one that cannot be read.
    let mut records = Records::new(|_, _| {});
    let mut events = Vec::with_capacity(lines.len());
    for placed in &lines {
        let Some(record) = records.of(&*api.store, placed.closure).await? else { continue };
        let told = every_event(record, placed, public_url(api)).into_iter().map(|announced| Told {
            place: announced.place,
            organisation: record.organisation.clone(),
            text: frame::event(&announced),
            event_type: announced.event_type,
        });
        events.extend(told);
    }
    Ok(Some(Page { last, events }))
}

/// Where people reach this service, if that is known.
pub(super) fn public_url(api: &ApiState) -> Option<&str> {
    Some(api.callbacks.public_url()).filter(|url| !url.is_empty())
}
