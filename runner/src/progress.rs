//! What a person sees while a run goes on: bars on a terminal, plain lines elsewhere, nothing when asked so.
//!
//! Must not know: how rows move; it only reads the run's counters.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressStyle};

use crate::counters::{Live, NodeSnapshot, Snapshot};

/// How progress is shown, always on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One bar and a line per node, redrawn.
    Bars,
    /// A plain line every few seconds.
    Lines,
    /// Nothing.
    Quiet,
}

impl Mode {
    /// Bars on a terminal, lines elsewhere, nothing with `--quiet`.
    pub fn choose(quiet: bool) -> Mode {
        match (quiet, io::stderr().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, true) => Mode::Bars,
            (false, false) => Mode::Lines,
        }
    }
}

const BARS_EVERY: Duration = Duration::from_millis(200);
const LINES_EVERY: Duration = Duration::from_secs(5);

/// Shows a run's counters on a thread of its own until it is dropped.
#[derive(Debug)]
pub struct Progress {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts to show `live`. `total_bytes` is the size of the whole source, where it is known.
    pub fn start(mode: Mode, live: Arc<Live>, total_bytes: Option<u64>) -> Progress {
        let (stop, stopped) = mpsc::channel();
        let thread = match mode {
            Mode::Quiet => None,
            Mode::Bars => Some(std::thread::spawn(move || draw(&live, total_bytes, &stopped))),
            Mode::Lines => Some(std::thread::spawn(move || print(&live, total_bytes, &stopped))),
        };
        Progress { stop: Some(stop), thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether the run still goes on after `pause`.
fn goes_on(stopped: &mpsc::Receiver<()>, pause: Duration) -> bool {
    stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}

fn draw(live: &Live, total_bytes: Option<u64>, stopped: &mpsc::Receiver<()>) {
    let screen = MultiProgress::new();
    let template = if total_bytes.is_some() { "{bar:30} {percent:>3}%  {msg}" } else { "{spinner} {msg}" };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = screen.add(ProgressBar::new(total_bytes.unwrap_or(0)).with_style(style));
    let plain = ProgressStyle::with_template("  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let mut lines: Vec<ProgressBar> = Vec::new();
    let mut speed = Speed::default();
    loop {
        let now = live.snapshot();
        speed.update(&now);
        bar.set_position(now.source_bytes);
        bar.set_message(speed.line(&now, total_bytes));
        lines.resize_with(now.nodes.len(), || screen.add(ProgressBar::new(0).with_style(plain.clone())));
        for ((node, rate), line) in now.nodes.iter().zip(&speed.nodes).zip(&lines) {
            let NodeSnapshot { address, rows, streams, .. } = node;
            let (rows, rate) = (HumanCount(*rows), HumanCount(rate.round() as u64));
            line.set_message(format!("{address}: {rows} rows, {rate} rows/s, {streams} streams"));
        }
        if !goes_on(stopped, BARS_EVERY) {
            break;
        }
    }
    for line in lines {
        line.finish_and_clear();
    }
    bar.finish_and_clear();
}

fn print(live: &Live, total_bytes: Option<u64>, stopped: &mpsc::Receiver<()>) {
    let mut speed = Speed::default();
    while goes_on(stopped, LINES_EVERY) {
        let now = live.snapshot();
        speed.update(&now);
        // A closed standard error must not end the run.
        let _ = writeln!(io::stderr(), "{}", speed.line(&now, total_bytes));
    }
}

/// Rates over the last seconds, smoothed.
#[derive(Debug, Default)]
struct Speed {
    last: Option<(Instant, Snapshot)>,
    rows: f64,
    bytes: f64,
    nodes: Vec<f64>,
}

impl Speed {
    fn update(&mut self, now: &Snapshot) {
        let at = Instant::now();
        if let Some((then, last)) = &self.last {
            let seconds = at.duration_since(*then).as_secs_f64().max(1e-3);
            // Half of what is shown comes from the last three seconds.
            let keep = 0.5_f64.powf(seconds / 3.0);
            let blend = |old: f64, before: u64, after: u64| {
                old * keep + (after.saturating_sub(before)) as f64 / seconds * (1.0 - keep)
            };
            self.rows = blend(self.rows, last.counts.read, now.counts.read);
            self.bytes = blend(self.bytes, last.source_bytes, now.source_bytes);
            self.nodes.resize(now.nodes.len(), 0.0);
            for (node, rate) in self.nodes.iter_mut().enumerate() {
                // One that was not there before had no rows.
                let before = last.nodes.get(node).map_or(0, |node| node.rows);
                *rate = blend(*rate, before, now.nodes[node].rows);
            }
        }
        self.last = Some((at, now.clone()));
    }

    fn line(&self, now: &Snapshot, total_bytes: Option<u64>) -> String {
        let mut line = format!(
            "{} rows, {} rows/s, {}/s",
            HumanCount(now.counts.read),
            HumanCount(self.rows.round() as u64),
            HumanBytes(self.bytes.round() as u64)
        );
        for (rows, fate) in [(now.counts.rejected, "rejected"), (now.counts.skipped, "skipped")] {
            if rows > 0 {
                let _ = write!(line, ", {} {fate}", HumanCount(rows));
            }
        }
        if let Some(left) = now.gives_up_in {
            let _ = write!(line, ", no node answers: giving up in {} s", left.as_secs());
            return line;
        }
        if let Some(left) = total_bytes.map(|total| total.saturating_sub(now.source_bytes))
            && left > 0
            && self.bytes >= 1.0
        {
            let eta = Duration::from_secs_f64(left as f64 / self.bytes);
            let _ = write!(line, ", {} left", HumanDuration(eta));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counts;

    fn snapshot(read: u64, source_bytes: u64) -> Snapshot {
        let counts = Counts { read, loaded: read, written: read, ..Counts::default() };
        Snapshot {
            counts,
            source_bytes,
            nodes: vec![NodeSnapshot { address: "a:1".into(), rows: read, streams: 1, most_streams: 1 }],
            ..Snapshot::default()
        }
    }

    #[test]
    fn the_line_says_rows_rates_rejects_and_what_is_left() {
        let speed = Speed { last: None, rows: 1000.4, bytes: 1024.0, nodes: vec![0.0] };
        let mut now = snapshot(12_345, 1024);
        assert_eq!(speed.line(&now, None), "12,345 rows, 1,000 rows/s, 1.00 KiB/s");
        (now.counts.rejected, now.counts.skipped) = (2, 1000);
        assert_eq!(
            speed.line(&now, Some(11 * 1024)),
            "12,345 rows, 1,000 rows/s, 1.00 KiB/s, 2 rejected, 1,000 skipped, 10 seconds left"
        );
    }

    #[test]
    fn while_no_node_answers_the_line_counts_down_to_the_end() {
        let live = Live::new(Instant::now(), vec!["a:1".into()]);
        live.waits_for_nodes(Some(Duration::from_secs(3600)));
        let now = live.snapshot();
        let left = now.gives_up_in.unwrap().as_secs();
        assert!((3500..=3600).contains(&left), "{left} s");
        let speed = Speed { last: None, rows: 7.0, bytes: 1024.0, nodes: vec![0.0] };
        let line = speed.line(&now, Some(4096));
        assert_eq!(line, format!("0 rows, 7 rows/s, 1.00 KiB/s, no node answers: giving up in {left} s"));
        live.waits_for_nodes(None);
        assert!(!speed.line(&live.snapshot(), None).contains("giving up"));
    }

    #[test]
    fn a_rate_is_never_negative_and_dies_down_when_nothing_moves() {
        let mut speed = Speed::default();
        speed.update(&snapshot(100, 100));
        std::thread::sleep(Duration::from_millis(5));
        speed.update(&snapshot(200, 200));
        let moving = speed.rows;
        assert!(moving > 0.0);
        std::thread::sleep(Duration::from_millis(5));
        speed.update(&snapshot(200, 200));
        assert!((0.0..moving).contains(&speed.rows));
    }

    #[test]
    fn dropping_it_ends_its_thread() {
        let live = Arc::new(Live::new(Instant::now(), vec!["a:1".into()]));
        let progress = Progress::start(Mode::Lines, Arc::clone(&live), None);
        drop(progress);
        assert_eq!(Arc::strong_count(&live), 1);
    }
}
