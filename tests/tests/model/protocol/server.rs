//! What the server does with the next thing that a session asks: locks, roll-backs, and commits of all or nothing.
//!
//! Must not know what the asker makes of it.

use std::collections::BTreeSet;

use super::{
    Answer, Ask, CHUNKS, Of, Owner, Place, Protocol, Session, State, Transaction, Violation, Worker,
};

impl State {
    /// The next request of a session: what may come of it, more than one thing where a lock is waited for.
    pub(super) fn serve(&self, of: Of, protocol: Protocol, found: &mut BTreeSet<Violation>) -> Vec<State> {
        let Some(session) = self.session(of) else { return Vec::new() };
        let Some(ask) = session.asked.first().copied() else { return Vec::new() };
        let (owner, load, transaction) = (session.owner, session.load, session.transaction);
        let mut next = self.clone();
        next.session_mut(of).asked.remove(0);
        match ask {
            Ask::Claim(_) if next.ledger.epoch == protocol.most_claims => return Vec::new(),
            Ask::Claim(seen) => return next.claim(of, (owner, load), seen, protocol),
            Ask::Check(place) => return next.check(of, place, protocol),
            Ask::Rows(place) => next.rows(of, place, protocol, found),
            Ask::Move(place) => next.advance(of, place, protocol),
            Ask::Commit => {
                match transaction {
                    Transaction::Open { rows, moves, .. } => {
                        next.commit(load, (rows, moves), protocol, found);
                        next.answer(of, Answer::Committed);
                    }
                    // After an error COMMIT answers ok to a roll-back; the answers before it are counted too.
                    Transaction::Failed { duplicate } => next.answer(of, Answer::Refused { duplicate }),
                    Transaction::None => panic!("COMMIT of nothing"),
                }
                next.session_mut(of).transaction = Transaction::None;
            }
        }
        vec![next]
    }

    /// `UPDATE … SET epoch = epoch + 1 WHERE epoch = seen AND NOT done AND no live owner`, of this load, by itself.
    fn claim(mut self, of: Of, (owner, load): (Owner, u8), seen: u8, protocol: Protocol) -> Vec<State> {
        if self.is_locked(of) {
            // It waits; after `lock_timeout` it is told so.
            self.answer(of, Answer::Busy);
            return vec![self];
        }
        if protocol.compares_load && load != self.load {
            self.answer(of, Answer::Forgotten);
            return vec![self];
        }
        if self.ledger.position == CHUNKS {
            self.answer(of, Answer::Done);
            return vec![self];
        }
        if self.ledger.epoch != seen {
            self.answer(of, Answer::Moved(self.ledger.epoch));
            return vec![self];
        }
        let mut next = Vec::new();
        let other = self.owner.filter(|other| other.process != owner.process);
        let foreign = other.is_some_and(|other| self.is_alive(other.process));
        if !foreign || self.left.mistakes > 0 {
            let mut ours = self.clone();
            ours.left.mistakes -= u8::from(foreign);
            ours.ledger.epoch += 1;
            ours.owner = Some(owner);
            ours.answer(of, Answer::Claimed(ours.ledger));
            next.push(ours);
        }
        if foreign {
            self.answer(of, Answer::Busy);
            next.push(self);
        }
        next
    }

    /// `BEGIN`, and the look at the ledger row.
    fn check(mut self, of: Of, place: Place, protocol: Protocol) -> Vec<State> {
        let fits = !protocol.checks || self.is_at(of, place, protocol);
        if protocol.checks && protocol.locks && self.is_locked(of) {
            self.session_mut(of).transaction = Transaction::Failed { duplicate: false };
            self.answer(of, Answer::Checked(false));
            return vec![self];
        }
        let locked = protocol.checks && protocol.locks;
        self.session_mut(of).transaction = if fits {
            Transaction::Open { locked, rows: None, moves: None }
        } else {
            Transaction::Failed { duplicate: false }
        };
        self.answer(of, Answer::Checked(fits));
        vec![self]
    }

    /// COPY.
    fn rows(&mut self, of: Of, place: Place, protocol: Protocol, found: &mut BTreeSet<Violation>) {
        let Transaction::Open { locked, moves, .. } =
            self.session(of).map_or(Transaction::None, |s| s.transaction)
        else {
            return;
        };
        let load = self.session(of).map(|session| session.load);
        if self.ledger != place || load != Some(self.load) {
            found.insert(Violation::StaleRows);
        }
        let chunk = place.position as usize;
        if protocol.keyed && self.rows[chunk] > 0 {
            self.session_mut(of).transaction = Transaction::Failed { duplicate: true };
        } else if protocol.keyed && self.others(of).any(|other| writes(other, place.position)) {
            // It waits for the other's end, and gives up.
            self.session_mut(of).transaction = Transaction::Failed { duplicate: false };
        } else if protocol.one_transaction {
            self.session_mut(of).transaction =
                Transaction::Open { locked, rows: Some(place.position), moves };
        } else {
            self.rows[chunk] = (self.rows[chunk] + 1).min(2);
        }
    }

    /// `UPDATE` of the ledger row, from where the worker believes it to be.
    fn advance(&mut self, of: Of, place: Place, protocol: Protocol) {
        let Transaction::Open { rows, .. } = self.session(of).map_or(Transaction::None, |s| s.transaction)
        else {
            return;
        };
        let fits = !protocol.compares_in_move || self.is_at(of, place, protocol);
        self.session_mut(of).transaction = if fits && !self.is_locked(of) {
            Transaction::Open { locked: true, rows, moves: Some(place) }
        } else {
            Transaction::Failed { duplicate: false }
        };
    }

    fn commit(
        &mut self,
        load: u8,
        (rows, moves): (Option<u8>, Option<Place>),
        protocol: Protocol,
        found: &mut BTreeSet<Violation>,
    ) {
        if load != self.load && (rows.is_some() || moves.is_some()) {
            found.insert(Violation::RowsOfAForgottenLoad);
        }
        if let Some(chunk) = rows {
            let count = &mut self.rows[chunk as usize];
            *count = (*count + 1).min(2);
        }
        if let Some(place) = moves {
            if place.epoch != self.ledger.epoch {
                found.insert(Violation::MovedByAnOldClaim);
            }
            self.ledger.position = place.position + 1;
        }
        if protocol.one_transaction && !self.is_exact() {
            found.insert(Violation::NotExactlyOnce);
        }
    }

    fn is_at(&self, of: Of, place: Place, protocol: Protocol) -> bool {
        let asks = self.session(of).map(|session| session.owner);
        self.ledger.position == place.position
            && (!protocol.compares_epoch || self.ledger.epoch == place.epoch)
            && (!protocol.compares_owner || self.owner == asks)
    }

    /// Whether another session holds the ledger row.
    fn is_locked(&self, of: Of) -> bool {
        self.others(of).any(Session::holds_the_row)
    }

    /// Whether a process has a backend, its own or a zombie.
    pub(super) fn is_alive(&self, process: u8) -> bool {
        let own = &self.processes[process as usize];
        (own.worker != Worker::Down && own.worker != Worker::Finished)
            || self.zombies.iter().any(|zombie| zombie.owner.process == process)
    }

    /// All that the server has.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.processes.iter().filter_map(|process| process.session.as_ref()).chain(&self.zombies)
    }

    fn others(&self, of: Of) -> impl Iterator<Item = &Session> {
        let (process, zombie) = match of {
            Of::Process(at) => (at, usize::MAX),
            Of::Zombie(at) => (usize::MAX, at),
        };
        let processes = self.processes.iter().enumerate().filter(move |(at, _)| *at != process);
        let zombies = self.zombies.iter().enumerate().filter(move |(at, _)| *at != zombie);
        processes.filter_map(|(_, process)| process.session.as_ref()).chain(zombies.map(|(_, zombie)| zombie))
    }

    fn session(&self, of: Of) -> Option<&Session> {
        match of {
            Of::Process(at) => self.processes[at].session.as_ref(),
            Of::Zombie(at) => self.zombies.get(at),
        }
    }

    fn session_mut(&mut self, of: Of) -> &mut Session {
        match of {
            Of::Process(at) => self.processes[at].session.as_mut().expect("a session"),
            Of::Zombie(at) => &mut self.zombies[at],
        }
    }

    /// Nobody hears what a zombie is answered.
    fn answer(&mut self, of: Of, answer: Answer) {
        if let Of::Process(_) = of {
            self.session_mut(of).answers.push(answer);
        }
    }
}

fn writes(session: &Session, chunk: u8) -> bool {
    matches!(session.transaction, Transaction::Open { rows: Some(rows), .. } if rows == chunk)
}
