//! The log of every build, `.refit/logs/<run>/<image>.NNNN.log`, kept in segments so that each has a bound: its head and its tail stay.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::model::{ImageName, RunId};

/// How much of one build's log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// The size of one segment.
    pub segment_bytes: u64,
    /// How many segments stay at the beginning.
    pub head: u32,
    /// How many stay at the end, the one that is being written included.
    pub tail: u32,
}

impl Default for LogLimits {
    /// 16 MiB: the beginning says what was done, the end what went wrong.
    fn default() -> Self {
        Self { segment_bytes: 4 << 20, head: 2, tail: 2 }
    }
}

/// The logs of one estate.
#[derive(Debug, Clone)]
pub struct Logs {
    folder: PathBuf,
    limits: LogLimits,
}

impl Logs {
    /// The logs within a state folder; nothing is made yet.
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("logs"), limits: LogLimits::default() }
    }

    /// The same with other limits.
    pub fn with_limits(self, limits: LogLimits) -> Self {
        Self { limits, ..self }
    }

    /// Opens the log of a build for writing; what an earlier attempt in the same run wrote stays before it.
    pub fn writer(&self, run: RunId, image: &ImageName) -> io::Result<LogWriter> {
        let folder = self.folder.join(run.to_string());
        fs::create_dir_all(&folder)?;
        let number = segments(&folder, image)?.last().map_or(0, |(number, _)| *number);
        let name = file_name(image);
        let file = append_to(&segment(&folder, &name, number))?;
        let written = file.metadata()?.len();
        Ok(LogWriter { folder, name, number, file, written, limits: self.limits })
    }

    /// The log of a build; none if there is none. What was left out is said in its place.
    pub fn read(&self, run: RunId, image: &ImageName) -> io::Result<Option<Vec<u8>>> {
        let segments = segments(&self.folder.join(run.to_string()), image)?;
        if segments.is_empty() {
            return Ok(None);
        }
        let mut text = Vec::new();
        let mut next = 0;
        for (number, path) in segments {
            if number > next {
                let left_out = u64::from(number - next) * self.limits.segment_bytes;
                text.extend_from_slice(format!("\n[… {left_out} bytes left out …]\n").as_bytes());
            }
            text.extend(fs::read(path)?);
            next = number + 1;
        }
        Ok(Some(text))
    }

    /// The images of a run that have a log, by name.
    pub fn images(&self, run: RunId) -> io::Result<Vec<ImageName>> {
        let entries = match fs::read_dir(self.folder.join(run.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut images: Vec<ImageName> = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".0000.log"));
            images.extend(stem.and_then(|stem| image_name(stem).parse::<ImageName>().ok()));
        }
        images.sort();
        Ok(images)
    }
}

/// Writes the log of one build.
#[derive(Debug)]
pub struct LogWriter {
    folder: PathBuf,
    name: String,
    number: u32,
    file: File,
    written: u64,
    limits: LogLimits,
}

impl LogWriter {
    fn next_segment(&mut self) -> io::Result<()> {
        self.number += 1;
        self.file = append_to(&segment(&self.folder, &self.name, self.number))?;
        self.written = 0;
        let LogLimits { head, tail, .. } = self.limits;
        // The oldest segment that is neither head nor tail any more.
        match self.number.checked_sub(tail.max(1)) {
            Some(number) if number >= head => fs::remove_file(segment(&self.folder, &self.name, number)),
            _ => Ok(()),
        }
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written >= self.limits.segment_bytes {
            self.next_segment()?;
        }
        let room = usize::try_from(self.limits.segment_bytes - self.written).unwrap_or(usize::MAX);
        let taken = self.file.write(&bytes[..bytes.len().min(room)])?;
        self.written += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

fn segment(folder: &Path, name: &str, number: u32) -> PathBuf {
    folder.join(format!("{name}.{number:04}.log"))
}

/// An image's name as a file's: `/` and `:` cannot stand in one, and `%` never stands in an image's name.
fn file_name(image: &ImageName) -> String {
    image.as_str().replace('/', "%2F").replace(':', "%3A")
}

fn image_name(file_name: &str) -> String {
    file_name.replace("%2F", "/").replace("%3A", ":")
}

/// The segments of an image's log that are there, in order.
fn segments(folder: &Path, image: &ImageName) -> io::Result<Vec<(u32, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let prefix = format!("{}.", file_name(image));
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_prefix(&prefix)?.strip_suffix(".log")?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(dir: &Path) -> Logs {
        Logs::new(dir).with_limits(LogLimits { segment_bytes: 10, head: 1, tail: 2 })
    }

    #[test]
    fn head_and_tail_of_a_long_log_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (logs, image) = (small(dir.path()), "shop/web:1".parse().unwrap());
        let mut writer = logs.writer(RunId(7), &image).unwrap();
        for number in 0..50 {
            writeln!(writer, "line {number:04}").unwrap();
        }
        let text = String::from_utf8(logs.read(RunId(7), &image).unwrap().unwrap()).unwrap();
        assert_eq!(text, "line 0000\n\n[… 470 bytes left out …]\nline 0048\nline 0049\n");
        assert_eq!(logs.images(RunId(7)).unwrap(), [image]);
    }

    #[test]
    fn a_second_attempt_goes_on_after_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let (logs, image) = (small(dir.path()), "web".parse().unwrap());
        write!(logs.writer(RunId(1), &image).unwrap(), "abc").unwrap();
        logs.writer(RunId(1), &image).unwrap().write_all(b"defghijklmn").unwrap();
        assert_eq!(logs.read(RunId(1), &image).unwrap().unwrap(), b"abcdefghijklmn");
    }

    #[test]
    fn images_with_similar_names_keep_their_logs_apart() {
        let dir = tempfile::tempdir().unwrap();
        let logs = small(dir.path());
        let (short, long) = ("web".parse().unwrap(), "web.0000".parse().unwrap());
        write!(logs.writer(RunId(1), &long).unwrap(), "long").unwrap();
        assert_eq!(logs.read(RunId(1), &short).unwrap(), None);
        write!(logs.writer(RunId(1), &short).unwrap(), "short").unwrap();
        assert_eq!(logs.read(RunId(1), &long).unwrap().unwrap(), b"long");
        assert_eq!(logs.images(RunId(2)).unwrap(), []);
    }
}
