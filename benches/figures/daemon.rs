//! A `refit serve` to measure: an estate in a folder, the real binary on it, and HTTP said by hand so that the client costs little.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::measure::refit;

/// What hooks of the figures say in `Authorization`.
pub const SECRET: &str = "a-secret-of-the-figures";

/// A running daemon; ends with this.
pub struct Daemon {
    child: Child,
    address: SocketAddr,
}

impl Daemon {
    /// Starts a daemon on the estate in `folder`, and waits until it takes requests.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let address = free();
        let log = fs::File::options().create(true).append(true).open(folder.join("serve.log")).expect("a log");
        let mut command = refit();
        command.args(["serve", "--offline", "--listen", &address.to_string()]).args(arguments).current_dir(folder);
        command.env("HOOK_SECRET", SECRET).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut daemon = Self { child: command.spawn().expect("refit serve"), address };
        let until = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(address).is_err() {
            let log = || fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
            assert!(daemon.child.try_wait().expect("a child").is_none() && Instant::now() < until, "refit serve did not begin:\n{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its place in /proc.
    pub fn proc(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.child.id()))
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// A hook as a CNCF Distribution sends it, about one tag.
pub fn hook(delivery: &str, repository: &str, tag: &str) -> String {
    let digest = "ab".repeat(32);
    let body = format!(
        r#"{{"events":[{{"id":"{delivery}","action":"push","target":{{"mediaType":"application/vnd.oci.image.index.v1+json","repository":"{repository}","tag":"{tag}","digest":"sha256:{digest}","size":1}},"request":{{"host":"docker.io"}}}}]}}"#
    );
    format!(
        "POST /hooks/figures HTTP/1.1\r\nhost: refit\r\nauthorization: {SECRET}\r\ncontent-type: application/vnd.docker.distribution.events.v2+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A connection that is kept, over which requests are said one after another.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Opens one.
    pub fn open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self(BufReader::new(stream)))
    }

    /// Says a request and waits for its answer: the status, or none if the other side is gone.
    pub fn say(&mut self, request: &str) -> Option<u16> {
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let mut line = String::new();
        self.0.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        self.0.read_exact(&mut vec![0; length]).ok()?;
        Some(status)
    }
}

/// An estate whose `images` stand on `figures-base:1`, three levels deep, for `hosts` hosts that are all one engine.
pub fn write_estate(folder: &Path, images: usize, hosts: usize, endpoint: &str) {
    fs::create_dir_all(folder.join("pipelines")).expect("a folder");
    let mut pipeline = format!(
        "name: figures\nbuilders:\n  build: {{ endpoint: \"{endpoint}\" }}\nsecrets:\n  hook: {{ environment: HOOK_SECRET }}\nhooks:\n  figures: {{ secrets: [hook], auth: authorization }}\nhosts:\n"
    );
    for at in 0..hosts {
        pipeline += &format!("  host-{at:03}: {{ endpoint: \"{endpoint}\" }}\n");
    }
    pipeline += "images:\n";
    for at in 0..images {
        let parent = match at {
            0 => "figures-base:1".to_owned(),
            at if at <= 30 => "image-00000".to_owned(),
            at => format!("image-{:05}", 1 + at % 30),
        };
        let name = format!("image-{at:05}");
        let context = folder.join("images").join(&name);
        fs::create_dir_all(&context).expect("a folder");
        fs::write(context.join("Dockerfile"), format!("FROM {parent}\nCOPY file /files/{at}\n")).expect("a Dockerfile");
        fs::write(context.join("file"), format!("the file of {name}\n")).expect("a file");
        pipeline += &format!("  {name}: {{ build: images/{name} }}\n");
    }
    if hosts > 0 {
        pipeline += "services:\n  web:\n    image: image-00001\n    deploy: { hosts: \"*\" }\n";
    }
    fs::write(folder.join("pipelines/figures.yaml"), pipeline).expect("a pipeline");
}
