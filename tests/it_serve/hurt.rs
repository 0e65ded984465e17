//! Those who send slowly, or not at all.

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::daemon::{BASE, SECRET, Shop, pushed, until};

/// How long the daemon is patient, and how much later a busy machine may come to it.
const PATIENT: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(8);

/// Sends a beginning at once and the rest a byte at a time, until the daemon closes the connection; gives back for how long that was, and its answer.
async fn slowly(address: String, beginning: String, rest: &'static str, every: Duration) -> (Duration, String) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let sender = tokio::spawn(async move {
        for byte in rest.bytes().cycle() {
            tokio::time::sleep(every).await;
            if rest.is_empty() || write.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        write
    });
    let mut answer = Vec::new();
    // One that is reset was closed as well.
    let _ = tokio::time::timeout(PATIENT + LATER, read.read_to_end(&mut answer)).await.expect("the connection is closed");
    let took = began.elapsed();
    sender.abort();
    (took, String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_slowly_is_cut_off_after_ten_seconds() {
    let shop = Shop::new();
    let daemon = shop.serve().await;
    let head = format!("POST /hooks/fixed HTTP/1.1\r\nhost: x\r\nauthorization: {SECRET}\r\ncontent-length: 4000\r\n\r\n");
    let often = Duration::from_millis(300);
    let never = Duration::from_secs(3600);
    let cases = [
        ("nothing at all", String::new(), "x", never),
        ("a head that stalls", "POST /hooks/fixed HTTP/1.1\r\nhost:".to_owned(), "x", never),
        ("a head byte by byte", "POST /hooks/fixed HTTP/1.1\r\nx: ".to_owned(), "x", often),
        ("a body that stalls", head.clone(), "x", never),
        ("a body byte by byte", head, "{", often),
    ];
    let tasks: Vec<_> =
        cases.into_iter().map(|(what, begin, rest, every)| (what, tokio::spawn(slowly(daemon.address.clone(), begin, rest, every)))).collect();
    for (what, task) in tasks {
        let (took, answer) = task.await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(took >= PATIENT - Duration::from_secs(1) && took < PATIENT + LATER, "{what}: closed after {took:?}: {answer}");
        if what.contains("body") {
            assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("application/problem+json"), "{what}: {answer}");
        }
    }
    let answer = daemon.hook("/hooks/fixed", &[("authorization", SECRET)], pushed("one", BASE)).await;
    assert_eq!(answer.status, 202, "others are served: {}", answer.text);
}

/// More than the daemon lets in at a time.
const IDLE: usize = 10_000;
/// What so many may cost it.
const GROWTH_MAX_KIB: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_idle_connections_neither_shut_others_out_nor_let_it_grow() {
    let shop = Shop::new();
    // As most systems start their services, with room for 1024 open files, which the daemon may raise.
    let few_files = ["sh", "-c", "ulimit -Sn 1024 && exec \"$0\" \"$@\""];
    let daemon = shop.serve_under(&few_files, &["--listen", "127.0.0.1:0", "--offline", "--debounce", "5m"]).await;
    let before = daemon.resident_kib();
    let mut idle = Vec::new();
    for number in 0..IDLE {
        let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
        // Half of them say something, and never go on.
        if number % 2 == 0 {
            let _ = stream.write_all(b"POST /hooks/fixed HTTP/1.1\r\n").await;
        }
        idle.push(stream);
    }
    let began = Instant::now();
    for number in 0..20 {
        let body = pushed(&number.to_string(), BASE);
        assert_eq!(daemon.hook("/hooks/fixed", &[("authorization", SECRET)], body).await.status, 202, "others are served");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "at once, and not when the idle ones are gone: {:?}", began.elapsed());
    let grown = daemon.resident_kib().saturating_sub(before);
    assert!(grown < GROWTH_MAX_KIB, "{IDLE} idle connections cost {grown} KiB");
    let open = || std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    until("the idle ones to be closed", async || open() < 100).await;
    assert_eq!(daemon.ask(Method::GET, "/readyz", None, None).await.status, 200);
}
