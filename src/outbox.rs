//! Where results lie until somebody takes them.
//!
//! They are kept in a list, which [`Outbox::take`] hands out as it is. The
//! first call of [`Outbox::stream`] turns the list into a channel, with what it
//! held as its beginning, and from then on results go there. Either way they
//! stand in the order of publication.
//!
//! Under the lock no result is dropped, for its destructor is the user's, and none
//! is sent to a channel that others may be receiving from, for that may wake one.

use crate::contain::discard;
use crate::sync::{self, Lock, LockGuard, Receiver, Sender};

/// Aligned so that nothing else shares its cache lines.
#[repr(align(128))]
pub(crate) struct Outbox<T> {
    contents: Lock<Contents<T>>,
}

pub(crate) struct Contents<T> {
    sink: Sink<T>,
    /// The queue's own end of the stream, once there is one.
    receiver: Option<Receiver<T>>,
    /// Nothing more will be put in.
    has_ended: bool,
}

impl<T> Contents<T> {
    /// Where results are kept. Once they go elsewhere they never go to a list again.
    #[inline]
    pub(crate) fn list(&mut self) -> Option<&mut Vec<T>> {
        match &mut self.sink {
            Sink::List(list) => Some(list),
            Sink::Stream(_) | Sink::Nowhere => None,
        }
    }
}

enum Sink<T> {
    List(Vec<T>),
    Stream(Sender<T>),
    /// Nobody wants them, or no more can come.
    Nowhere,
}

/// What a queue that is dropped leaves behind.
pub(crate) enum Abandoned<T> {
    /// Results that nobody took and nobody can take any more.
    Unclaimed(Vec<T>),
    /// A stream that others may have receivers of.
    Streamed(Receiver<T>),
}

impl<T> Outbox<T> {
    pub(crate) fn new() -> Self {
        Self {
            contents: Lock::new(Contents {
                sink: Sink::List(Vec::new()),
                receiver: None,
                has_ended: false,
            }),
        }
    }

    /// To put a result into the [list](Contents::list).
    #[inline]
    pub(crate) fn lock(&self) -> LockGuard<'_, Contents<T>> {
        self.contents.lock()
    }

    /// Where results go once there is no list; nowhere, if there is no sender either.
    pub(crate) fn sender(&self) -> Option<Sender<T>> {
        match &self.contents.lock().sink {
            Sink::Stream(sender) => Some(sender.clone()),
            Sink::List(_) | Sink::Nowhere => None,
        }
    }

    /// Nothing more will be put in: the stream ends, now or when it begins.
    pub(crate) fn end(&self) {
        let mut contents = self.contents.lock();
        contents.has_ended = true;
        let sender = match &contents.sink {
            Sink::Stream(_) => std::mem::replace(&mut contents.sink, Sink::Nowhere),
            _ => Sink::Nowhere,
        };
        drop(contents);
        // With it may go what nobody received, if the last receiver goes just now.
        discard(sender);
    }

    /// A receiver of all that was not taken and all that comes.
    pub(crate) fn stream(&self) -> Receiver<T> {
        let mut contents = self.contents.lock();
        if let Some(receiver) = &contents.receiver {
            return receiver.clone();
        }
        let (sender, receiver) = sync::unbounded();
        contents.receiver = Some(receiver.clone());
        if let Sink::List(list) = std::mem::replace(&mut contents.sink, Sink::Nowhere) {
            for result in list {
                // There is a receiver.
                let _ = sender.send(result);
            }
            if !contents.has_ended {
                contents.sink = Sink::Stream(sender);
            }
        }
        receiver
    }

    /// What is there and was not taken.
    pub(crate) fn take(&self) -> Vec<T> {
        let mut contents = self.contents.lock();
        if let Some(list) = contents.list() {
            return std::mem::take(list);
        }
        let receiver = contents.receiver.clone();
        drop(contents);
        receiver.map_or_else(Vec::new, |receiver| receiver.try_iter().collect())
    }

    /// The queue is gone: what comes now reaches those who have receivers.
    pub(crate) fn abandon(&self) -> Abandoned<T> {
        let mut contents = self.contents.lock();
        match contents.receiver.take() {
            Some(receiver) => Abandoned::Streamed(receiver),
            None => match std::mem::replace(&mut contents.sink, Sink::Nowhere) {
                Sink::List(list) => Abandoned::Unclaimed(list),
                _ => Abandoned::Unclaimed(Vec::new()),
            },
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    impl Outbox<u32> {
        /// As a worker does. Hands back what nobody wants.
        fn publish(&self, result: u32) -> Option<u32> {
            if let Some(list) = self.lock().list() {
                list.push(result);
                return None;
            }
            match self.sender() {
                Some(stream) => stream.send(result).err().map(|refused| refused.0),
                None => Some(result),
            }
        }
    }

    fn received(results: &Receiver<u32>) -> Vec<u32> {
        results.try_iter().collect()
    }

    #[test]
    fn a_stream_begins_with_what_was_kept() {
        let outbox = Outbox::new();
        (0..3).for_each(|result| assert_eq!(outbox.publish(result), None));
        let first = outbox.stream();
        assert_eq!(outbox.publish(3), None);
        assert_eq!(received(&outbox.stream()), [0, 1, 2, 3]);
        assert_eq!(received(&first), []);
    }

    #[test]
    fn what_was_taken_is_not_taken_again() {
        let outbox = Outbox::new();
        outbox.publish(1);
        assert_eq!(outbox.take(), [1]);
        assert_eq!(outbox.take(), []);
        outbox.publish(2);
        let results = outbox.stream();
        outbox.publish(3);
        assert_eq!(results.recv(), Ok(2));
        assert_eq!(outbox.take(), [3]);
        assert_eq!(outbox.take(), []);
    }

    #[test]
    fn the_stream_ends_whenever_it_began() {
        for streams_first in [true, false] {
            let outbox = Outbox::new();
            let early = streams_first.then(|| outbox.stream());
            outbox.publish(1);
            outbox.end();
            let results = early.unwrap_or_else(|| outbox.stream());
            assert_eq!(results.iter().collect::<Vec<_>>(), [1]);
            assert!(outbox.take().is_empty());
        }
    }

    #[test]
    fn an_abandoned_stream_reaches_those_who_listen() {
        let outbox = Outbox::new();
        let results = outbox.stream();
        assert!(matches!(outbox.abandon(), Abandoned::Streamed(_)));
        assert_eq!(outbox.publish(1), None);
        assert_eq!(results.recv(), Ok(1));
        drop(results);
        assert_eq!(outbox.publish(2), Some(2));
    }

    #[test]
    fn an_abandoned_list_is_handed_out_and_not_continued() {
        let outbox = Outbox::new();
        outbox.publish(1);
        let Abandoned::Unclaimed(results) = outbox.abandon() else {
            panic!("nobody made a stream");
        };
        assert_eq!(results, [1]);
        assert_eq!(outbox.publish(2), Some(2));
    }
}
