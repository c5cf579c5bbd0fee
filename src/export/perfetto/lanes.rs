//! Slices of one track must nest. Spans that overlap without one being inside the other go on lanes of their own.

/// A span by its times, on whatever clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub begin: u64,
    /// `None` while it goes on.
    pub end: Option<u64>,
    /// Whether it is over before another one begins, also if both begin in one tick: a message of a block.
    pub apart: bool,
}

/// One end of a slice, by the index of its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Begin(usize),
    End(usize),
}

/// A lane that is being filled.
#[derive(Default)]
struct Lane {
    edges: Vec<Edge>,
    /// Those that are open here, the innermost last, and when they end.
    open: Vec<(usize, u64)>,
}

impl Lane {
    /// Closes what ends before a span begins that begins `now`.
    fn close_until(&mut self, now: u64) {
        while let Some((span, _)) = self.open.pop_if(|(_, end)| *end <= now) {
            self.edges.push(Edge::End(span));
        }
    }
}

/// The edges of each lane, in the order in which they are to be written: nested also where times are equal. Each span begins
/// once, and ends once if it has an end; all are on the first lane if they nest.
pub(super) fn lanes(spans: &[Interval]) -> Vec<Vec<Edge>> {
    let end_of = |span: &Interval| span.end.map_or(u64::MAX, |end| end.max(span.begin));
    let mut order: Vec<usize> = (0..spans.len()).collect();
    // The longer of two that begin together is around the other, but for what was over when the other began.
    let over = |i: usize| spans[i].apart && end_of(&spans[i]) == spans[i].begin;
    order.sort_by_key(|i| (spans[*i].begin, !over(*i), u64::MAX - end_of(&spans[*i])));
    let mut lanes: Vec<Lane> = Vec::new();
    for i in order {
        let (begin, end) = (spans[i].begin, end_of(&spans[i]));
        let fits = |lane: &mut Lane| {
            lane.close_until(begin);
            lane.open.last().is_none_or(|(_, around)| end <= *around)
        };
        let place = lanes.iter_mut().position(fits).unwrap_or_else(|| {
            lanes.push(Lane::default());
            lanes.len() - 1
        });
        lanes[place].edges.push(Edge::Begin(i));
        lanes[place].open.push((i, end));
    }
    let finish = |mut lane: Lane| {
        while let Some((span, _)) = lane.open.pop() {
            // Nothing ends around what goes on.
            lane.edges.extend(spans[span].end.map(|_| Edge::End(span)));
        }
        lane.edges
    };
    lanes.into_iter().map(finish).collect()
}

#[cfg(test)]
mod tests {
    use super::Edge::{Begin, End};
    use super::*;
    use proptest::prelude::*;

    fn of(spans: &[(u64, u64)]) -> Vec<Vec<Edge>> {
        lanes(
            &spans
                .iter()
                .map(|(begin, end)| Interval { begin: *begin, end: Some(*end), apart: false })
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn what_nests_is_on_one_lane_and_what_overlaps_is_not() {
        assert_eq!(of(&[]), Vec::<Vec<Edge>>::new());
        assert_eq!(
            of(&[(2, 3), (0, 9), (3, 3), (3, 9)]),
            [[Begin(1), Begin(0), End(0), Begin(3), Begin(2), End(2), End(3), End(1)]]
        );
        assert_eq!(of(&[(0, 5), (3, 8), (5, 9)]), [vec![Begin(0), End(0), Begin(2), End(2)], vec![Begin(1), End(1)]]);
        // One that ends before it begins takes no time.
        assert_eq!(of(&[(5, 0), (0, 9)]), [[Begin(1), Begin(0), End(0), End(1)]]);
    }

    #[test]
    fn messages_of_one_tick_come_one_after_the_other() {
        let message = |begin, end| Interval { begin, end: Some(end), apart: true };
        let expected = [[Begin(0), End(0), Begin(1), End(1), Begin(2), End(2)]];
        assert_eq!(lanes(&[message(5, 5), message(5, 5), message(5, 9)]), expected);
    }

    #[test]
    fn what_goes_on_has_no_end() {
        let open = |begin| Interval { begin, end: None, apart: false };
        let closed = |begin, end| Interval { begin, end: Some(end), apart: false };
        let expected = [vec![Begin(1), Begin(3), End(3), End(1)], vec![Begin(0), Begin(2)]];
        assert_eq!(lanes(&[open(1), closed(0, 5), open(3), closed(4, 5)]), expected);
    }

    proptest! {
        #[test]
        fn every_lane_nests_and_has_each_span_once(
            spans in prop::collection::vec((0u64..60, prop::option::of(0u64..70), any::<bool>()), 0..60),
        ) {
            let spans: Vec<_> =
                spans.into_iter().map(|(begin, end, apart)| Interval { begin, end, apart }).collect();
            let mut seen = vec![(0, 0); spans.len()];
            for lane in lanes(&spans) {
                let (mut open, mut now) = (Vec::new(), 0);
                for edge in lane {
                    match edge {
                        Begin(i) => {
                            prop_assert!(spans[i].begin >= now);
                            now = spans[i].begin;
                            seen[i].0 += 1;
                            open.push(i);
                        }
                        End(i) => {
                            let end = spans[i].end.unwrap().max(spans[i].begin);
                            prop_assert_eq!(open.pop(), Some(i));
                            prop_assert!(end >= now);
                            now = end;
                            seen[i].1 += 1;
                        }
                    }
                }
                prop_assert!(open.iter().all(|i| spans[*i].end.is_none()));
            }
            let expected: Vec<_> = spans.iter().map(|s| (1, usize::from(s.end.is_some()))).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
