//! What a build says while it runs: kept whole in its log, the last lines for its failure, the current step for the terminal.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex};

use super::Recorder;
use crate::edge::{BuildProgress, BuildStepSeen, Turn};
use crate::journal::{LogWriter, Logs};
use crate::model::ImageName;

/// A line longer than this is cut for the summary; the log has all of it.
const LINE_CHARS_MAX: usize = 500;
/// More last lines than any summary shows are not held.
const LINES_HELD_MAX: usize = 50;

/// Takes the progress of one build, and lets it go on when its turn has come.
pub(super) struct BuildLog<'a> {
    turn: Turn,
    free: &'a (dyn Fn() + Sync),
    recorder: Arc<Recorder>,
    image: ImageName,
    kept: Mutex<Kept>,
}

struct Kept {
    /// None if the log cannot be written: a build is not lost for its log.
    writer: Option<LogWriter>,
    last: VecDeque<String>,
    half_line: String,
}

impl<'a> BuildLog<'a> {
    /// Opens the log of one build of the recorder's run. No step is run before `turn`; `free` is called when all have been and the builder only stores the image.
    pub(super) fn new(recorder: Arc<Recorder>, logs: &Logs, image: ImageName, turn: Turn, free: &'a (dyn Fn() + Sync)) -> Self {
        let writer = logs.writer(recorder.run(), &image).inspect_err(|error| tracing::warn!(%error, %image, "build log could not be opened")).ok();
        Self { turn, free, recorder, image, kept: Mutex::new(Kept { writer, last: VecDeque::new(), half_line: String::new() }) }
    }

    /// The last lines that the build wrote.
    pub(super) fn close(&self, lines: usize) -> Vec<String> {
        let mut kept = self.kept.lock().unwrap_or_else(|broken| broken.into_inner());
        let rest = std::mem::take(&mut kept.half_line);
        kept.line(rest);
        kept.last.iter().skip(kept.last.len().saturating_sub(lines)).cloned().collect()
    }
}

impl Kept {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.write_all(bytes)
        {
            tracing::warn!(%error, "build log could not be written");
            self.writer = None;
        }
    }

    fn line(&mut self, line: String) {
        if line.trim().is_empty() {
            return;
        }
        if self.last.len() == LINES_HELD_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line.trim_end().chars().take(LINE_CHARS_MAX).collect());
    }
}

impl BuildProgress for BuildLog<'_> {
    fn turn(&self) -> Turn {
        self.turn.clone()
    }

    fn storing(&self) {
        (self.free)();
    }

    fn step(&self, step: BuildStepSeen) {
        let mut kept = self.kept.lock().unwrap_or_else(|broken| broken.into_inner());
        let ending = match (&step.error, step.ended, step.cached) {
            (Some(error), _, _) => format!(" ERROR {error}"),
            (None, true, true) => " CACHED".to_owned(),
            (None, true, false) => " DONE".to_owned(),
            (None, false, _) => String::new(),
        };
        kept.write(format!("#{}{ending}\n", step.name).as_bytes());
        drop(kept);
        if !step.ended {
            self.recorder.build_step(&self.image, &step.name);
        }
    }

    fn output(&self, text: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(|broken| broken.into_inner());
        kept.write(text);
        let mut whole = std::mem::take(&mut kept.half_line);
        whole.push_str(&String::from_utf8_lossy(text));
        while let Some(end) = whole.find('\n') {
            let rest = whole.split_off(end + 1);
            kept.line(std::mem::replace(&mut whole, rest));
        }
        // A line without an end is bounded too: a build may draw a progress bar for hours.
        if whole.len() > 16 * LINE_CHARS_MAX {
            whole.clear();
        }
        kept.half_line = whole;
    }
}
