//! Which node the next stream goes to: the least loaded one, ties by order. A node that failed is set aside, and
//! comes back when a probe says so.
//!
//! Pure: nodes are numbers here, the time is told. Must not know: connections.

use std::time::{Duration, Instant};

/// A node that was set aside is probed after this time, then after twice as long, and so on.
const FIRST_PROBE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many streams each node has, and which nodes are set aside.
#[derive(Clone, Debug)]
pub struct Placement {
    nodes: Vec<Load>,
    /// Since when no node is left and no stream has one.
    all_gone_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Load {
    streams: usize,
    aside: Option<Aside>,
    /// It was set aside, is back, and has not got its share yet.
    came_back: bool,
}

/// Why no further stream goes to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not answer, or takes no writes: the streams that it has are to leave it.
    Dead,
    /// It is alive and has no connection to spare: the streams that it has stay.
    Full,
}

#[derive(Clone, Copy, Debug)]
struct Aside {
    fault: Fault,
    /// Probes that failed.
    failed: u32,
    /// When to probe; `None` while a probe is under way.
    probe_at: Option<Instant>,
}

impl Placement {
    /// No stream on any of the nodes yet.
    pub fn new(nodes: usize) -> Placement {
        Placement {
            nodes: vec![Load { streams: 0, aside: None, came_back: false }; nodes],
            all_gone_since: None,
        }
    }

    /// One more node, behind the others: streams move to it as to one that came back.
    pub fn add(&mut self) {
        self.nodes.push(Load { streams: 0, aside: None, came_back: true });
    }

    /// Takes a place on the least loaded node; `None` when all are set aside (or there is none).
    pub fn choose(&mut self) -> Option<usize> {
        let usable = self.nodes.iter_mut().enumerate().filter(|(_, load)| load.aside.is_none());
        // The first of equals: `min_by_key` keeps it.
        let (node, load) = usable.min_by_key(|(_, load)| load.streams)?;
        load.streams += 1;
        let most = self.nodes.iter().map(|load| load.streams).max().unwrap_or(0);
        for load in &mut self.nodes {
            load.came_back &= load.streams + 1 < most;
        }
        Some(node)
    }

    /// Gives a place back.
    pub fn release(&mut self, node: usize) {
        if let Some(load) = self.nodes.get_mut(node) {
            debug_assert!(load.streams > 0, "a place is given back once");
            load.streams = load.streams.saturating_sub(1);
        }
    }

    /// Lets no further stream go to the node; those that it has stay counted until released. True if that is news.
    pub fn set_aside(&mut self, node: usize, fault: Fault, now: Instant) -> bool {
        let Some(load) = self.nodes.get_mut(node) else { return false };
        let failed = load.aside.map_or(0, |aside| aside.failed + 1);
        let pause = FIRST_PROBE.saturating_mul(1 << failed.min(16)).min(LONGEST_PAUSE);
        let is_news = load.aside.is_none_or(|aside| aside.fault != fault);
        load.aside = Some(Aside { fault, failed, probe_at: Some(now + pause) });
        is_news
    }

    /// Whether the streams of a node are to leave it.
    pub fn is_dead(&self, node: usize) -> bool {
        let aside = self.nodes.get(node).and_then(|load| load.aside);
        aside.is_some_and(|aside| aside.fault == Fault::Dead)
    }

    /// The nodes that are to be probed now. Each has to be restored or set aside again afterwards.
    pub fn due(&mut self, now: Instant) -> Vec<usize> {
        let mut due = Vec::new();
        for (node, load) in self.nodes.iter_mut().enumerate() {
            if let Some(aside) = &mut load.aside
                && aside.probe_at.take_if(|at| *at <= now).is_some()
            {
                due.push(node);
            }
        }
        due
    }

    /// Lets streams go to the node again.
    pub fn restore(&mut self, node: usize) {
        if let Some(load) = self.nodes.get_mut(node) {
            load.came_back = load.aside.take().is_some_and(|aside| aside.fault == Fault::Dead);
        }
        self.all_gone_since = None;
    }

    /// Whether a stream of this node should go to another one: it has two more than one that came back.
    pub fn is_crowded(&self, node: usize) -> bool {
        let Some(streams) = self.nodes.get(node).map(|load| load.streams) else { return false };
        self.nodes.iter().any(|load| load.came_back && load.aside.is_none() && streams >= load.streams + 2)
    }

    /// For how long no node could be used and no stream had one.
    pub fn all_gone_for(&mut self, now: Instant) -> Duration {
        let gone = self.nodes.iter().all(|load| load.aside.is_some() && load.streams == 0);
        self.all_gone_since = if gone { self.all_gone_since.or(Some(now)) } else { None };
        self.all_gone_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Streams per node, in the nodes' order.
    pub fn streams(&self) -> impl Iterator<Item = usize> {
        self.nodes.iter().map(|load| load.streams)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn placed(placement: &Placement) -> Vec<usize> {
        placement.streams().collect()
    }

    #[test]
    fn thirty_two_streams_on_three_nodes_are_eleven_eleven_ten() {
        let mut placement = Placement::new(3);
        let order: Vec<usize> = (0..32).map_while(|_| placement.choose()).collect();
        assert_eq!(order[..4], [0, 1, 2, 0]);
        assert_eq!(placed(&placement), [11, 11, 10]);
    }

    #[test]
    fn a_released_place_is_taken_next_and_a_node_set_aside_gets_none() {
        let mut placement = Placement::new(3);
        (0..6).for_each(|_| assert!(placement.choose().is_some()));
        placement.release(1);
        assert_eq!(placement.choose(), Some(1));
        let now = Instant::now();
        assert!(placement.set_aside(0, Fault::Dead, now) && !placement.set_aside(0, Fault::Dead, now));
        placement.release(0);
        assert_eq!(placement.choose(), Some(1));
        placement.restore(0);
        assert_eq!(placement.choose(), Some(0));
        (0..3).for_each(|node| assert!(placement.set_aside(node, Fault::Dead, now)));
        assert_eq!(placement.choose(), None);
        assert_eq!(Placement::new(0).choose(), None);
    }

    #[test]
    fn a_node_set_aside_is_probed_with_growing_pauses_and_one_probe_at_a_time() {
        let mut placement = Placement::new(2);
        let mut now = Instant::now();
        placement.set_aside(1, Fault::Dead, now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let before = now;
            while placement.due(now).is_empty() {
                now += Duration::from_millis(100);
            }
            assert!(placement.due(now + LONGEST_PAUSE).is_empty(), "a probe is under way");
            pauses.push((now - before).as_millis());
            placement.set_aside(1, Fault::Dead, now);
        }
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        placement.restore(1);
        assert!(placement.due(now + LONGEST_PAUSE).is_empty() && !placement.is_dead(1));
    }

    #[test]
    fn streams_move_to_a_node_that_is_back_until_all_have_as_many() {
        let mut placement = Placement::new(3);
        placement.set_aside(2, Fault::Dead, Instant::now());
        (0..32).for_each(|_| assert!(placement.choose().is_some()));
        assert_eq!(placed(&placement), [16, 16, 0]);
        placement.restore(2);
        while let Some(node) = (0..3).find(|node| placement.is_crowded(*node)) {
            placement.release(node);
            placement.choose().unwrap();
        }
        assert_eq!(placed(&placement), [11, 11, 10]);
        // Streams that end are no reason to move.
        (0..8).for_each(|_| placement.release(2));
        assert!(!(0..3).any(|node| placement.is_crowded(node)));
    }

    #[test]
    fn a_full_node_keeps_its_streams_and_gets_no_other_until_it_has_room() {
        let (mut placement, now) = (Placement::new(2), Instant::now());
        (0..4).for_each(|_| assert!(placement.choose().is_some()));
        assert!(placement.set_aside(0, Fault::Full, now) && !placement.set_aside(0, Fault::Full, now));
        assert_eq!((placement.choose(), placement.is_dead(0)), (Some(1), false));
        assert_eq!(placement.all_gone_for(now), Duration::ZERO);
        placement.restore(0);
        assert_eq!(placement.choose(), Some(0));
        // Nobody has to go there because of that.
        assert!(!placement.is_crowded(1));
        assert!(placement.set_aside(0, Fault::Full, now) && placement.set_aside(0, Fault::Dead, now));
        assert!(placement.is_dead(0));
    }

    #[test]
    fn a_new_node_gets_its_share() {
        let mut placement = Placement::new(1);
        (0..6).for_each(|_| assert_eq!(placement.choose(), Some(0)));
        placement.add();
        while placement.is_crowded(0) {
            placement.release(0);
            placement.choose().unwrap();
        }
        assert_eq!(placed(&placement), [3, 3]);
    }

    #[test]
    fn nodes_are_all_gone_once_none_is_left_and_no_stream_has_one() {
        let mut placement = Placement::new(2);
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(placement.choose(), Some(0));
        placement.set_aside(0, Fault::Dead, start);
        placement.set_aside(1, Fault::Dead, start);
        assert_eq!(placement.all_gone_for(start + second), Duration::ZERO);
        placement.release(0);
        assert_eq!(placement.all_gone_for(start + 2 * second), Duration::ZERO);
        assert_eq!(placement.all_gone_for(start + 5 * second), 3 * second);
        placement.restore(1);
        assert_eq!(placement.all_gone_for(start + 9 * second), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn streams_differ_by_at_most_one_and_none_is_lost(nodes in 1_usize..20, streams in 0_usize..500) {
            let mut placement = Placement::new(nodes);
            (0..streams).for_each(|_| assert!(placement.choose().is_some()));
            let placed = placed(&placement);
            prop_assert_eq!(placed.iter().sum::<usize>(), streams);
            prop_assert!(placed.is_sorted_by(|a, b| a >= b));
            prop_assert!(placed.iter().max().unwrap() - placed.iter().min().unwrap() <= 1);
        }

        #[test]
        fn the_chosen_node_is_never_fuller_than_another(steps in prop::collection::vec((0_usize..4, 0_u8..4), 0..100)) {
            let mut placement = Placement::new(4);
            for (node, what) in steps {
                let before = placed(&placement);
                match what {
                    0 if before[node] > 0 => placement.release(node),
                    1 if node > 0 => drop(placement.set_aside(node, Fault::Dead, Instant::now())),
                    2 => placement.restore(node),
                    _ => {
                        let aside: Vec<bool> = (0..4).map(|node| placement.nodes[node].aside.is_some()).collect();
                        let chosen = placement.choose().unwrap();
                        prop_assert!(!aside[chosen]);
                        let least = (0..4).filter(|n| !aside[*n]).map(|n| before[n]).min().unwrap();
                        prop_assert_eq!(before[chosen], least);
                    }
                }
            }
        }
    }
}
