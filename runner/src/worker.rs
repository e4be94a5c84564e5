//! The thread of a stream that does its CPU work: guest code never runs where connections are driven.
//!
//! Must not know: what happens to the rows that it hands over.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc as orders;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::copy::message::Message;
use crate::counters::Live;
use crate::pipeline::{Ended, Error, Piece, TablePath, Walker};

/// A split to walk.
#[derive(Debug)]
pub(crate) struct Order {
    /// The split's table; instances of modules are kept while it stays the same.
    pub(crate) path: Arc<TablePath>,
    /// The split.
    pub(crate) piece: Piece,
    /// Where the chunks go: a channel with one slot.
    pub(crate) messages: mpsc::Sender<Message>,
    /// Where the end is told, behind the last message.
    pub(crate) ended: oneshot::Sender<Result<Ended, Error>>,
}

/// A worker thread; it ends when this is dropped and its walk is done.
#[derive(Debug)]
pub(crate) struct Worker {
    orders: orders::Sender<Order>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(number: usize, live: Arc<Live>, stop: Arc<AtomicBool>) -> std::io::Result<Worker> {
        let (sender, receiver) = orders::channel::<Order>();
        thread::Builder::new().name(format!("etl-worker-{number}")).spawn(move || {
            let mut walker = None;
            while let Ok(order) = receiver.recv() {
                let Order { path, piece, messages, ended } = order;
                let result = walk(&mut walker, path, &piece, &messages, (&live, &stop));
                if result.is_err() {
                    walker = None;
                }
                drop(messages);
                // A stream that is gone needs no answer.
                let _ = ended.send(result);
            }
        })?;
        Ok(Worker { orders: sender })
    }

    /// Walks a split; the answer comes through the order's `ended`.
    pub(crate) fn walk(&self, order: Order) {
        // The thread ends only by a panic: then `ended` is dropped unanswered, which the stream sees.
        let _ = self.orders.send(order);
    }
}

fn walk(
    walker: &mut Option<(Arc<TablePath>, Walker)>,
    path: Arc<TablePath>,
    piece: &Piece,
    messages: &mpsc::Sender<Message>,
    (live, stop): (&Arc<Live>, &Arc<AtomicBool>),
) -> Result<Ended, Error> {
    if !walker.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, &path)) {
        // Two tables' instances at once would double what a stream holds.
        *walker = None;
    }
    let (_, walker) = match walker {
        Some(walker) => walker,
        None => {
            let new = Walker::new(Arc::clone(&path), Arc::clone(live), Arc::clone(stop))?;
            walker.insert((path, new))
        }
    };
    walker.walk(piece, messages)
}
