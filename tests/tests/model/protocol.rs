//! The ledger's protocol for one split, as docs/exactly-once.md has it, without rows, SQL and time: what two processes
//! ask, what the server does with it, and everything that may come in between.
//!
//! Must not know how its states are searched.

use std::collections::BTreeSet;

/// Chunks of the split. A position counts those that are done.
pub(crate) const CHUNKS: u8 = 2;

/// Connections whose client is gone and that the server has not noticed yet.
const ZOMBIES: usize = 2;

/// What the protocol consists of. Without a part it must be shown to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    /// A chunk begins with a look at the ledger row.
    pub(crate) checks: bool,
    /// That look locks the row (`FOR UPDATE`).
    pub(crate) locks: bool,
    /// Check and move compare the epoch, not only the position.
    pub(crate) compares_epoch: bool,
    /// Check and move compare the owner: epochs begin at 0 again when a load was forgotten.
    pub(crate) compares_owner: bool,
    /// A claim compares which load it is of.
    pub(crate) compares_load: bool,
    /// The row is only moved from the place that the worker knows.
    pub(crate) compares_in_move: bool,
    /// Rows and ledger are one transaction.
    pub(crate) one_transaction: bool,
    /// After a refused row the ledger is read again.
    pub(crate) reads_again: bool,
    /// The target has a key, which a row that comes twice violates.
    pub(crate) keyed: bool,
    /// How many claims are followed: a broken protocol may go on for ever.
    pub(crate) most_claims: u8,
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// The rows in the target are not those before the ledger's position, each once.
    NotExactlyOnce,
    /// Rows were taken from a worker that had lost its place.
    StaleRows,
    /// A worker moved a split that was claimed after its own claim.
    MovedByAnOldClaim,
    /// A good row was taken for a bad one.
    RowBlamed,
    /// Rows of a load that was forgotten were committed into the next one.
    RowsOfAForgottenLoad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) position: u8,
    pub(crate) epoch: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Ask {
    Claim(u8),
    Check(Place),
    Rows(Place),
    Move(Place),
    Commit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Answer {
    Claimed(Place),
    Busy,
    Moved(u8),
    Done,
    Forgotten,
    Checked(bool),
    Committed,
    Refused { duplicate: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Transaction {
    None,
    Open { locked: bool, rows: Option<u8>, moves: Option<Place> },
    Failed { duplicate: bool },
}

/// A process as the ledger knows it: another one each time it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Owner {
    process: u8,
    start: u8,
}

/// A connection as the server has it: what was asked and not looked at, and what was answered and not read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Session {
    owner: Owner,
    /// Which load its process is at.
    load: u8,
    asked: Vec<Ask>,
    answers: Vec<Answer>,
    transaction: Transaction,
}

/// What a process waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Worker {
    Down,
    /// Last saw the split at this epoch.
    Idle(u8),
    Claiming(u8),
    Checking(Place),
    Committing(Place),
    Finished,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Process {
    worker: Worker,
    /// Which load it is at, and how often it was started.
    load: u8,
    start: u8,
    session: Option<Session>,
}

impl Process {
    /// A request to queue, or an answer to read.
    fn has_something_to_do(&self) -> bool {
        let answered = self.session.as_ref().is_some_and(|session| !session.answers.is_empty());
        answered || matches!(self.worker, Worker::Idle(_))
    }
}

impl Session {
    fn holds_the_row(&self) -> bool {
        matches!(self.transaction, Transaction::Open { locked: true, .. })
    }

    /// A zombie that can do nothing more: it asks nothing, and holds nothing that somebody waits for.
    fn is_over(&self) -> bool {
        let holds = matches!(
            self.transaction,
            Transaction::Open { locked: true, .. } | Transaction::Open { rows: Some(_), .. }
        );
        !holds && self.asked.is_empty()
    }
}

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    ledger: Place,
    owner: Option<Owner>,
    /// Which load the ledger holds.
    load: u8,
    /// How often each chunk's rows are committed by this load.
    rows: [u8; CHUNKS as usize],
    processes: [Process; 2],
    zombies: Vec<Session>,
    left: Faults,
}

/// What may still go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// Connections that are cut.
    pub(crate) cuts: u8,
    /// Processes that are killed.
    pub(crate) kills: u8,
    /// Live owners that are taken for dead.
    pub(crate) mistakes: u8,
    /// Starts with `--fresh`.
    pub(crate) fresh: u8,
}

/// Whose session.
#[derive(Clone, Copy)]
enum Of {
    Process(usize),
    Zombie(usize),
}

impl State {
    /// Two processes that are about to start, and how much may go wrong.
    pub(crate) fn first(left: Faults) -> State {
        let process = Process { worker: Worker::Down, load: 0, start: 0, session: None };
        State {
            ledger: Place { position: 0, epoch: 0 },
            owner: None,
            load: 0,
            rows: [0; CHUNKS as usize],
            processes: [process.clone(), process],
            zombies: Vec::new(),
            left,
        }
    }

    /// The split is done, and everybody knows.
    pub(crate) fn is_end(&self) -> bool {
        self.processes.iter().all(|process| process.worker == Worker::Finished)
    }

    /// How often the split was claimed.
    pub(crate) fn claims(&self) -> u8 {
        self.ledger.epoch
    }

    /// Every row of a chunk before the position is there once, no other at all.
    pub(crate) fn is_exact(&self) -> bool {
        (0..CHUNKS).all(|chunk| self.rows[chunk as usize] == u8::from(chunk < self.ledger.position))
    }

    /// All that can come next, each once for states that differ in nothing but the names of the processes.
    pub(crate) fn next(&self, protocol: Protocol, found: &mut BTreeSet<Violation>) -> Vec<State> {
        let mut next = Vec::new();
        let busy = (0..2).find(|at| self.processes[*at].has_something_to_do());
        if let Some(process) = busy {
            // Nobody else sees when a process reads its answers or queues a request, only that it may be too late.
            next.extend(self.act(process, protocol, found));
            next.extend(self.lose(process));
        } else {
            for process in 0..2 {
                next.extend(self.act(process, protocol, found));
                next.extend(self.begin_anew(process));
                next.extend(self.lose(process));
                next.extend(self.serve(Of::Process(process), protocol, found));
            }
            for zombie in 0..self.zombies.len() {
                // Noticed: what it had open is rolled back, what it still asked is forgotten.
                let mut gone = self.clone();
                gone.zombies.remove(zombie);
                next.push(gone);
                next.extend(self.serve(Of::Zombie(zombie), protocol, found));
            }
        }
        next.into_iter().map(State::named_alike).collect()
    }

    /// The same state for all that are alike.
    fn named_alike(mut self) -> State {
        self.zombies.retain(|zombie| !zombie.is_over());
        let [one, two] = &self.processes;
        if one > two {
            self.processes.swap(0, 1);
            let sessions = self.processes.iter_mut().filter_map(|process| process.session.as_mut());
            let owners = sessions.chain(&mut self.zombies).map(|session| &mut session.owner);
            owners.chain(&mut self.owner).for_each(|owner| owner.process = 1 - owner.process);
        }
        self.zombies.sort();
        self
    }

    /// What a process does by itself.
    fn act(&self, at: usize, protocol: Protocol, found: &mut BTreeSet<Violation>) -> Option<State> {
        let mut state = self.clone();
        let Process { worker, load, start, session } = &mut state.processes[at];
        match *worker {
            Worker::Down => {
                (*worker, *load) = (Worker::Idle(self.ledger.epoch), self.load);
                *start += 1;
            }
            Worker::Finished => return None,
            Worker::Idle(seen) => {
                let session = session.get_or_insert(Session {
                    owner: Owner { process: at as u8, start: *start },
                    load: *load,
                    asked: Vec::new(),
                    answers: Vec::new(),
                    transaction: Transaction::None,
                });
                session.asked.push(Ask::Claim(seen));
                *worker = Worker::Claiming(seen);
            }
            Worker::Claiming(_) | Worker::Checking(_) | Worker::Committing(_) => {
                let session = session.as_mut()?;
                if session.answers.is_empty() {
                    return None;
                }
                let answer = session.answers.remove(0);
                state.hear(at, answer, protocol, found);
            }
        }
        Some(state)
    }

    /// A process is started with `--fresh`: the ledger forgets the load, unless somebody holds its row or is seen alive.
    fn begin_anew(&self, at: usize) -> Option<State> {
        let lives = self.owner.is_some_and(|owner| self.is_alive(owner.process));
        let foreign = lives && self.ledger.position < CHUNKS;
        let held = self.sessions().any(Session::holds_the_row);
        let may = self.left.fresh > 0 && !held && (!foreign || self.left.mistakes > 0);
        if self.processes[at].worker != Worker::Down || !may {
            return None;
        }
        let mut state = self.clone();
        state.left.fresh -= 1;
        state.left.mistakes -= u8::from(foreign);
        state.load += 1;
        (state.ledger, state.owner) = (Place { position: 0, epoch: 0 }, None);
        state.rows = [0; CHUNKS as usize];
        // Who was done with the load before has nothing to do with this one.
        let process = &mut state.processes[at];
        (process.worker, process.load) = (Worker::Idle(0), state.load);
        process.start += 1;
        Some(state)
    }

    /// What a process makes of an answer.
    fn hear(&mut self, at: usize, answer: Answer, protocol: Protocol, found: &mut BTreeSet<Violation>) {
        let (ledger, load) = (self.ledger, self.load);
        let Process { worker, session: Some(session), .. } = &mut self.processes[at] else { return };
        match (*worker, answer) {
            (Worker::Claiming(_), Answer::Claimed(place)) => {
                session.asked.push(Ask::Check(place));
                *worker = Worker::Checking(place);
            }
            (Worker::Claiming(seen), Answer::Busy) => *worker = Worker::Idle(seen),
            (Worker::Claiming(_), Answer::Moved(epoch)) => *worker = Worker::Idle(epoch),
            (Worker::Claiming(_), Answer::Forgotten) => {
                *worker = Worker::Down;
                self.processes[at].session = None;
            }
            (Worker::Claiming(_), Answer::Done) => {
                *worker = Worker::Finished;
                self.processes[at].session = None;
            }
            (Worker::Checking(place), Answer::Checked(true)) => {
                session.asked.extend([Ask::Rows(place), Ask::Move(place), Ask::Commit]);
                let behind = Place { position: place.position + 1, ..place };
                if behind.position < CHUNKS {
                    // The next chunk's beginning is sent behind the COMMIT, before its answer is there.
                    session.asked.push(Ask::Check(behind));
                }
                *worker = Worker::Committing(place);
            }
            (Worker::Committing(place), Answer::Committed) if place.position + 1 < CHUNKS => {
                *worker = Worker::Checking(Place { position: place.position + 1, ..place });
            }
            (Worker::Committing(_), Answer::Committed) => {
                *worker = Worker::Finished;
                self.processes[at].session = None;
            }
            (Worker::Committing(place), Answer::Refused { duplicate }) => {
                if duplicate && (!protocol.reads_again || (ledger, load) == (place, session.load)) {
                    found.insert(Violation::RowBlamed);
                }
                self.leave(at, place.epoch);
            }
            (Worker::Checking(place), Answer::Checked(false)) => self.leave(at, place.epoch),
            (worker, answer) => panic!("{worker:?} does not expect {answer:?}"),
        }
    }

    /// Gives up a connection whose answers are not trusted any more; the server still has it.
    fn leave(&mut self, at: usize, seen: u8) {
        self.processes[at].worker = Worker::Idle(seen);
        if let Some(mut session) = self.processes[at].session.take() {
            session.answers.clear();
            if self.zombies.len() < ZOMBIES {
                self.zombies.push(session);
            }
        }
    }

    /// A connection is cut, or a process killed, at any moment.
    fn lose(&self, at: usize) -> Vec<State> {
        let seen = match self.processes[at].worker {
            Worker::Down | Worker::Finished => return Vec::new(),
            Worker::Idle(seen) | Worker::Claiming(seen) => seen,
            Worker::Checking(place) | Worker::Committing(place) => place.epoch,
        };
        let mut lost = Vec::new();
        if self.zombies.len() == ZOMBIES {
            return lost;
        }
        if self.left.cuts > 0 && self.processes[at].session.is_some() {
            let mut cut = self.clone();
            cut.left.cuts -= 1;
            cut.leave(at, seen);
            lost.push(cut);
        }
        if self.left.kills > 0 {
            let mut killed = self.clone();
            killed.left.kills -= 1;
            killed.leave(at, seen);
            killed.processes[at].worker = Worker::Down;
            lost.push(killed);
        }
        lost
    }
}

mod server;
