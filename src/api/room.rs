//! Room for connections: there are only so many, so that nobody can make the daemon grow. Where all are taken, whoever has been waiting longest without
//! asking anything gives way, so that those who only hold connections open do not shut others out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Room for so many connections.
pub(super) struct Room {
    most: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    taken: BTreeMap<u64, Arc<Place>>,
}

#[derive(Default)]
struct Place {
    /// Requests that are being answered.
    at_work: AtomicUsize,
    gives_way: CancellationToken,
}

/// A connection that has a place. Dropped, it is free.
pub(super) struct Guest {
    room: Arc<Room>,
    number: u64,
    place: Arc<Place>,
}

/// As long as it is there, its connection does not give way.
pub(super) struct AtWork(Arc<Place>);

impl Room {
    pub(super) fn of(most: usize) -> Arc<Self> {
        Arc::new(Self { most, places: Mutex::default() })
    }

    /// A place, if need be that of one who waits. None if all are at work.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Guest> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.taken.len() >= self.most {
            let idle = places.taken.iter().find(|(_, place)| place.at_work.load(Ordering::Acquire) == 0).map(|(number, _)| *number)?;
            places.taken.remove(&idle)?.gives_way.cancel();
        }
        let (number, place) = (places.next, Arc::<Place>::default());
        places.next += 1;
        places.taken.insert(number, place.clone());
        Some(Guest { room: self.clone(), number, place })
    }
}

impl Guest {
    /// Ends when this connection has to give way.
    pub(super) async fn gives_way(&self) {
        self.place.gives_way.cancelled().await;
    }

    /// What says that a request of this connection is being answered.
    pub(super) fn work(&self) -> impl Fn() -> AtWork + Clone + use<> {
        let place = self.place.clone();
        move || {
            place.at_work.fetch_add(1, Ordering::AcqRel);
            AtWork(place.clone())
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.room.places.lock().unwrap_or_else(PoisonError::into_inner).taken.remove(&self.number);
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_longest_gives_way_and_who_is_at_work_does_not() {
        let room = Room::of(3);
        let guests: Vec<_> = (0..3).map(|_| room.enter().unwrap()).collect();
        let is_out = |guest: &Guest| guest.place.gives_way.is_cancelled();
        let at_work = guests[0].work()();
        let fourth = room.enter().unwrap();
        assert_eq!(guests.iter().map(is_out).collect::<Vec<_>>(), [false, true, false]);
        drop(at_work);
        let fifth = room.enter().unwrap();
        assert_eq!(guests.iter().map(is_out).collect::<Vec<_>>(), [true, true, false]);
        let busy: Vec<_> = [&guests[2], &fourth, &fifth].into_iter().map(|guest| guest.work()()).collect();
        assert!(room.enter().is_none(), "all are at work");
        drop((guests, busy));
        assert!(room.enter().is_some());
        assert_eq!(room.places.lock().unwrap().taken.len(), 2, "the fourth and the fifth; what is dropped is free");
    }
}
