//! What an engine itself reports of containers, as it happens: the only way to hit it in the middle of a step.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// No step of a rollout takes longer here, however busy the machine is.
const EVENT_MAX: Duration = Duration::from_secs(120);

/// The events of an estate's containers on one engine.
pub struct Events {
    client: Child,
    lines: Receiver<String>,
}

impl Events {
    /// Begins to listen, and returns once the engine has been asked.
    pub(super) fn of(endpoint: &str, estate: &str) -> Self {
        let label = format!("label=io.refit.estate={estate}");
        // From a moment that has passed on, so that nothing is missed that happens before the client is connected.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs().to_string();
        let format = "{{.Action}} {{index .Actor.Attributes \"io.refit.release\"}} {{.ID}}";
        let mut client = Command::new("docker")
            .args(["-H", endpoint, "events", "--since", &now, "--filter", "type=container", "--filter", &label, "--format", format])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the docker client runs");
        let out = BufReader::new(client.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { client, lines }
    }

    /// Waits for an action (`create`, `start`, `kill`, `destroy`, `exec_die` at the end of a probe) on a container of this release; returns its id.
    pub fn wait_for(&self, action: &str, release: u64) -> String {
        let mut heard = Vec::new();
        let wanted = format!("{action} {release} ");
        tokio::task::block_in_place(|| {
            loop {
                match self.lines.recv_timeout(EVENT_MAX) {
                    Ok(line) => match line.strip_prefix(&wanted) {
                        Some(id) => return id.to_owned(),
                        None => heard.push(line),
                    },
                    Err(why) => panic!("waited for `{wanted}` in vain ({why}); the engine reported {heard:#?}"),
                }
            }
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}
