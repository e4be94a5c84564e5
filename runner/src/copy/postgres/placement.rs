//! Which node the next stream goes to: the least loaded one, ties by order.
//!
//! Pure: nodes are numbers here. Must not know: connections.

/// How many streams each node has.
#[derive(Clone, Debug)]
pub struct Placement {
    nodes: Vec<Load>,
}

#[derive(Clone, Copy, Debug)]
struct Load {
    streams: usize,
    aside: bool,
}

impl Placement {
    /// No stream on any of the nodes yet.
    pub fn new(nodes: usize) -> Placement {
        Placement { nodes: vec![Load { streams: 0, aside: false }; nodes] }
    }

    /// Takes a place on the least loaded node; `None` when all are set aside (or there is none).
    pub fn choose(&mut self) -> Option<usize> {
        let usable = self.nodes.iter_mut().enumerate().filter(|(_, load)| !load.aside);
        // The first of equals: `min_by_key` keeps it.
        let (node, load) = usable.min_by_key(|(_, load)| load.streams)?;
        load.streams += 1;
        Some(node)
    }

    /// Gives a place back.
    pub fn release(&mut self, node: usize) {
        if let Some(load) = self.nodes.get_mut(node) {
            debug_assert!(load.streams > 0, "a place is given back once");
            load.streams = load.streams.saturating_sub(1);
        }
    }

    /// Lets no further stream go to the node; those that it has stay counted until released.
    pub fn set_aside(&mut self, node: usize) {
        if let Some(load) = self.nodes.get_mut(node) {
            load.aside = true;
        }
    }

    /// Lets streams go to the node again.
    pub fn restore(&mut self, node: usize) {
        if let Some(load) = self.nodes.get_mut(node) {
            load.aside = false;
        }
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
        placement.set_aside(0);
        placement.release(0);
        assert_eq!(placement.choose(), Some(1));
        placement.restore(0);
        assert_eq!(placement.choose(), Some(0));
        (0..3).for_each(|node| placement.set_aside(node));
        assert_eq!(placement.choose(), None);
        assert_eq!(Placement::new(0).choose(), None);
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
                    1 if node > 0 => placement.set_aside(node),
                    2 => placement.restore(node),
                    _ => {
                        let aside: Vec<bool> = placement.nodes.iter().map(|load| load.aside).collect();
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
