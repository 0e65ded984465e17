//! A steady HTTP load on several hosts, as a load balancer in front of them would send it, with every failure counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// For how long one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);

/// What a load has met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Answered by the first host that was asked.
    pub answered: u64,
    /// Answered by the next host, after the first one failed.
    pub after_retry: u64,
    /// Answered by no host.
    pub failed: u64,
    /// How often each answer came.
    pub answers: BTreeMap<String, u64>,
}

impl LoadReport {
    /// All requests, retries not counted.
    pub fn all(&self) -> u64 {
        self.answered + self.after_retry + self.failed
    }
}

/// A load that goes on until [`Load::stop`].
pub struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<LoadReport>,
}

impl Load {
    /// Begins to ask for `path`, host after host in turn, one request each `every`; a failed one is tried once more on the next host.
    pub fn begin(addresses: Vec<String>, path: &str, every: Duration) -> Self {
        let (stop, path) = (Arc::new(AtomicBool::new(false)), path.to_owned());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut report = LoadReport::default();
            let mut tick = tokio::time::interval(every);
            let mut turn = 0;
            while !stopped.load(Ordering::Relaxed) {
                tick.tick().await;
                let (first, second) = (&addresses[turn % addresses.len()], &addresses[(turn + 1) % addresses.len()]);
                turn += 1;
                let answer = match get(first, &path).await {
                    Some(answer) => {
                        report.answered += 1;
                        Some(answer)
                    }
                    None => get(second, &path).await.inspect(|_| report.after_retry += 1),
                };
                match answer {
                    Some(answer) => *report.answers.entry(answer).or_default() += 1,
                    None => report.failed += 1,
                }
            }
            report
        });
        Self { stop, task }
    }

    /// Ends it and says what it met.
    pub async fn stop(self) -> LoadReport {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the load ends")
    }
}

/// One request over a connection of its own; the body of a 200 answer.
pub async fn get(address: &str, path: &str) -> Option<String> {
    let attempt = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        // An answer that was cut off in the middle is none: its length is not the one it announced.
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let whole = length.map_or(!body.is_empty(), |length| length == body.len());
        head.split(' ').nth(1).filter(|status| *status == "200" && whole).map(|_| body.trim().to_owned())
    };
    tokio::time::timeout(ATTEMPT_MAX, attempt).await.ok().flatten()
}
