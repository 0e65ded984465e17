//! A run while it goes on: one line for each thing that happened, and on a terminal one for each thing under way.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::story::{self, Detail};
use crate::model::{ImageName, format_duration};
use crate::plan::{Plan, StepKind};
use crate::run::Event;

/// Shows a run on stderr.
pub struct Live {
    bars: Option<MultiProgress>,
    state: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    builds: BTreeMap<ImageName, ProgressBar>,
    total: Option<ProgressBar>,
    waiting: Option<ProgressBar>,
    /// What the builds that have not ended took last time.
    left: BTreeMap<ImageName, Duration>,
}

impl Live {
    /// On a terminal with redrawn lines; elsewhere plain lines only.
    pub fn new(terminal: bool) -> Self {
        Self { bars: terminal.then(MultiProgress::new), state: Mutex::new(Shown::default()) }
    }

    /// Something happened.
    pub fn event(&self, event: &Event) {
        let mut shown = self.state.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(bars) = &self.bars {
            shown.follow(bars, event);
        }
        for line in story::lines(event, Detail::Watch) {
            self.line(&line);
        }
    }

    /// A step of a build began or ended.
    pub fn build_step(&self, image: &ImageName, name: &str) {
        let shown = self.state.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(bar) = shown.builds.get(image) {
            bar.set_message(name.chars().take(80).collect::<String>());
        }
    }

    /// What a rollout waits for.
    pub fn waiting(&self, what: &[String]) {
        let Some(bars) = &self.bars else { return };
        let mut shown = self.state.lock().unwrap_or_else(|broken| broken.into_inner());
        match what.first() {
            None => {
                if let Some(bar) = shown.waiting.take() {
                    bar.finish_and_clear();
                }
            }
            Some(first) => {
                let bar = shown.waiting.get_or_insert_with(|| spinner(bars, "wait"));
                let more = if what.len() > 1 { format!(" (and {} more)", what.len() - 1) } else { String::new() };
                bar.set_message(format!("{first}{more}"));
            }
        }
    }

    /// A line for the person who watches, beside the story.
    pub fn note(&self, line: &str) {
        self.line(line);
    }

    /// Takes the redrawn lines away.
    pub fn close(&self) {
        let mut shown = self.state.lock().unwrap_or_else(|broken| broken.into_inner());
        std::mem::take(&mut shown.builds).into_values().for_each(|bar| bar.finish_and_clear());
        shown.total.take().into_iter().chain(shown.waiting.take()).for_each(|bar| bar.finish_and_clear());
    }

    fn line(&self, line: &str) {
        match &self.bars {
            Some(bars) => {
                let _ = bars.println(line);
            }
            None => super::Printer::standard(None).err(line),
        }
    }
}

impl Shown {
    fn follow(&mut self, bars: &MultiProgress, event: &Event) {
        match event {
            Event::Planned { plan } => self.begin(bars, plan),
            Event::BuildBegan { image, .. } => {
                self.builds.insert(image.clone(), spinner(bars, &image.to_string()));
            }
            Event::BuildEnded { image, .. } => {
                if let Some(bar) = self.builds.remove(image) {
                    bar.finish_and_clear();
                }
                self.left.remove(image);
                self.count(image);
            }
            Event::Released { .. } => {
                if let Some(bar) = self.total.take() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, bars: &MultiProgress, plan: &Plan) {
        let builds = plan.steps.iter().filter(|step| step.kind == StepKind::Build);
        self.left = builds.map(|step| (step.image.clone(), step.took.unwrap_or_default())).collect();
        if !self.left.is_empty() {
            let style = ProgressStyle::with_template("{prefix:12} {pos}/{len} {elapsed} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = bars.add(ProgressBar::new(self.left.len() as u64).with_style(style).with_prefix("builds"));
            bar.enable_steady_tick(Duration::from_millis(250));
            self.total = Some(bar);
        }
    }

    fn count(&self, _image: &ImageName) {
        if let Some(total) = &self.total {
            total.inc(1);
            let left: Duration = self.left.values().sum();
            if !left.is_zero() {
                total.set_message(format!("at most {} of building left", format_duration(left)));
            }
        }
    }
}

fn spinner(bars: &MultiProgress, prefix: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:12} {elapsed:>4} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = bars.add(ProgressBar::new_spinner().with_style(style).with_prefix(prefix.to_owned()));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// The moment of an event for people: the time of day in the user's time zone.
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
