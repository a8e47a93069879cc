//! Everything that `u64` items can be sent through.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, mpsc};

use taskshelf::PriorityQueue;

/// A bounded queue whose receivers end once the last sender is dropped.
pub trait Channel {
    type Sender: Clone + Send + 'static;
    type Receiver: Clone + Send + 'static;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver);

    fn send(sender: &Self::Sender, priority: i32, item: u64);

    fn receive(receiver: &Self::Receiver) -> Option<u64>;

    /// One at a time, unless there is a better way.
    fn send_all(sender: &Self::Sender, items: impl Iterator<Item = (i32, u64)>) {
        items.for_each(|(priority, item)| Self::send(sender, priority, item));
    }

    /// One at a time, unless there is a better way.
    fn receive_all(receiver: &Self::Receiver, each: impl FnMut(u64)) {
        std::iter::from_fn(|| Self::receive(receiver)).for_each(each);
    }
}

/// A channel that also comes without a bound.
pub trait Unbounded: Channel {
    fn unbounded() -> (Self::Sender, Self::Receiver);
}

/// A queue that is one object, not two ends.
pub trait Blocking: Send + Sync + 'static {
    fn with_capacity(capacity: usize) -> Self;
    fn push(&self, priority: i32, item: u64);
    fn pop(&self) -> Option<u64>;
    fn close(&self);
}

/// One that moves many items at a time.
pub trait Batching: Blocking {
    fn push_all(&self, items: impl Iterator<Item = (i32, u64)>);
    /// 0 if nothing can come any more.
    fn pop_many(&self, buffer: &mut Vec<u64>, limit: usize) -> usize;
}

/// Closes its queue when it is dropped.
pub struct Open<Q: Blocking>(Arc<Q>);

impl<Q: Blocking> Drop for Open<Q> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Makes a channel of a queue.
pub struct Shared<Q>(PhantomData<Q>);

impl<Q: Blocking> Channel for Shared<Q> {
    type Sender = Arc<Open<Q>>;
    type Receiver = Arc<Q>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(Q::with_capacity(capacity));
        (Arc::new(Open(Arc::clone(&queue))), queue)
    }

    fn send(sender: &Self::Sender, priority: i32, item: u64) {
        sender.0.push(priority, item);
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.pop()
    }
}

impl Blocking for PriorityQueue<u64> {
    fn with_capacity(capacity: usize) -> Self {
        Self::new(capacity)
    }

    fn push(&self, priority: i32, item: u64) {
        self.push(priority, item).expect("it is open");
    }

    fn pop(&self) -> Option<u64> {
        self.pop()
    }

    fn close(&self) {
        self.close();
    }
}

impl Batching for PriorityQueue<u64> {
    fn push_all(&self, items: impl Iterator<Item = (i32, u64)>) {
        self.push_all(items).expect("it is open");
    }

    fn pop_many(&self, buffer: &mut Vec<u64>, limit: usize) -> usize {
        self.pop_many(buffer, limit)
    }
}

pub type Shelf = Shared<PriorityQueue<u64>>;
pub type HeapAndCondvar = Shared<super::heap::HeapQueue>;
pub type Floor = Shared<super::ring::Ring>;
pub type ShelfInBatches<const SIZE: usize> = InBatches<PriorityQueue<u64>, SIZE>;
pub type FloorInBatches<const SIZE: usize> = InBatches<super::ring::Ring, SIZE>;

/// A channel that moves `SIZE` items at a time.
pub struct InBatches<Q, const SIZE: usize>(PhantomData<Q>);

impl<Q: Batching, const SIZE: usize> Channel for InBatches<Q, SIZE> {
    type Sender = Arc<Open<Q>>;
    type Receiver = Arc<Q>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        Shared::bounded(capacity)
    }

    fn send(sender: &Self::Sender, priority: i32, item: u64) {
        Shared::send(sender, priority, item);
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        Shared::receive(receiver)
    }

    fn send_all(sender: &Self::Sender, items: impl Iterator<Item = (i32, u64)>) {
        let mut items = items.peekable();
        while items.peek().is_some() {
            sender.0.push_all(items.by_ref().take(SIZE));
        }
    }

    fn receive_all(receiver: &Self::Receiver, mut each: impl FnMut(u64)) {
        let mut batch = Vec::with_capacity(SIZE);
        while receiver.pop_many(&mut batch, SIZE) > 0 {
            batch.drain(..).for_each(&mut each);
        }
    }
}

pub struct Crossbeam;

impl Channel for Crossbeam {
    type Sender = crossbeam_channel::Sender<u64>;
    type Receiver = crossbeam_channel::Receiver<u64>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        crossbeam_channel::bounded(capacity)
    }

    fn send(sender: &Self::Sender, _priority: i32, item: u64) {
        sender.send(item).expect("it is open");
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.recv().ok()
    }
}

impl Unbounded for Crossbeam {
    fn unbounded() -> (Self::Sender, Self::Receiver) {
        crossbeam_channel::unbounded()
    }
}

pub struct Kanal;

impl Channel for Kanal {
    type Sender = kanal::Sender<u64>;
    type Receiver = kanal::Receiver<u64>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        kanal::bounded(capacity)
    }

    fn send(sender: &Self::Sender, _priority: i32, item: u64) {
        sender.send(item).expect("it is open");
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.recv().ok()
    }
}

impl Unbounded for Kanal {
    fn unbounded() -> (Self::Sender, Self::Receiver) {
        kanal::unbounded()
    }
}

pub struct Flume;

impl Channel for Flume {
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        flume::bounded(capacity)
    }

    fn send(sender: &Self::Sender, _priority: i32, item: u64) {
        sender.send(item).expect("it is open");
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.recv().ok()
    }
}

impl Unbounded for Flume {
    fn unbounded() -> (Self::Sender, Self::Receiver) {
        flume::unbounded()
    }
}

/// For one consumer only.
pub struct Std;

impl Channel for Std {
    type Sender = mpsc::SyncSender<u64>;
    type Receiver = Arc<Mutex<mpsc::Receiver<u64>>>;

    fn bounded(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let (sender, receiver) = mpsc::sync_channel(capacity);
        (sender, Arc::new(Mutex::new(receiver)))
    }

    fn send(sender: &Self::Sender, _priority: i32, item: u64) {
        sender.send(item).expect("it is open");
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.lock().expect("nobody panics").recv().ok()
    }
}
