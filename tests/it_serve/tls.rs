//! TLS: the certificate is read again when it changes.

use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::{Certificate, Client};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::daemon::{Daemon, Shop, client, until};

/// Makes a certificate for loopback, and its key.
fn certificate(shop: &Shop, name: &str) -> Certificate {
    let (pem, key) = (format!("{name}.pem"), format!("{name}.key"));
    let args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=refit"];
    let made = Command::new("openssl")
        .args(args)
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-out", &pem, "-keyout", &key])
        .current_dir(shop.path(""))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("openssl is there; `tests/lab/setup.sh --tests` installs it");
    assert!(made.success());
    Certificate::from_pem(&std::fs::read(shop.path(&pem)).unwrap()).unwrap()
}

fn trusting(certificate: &Certificate) -> Client {
    // A connection that is kept would show the certificate with which it was begun.
    client(|builder| builder.tls_certs_only([certificate.clone()]).pool_max_idle_per_host(0).timeout(Duration::from_secs(20)))
}

async fn is_well(client: &Client, daemon: &Daemon) -> bool {
    match client.get(format!("https://{}/healthz", daemon.address)).send().await {
        Ok(answer) => answer.status() == 200,
        Err(_) => false,
    }
}

fn put_in_force(shop: &Shop, name: &str) {
    for (suffix, file) in [("key", "server.key"), ("pem", "server.pem")] {
        std::fs::copy(shop.path(&format!("{name}.{suffix}")), shop.path("copy")).unwrap();
        std::fs::rename(shop.path("copy"), shop.path(file)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_renewed_is_shown_from_then_on() {
    let shop = Shop::new();
    let (old, new) = (certificate(&shop, "old"), certificate(&shop, "new"));
    let (old, new) = (trusting(&old), trusting(&new));
    put_in_force(&shop, "old");
    let args = ["--listen", "127.0.0.1:0", "--offline", "--tls-cert", "server.pem", "--tls-key", "server.key"];
    let mut daemon = shop.serve_with(&args).await;
    assert!(is_well(&old, &daemon).await && !is_well(&new, &daemon).await);

    put_in_force(&shop, "new");
    until("the new certificate", async || is_well(&new, &daemon).await).await;
    assert!(!is_well(&old, &daemon).await);

    // What cannot be used leaves the one before in force.
    shop.write("server.pem", "no certificate\n");
    assert!(is_well(&new, &daemon).await);
    daemon.says("the certificate changed and cannot be used, the old one stays").await;
    put_in_force(&shop, "old");
    until("the old certificate", async || is_well(&old, &daemon).await).await;

    let plain = client(|builder| builder.timeout(Duration::from_secs(20))).get(daemon.url("/healthz")).send().await;
    assert!(plain.is_err(), "plain HTTP is not spoken here: {plain:?}");
    who_never_shakes_hands_is_cut_off(&daemon).await;
}

async fn who_never_shakes_hands_is_cut_off(daemon: &Daemon) {
    let mut stream = TcpStream::connect(&daemon.address).await.unwrap();
    let mut nothing = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(18), stream.read_to_end(&mut nothing)).await;
    assert!(ended.is_ok(), "the connection is closed");
}

#[test]
fn files_that_hold_no_certificate_are_refused_at_start_up() {
    let shop = Shop::new();
    let args = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", "server.pem", "--tls-key", "server.key"];
    shop.expect_refused(&args, 2, &["server.pem: ", "a certificate chain and its key in PEM format"]);
    shop.write("server.pem", "no certificate\n");
    shop.write("server.key", "no key\n");
    shop.expect_refused(&args, 2, &["server.", "PEM"]);
    shop.expect_refused(&args[..5], 2, &["--tls-key"]);
}
