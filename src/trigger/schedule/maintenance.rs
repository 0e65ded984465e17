//! Whether a maintenance window is open, and when the next one opens.

use jiff::Timestamp;
use jiff::civil::{Date, Time};

use crate::pipeline::Window;

/// The next one opens within so many days: a week, and another where a change of the clock swallows a whole window. One day more on each side for
/// windows over midnight.
const DAYS_LOOKED: usize = 16;

/// When any of the windows is open next: `now` if one is. None if there is none in the next two weeks.
pub(super) fn opens(windows: &[Window], now: Timestamp) -> Option<(Timestamp, &Window)> {
    windows.iter().filter_map(|window| Some((opens_one(window, now)?, window))).min_by_key(|(opens, _)| *opens)
}

fn opens_one(window: &Window, now: Timestamp) -> Option<Timestamp> {
    let today = window.timezone.at(now).date();
    let first = today.yesterday().unwrap_or(today);
    let mut days = std::iter::successors(Some(first), |day| day.tomorrow().ok()).take(DAYS_LOOKED);
    days.find_map(|day| {
        let (opens, closes) = on(window, day)?;
        (now < closes).then(|| opens.max(now))
    })
}

/// When a window opens and closes that begins on a day; none if it does not open then.
fn on(window: &Window, day: Date) -> Option<(Timestamp, Timestamp)> {
    if !window.days.contains(day.weekday()) {
        return None;
    }
    let last = if window.to <= window.from || window.to == Time::midnight() { day.tomorrow().ok()? } else { day };
    let opens = window.timezone.moment(day.to_datetime(window.from))?;
    let closes = window.timezone.moment(last.to_datetime(window.to))?;
    // A change of the clock can swallow a short one.
    (opens < closes).then_some((opens, closes))
}
