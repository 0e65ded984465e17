//! What was answered with success is there after `kill -9`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::daemon::{BASE, SECRET, Shop, client, pushed, until};

/// So many send at once.
const SENDERS: usize = 20;
/// The daemon is killed when so many were answered, so that every sender is in the middle of one.
const ANSWERED_MIN: usize = 200;

#[tokio::test]
async fn a_trigger_that_was_answered_is_there_after_a_kill() {
    let shop = Shop::new();
    let token = shop.token("ann", "trigger");
    let daemon = shop.serve().await;
    assert_eq!(daemon.hook("/hooks/fixed", &[("authorization", SECRET)], pushed("one", BASE)).await.status, 202);
    daemon.kill();
    let daemon = shop.serve().await;
    let triggers = daemon.triggers(&token).await;
    assert_eq!(triggers.len(), 1, "{triggers:#?}");
    assert!(triggers[0]["settled"].is_null() && triggers[0]["words"].as_str().unwrap().contains(BASE), "{triggers:#?}");
}

/// Every delivery has an id of its own. After the restart each that was answered is sent again: one that the journal has is known, and one that was
/// lost would count as a new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_senders_at_the_moment_of_the_kill_none_loses_what_was_answered() {
    let shop = Shop::new();
    let token = shop.token("ann", "read");
    let daemon = shop.serve().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(std::sync::Mutex::new(Vec::new()));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (url, is_over, answered) = (daemon.url("/hooks/fixed"), is_over.clone(), answered.clone());
            let client = client(|builder| builder.timeout(Duration::from_secs(20)));
            tokio::spawn(async move {
                for number in 0.. {
                    let id = format!("{sender}-{number}");
                    let sent = client.post(&url).header("authorization", SECRET).body(pushed(&id, BASE)).send().await;
                    match sent {
                        Ok(answer) if answer.status() == 202 => answered.lock().unwrap().push(id),
                        // Some are answered with an error while the daemon dies; what they sent may be lost.
                        _ if is_over.load(Ordering::Acquire) => return,
                        other => panic!("{id}: {other:?}"),
                    }
                }
            })
        })
        .collect();
    until("some answers", async || answered.lock().unwrap().len() >= ANSWERED_MIN).await;
    is_over.store(true, Ordering::Release);
    daemon.kill();
    for sender in senders {
        sender.await.unwrap();
    }
    let answered = std::mem::take(&mut *answered.lock().unwrap());

    let daemon = shop.serve().await;
    let times = async || daemon.triggers(&token).await[0]["times"].as_u64().unwrap();
    let before = times().await;
    assert!(before >= answered.len() as u64, "{before} of {} are in the journal", answered.len());
    for id in &answered {
        assert_eq!(daemon.hook("/hooks/fixed", &[("authorization", SECRET)], pushed(id, BASE)).await.status, 202);
    }
    assert_eq!(times().await, before, "every one of {} was known already", answered.len());
}

/// As systemd does with `Type=notify`.
#[tokio::test]
async fn the_supervisor_is_told_when_it_serves_and_when_it_stops() {
    let shop = Shop::new();
    let socket = shop.path("notify.sock");
    let supervisor = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let told = || {
        let mut text = [0; 64];
        let length = supervisor.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let notify = format!("NOTIFY_SOCKET={}", socket.display());
    let daemon = shop.serve_under(&["env", &notify], &["--listen", "127.0.0.1:0", "--offline"]).await;
    assert_eq!(told(), "READY=1");
    assert_eq!(daemon.stop().await, Some(0));
    assert_eq!(told(), "STOPPING=1");
}
