//! Every road to an engine: TLS with certificates of one's own, ssh with the user's keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use refit::edge::docker::DockerEngine;
use refit::edge::{Engine, EngineError, ProbeAnswer};
use refit::model::{ProbeKind, ProbeSpec};
use refit::pipeline::Endpoint;

use crate::lab::LabHost;
use crate::{BASE, found, hosts, new};

fn run(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}; run tests/lab/setup.sh --tests"));
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a host is used for, over one road.
async fn use_it(engine: &DockerEngine, image: &str) -> String {
    assert!(engine.info().await.unwrap().platform.starts_with("linux/"));
    assert_eq!(found(engine).await, []);
    let id = engine.start_new(&new(image, "one")).await.unwrap();
    assert_eq!(found(engine).await[0].id, id);
    // Many calls at once over the one road.
    let many = (0..20).map(|_| engine.image(image));
    assert!(futures_util::future::join_all(many).await.into_iter().all(|seen| seen.unwrap().is_some()));
    engine.wait_for_event(&"shop".parse().unwrap(), Duration::from_millis(200)).await.unwrap();
    id
}

/// An authority, and a certificate of its own for the server and for the client.
fn certificates(folder: &Path, address: &str) {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let short = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    run("openssl", &[&["req", "-x509", "-subj", "/CN=lab authority", "-keyout", &at("ca-key.pem"), "-out", &at("ca.pem")][..], &short].concat());
    for (name, extension) in [("server", format!("subjectAltName=IP:{address}")), ("client", "extendedKeyUsage=clientAuth".to_owned())] {
        let (key, certificate) = (at(&format!("{name}-key.pem")), at(&format!("{name}.pem")));
        let request = [
            "req",
            "-x509",
            "-subj",
            "/CN=lab",
            "-addext",
            &extension,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-CA",
            &at("ca.pem"),
            "-CAkey",
            &at("ca-key.pem"),
            "-keyout",
            &key,
            "-out",
            &certificate,
        ];
        run("openssl", &[&request[..], &short].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_behind_tls_is_used_with_ones_own_certificate() {
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), &host.address);
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    host.stop();
    host.up_with(&["--tlsverify", "--tlscacert", &at("ca.pem"), "--tlscert", &at("server.pem"), "--tlskey", &at("server-key.pem")]);

    let mine = folder.path().join("mine");
    fs::create_dir(&mine).unwrap();
    let through = || DockerEngine::new(Endpoint::Tcp { host: host.address.clone(), port: 2375, tls: Some(mine.clone()) });
    for (file, from) in [("ca.pem", "ca.pem"), ("cert.pem", "client.pem"), ("key.pem", "client-key.pem")] {
        let missing = through().err().expect("a file is missing").to_string();
        assert!(missing.contains(&format!("{} cannot be read (No such file", mine.join(file).display())), "{missing}");
        fs::copy(at(from), mine.join(file)).unwrap();
    }
    use_it(&through().unwrap(), &image).await;

    // Plain HTTP, and a server that is not the one that was meant: both are refused for good.
    let plain = crate::engine(host).info().await.unwrap_err();
    assert!(matches!(&plain, EngineError::Refused { .. }) && plain.to_string().contains("HTTPS"), "{plain}");
    let other = tempfile::tempdir().unwrap();
    certificates(other.path(), &host.address);
    fs::copy(other.path().join("ca.pem"), mine.join("ca.pem")).unwrap();
    let stranger = through().unwrap().info().await.unwrap_err();
    assert!(matches!(&stranger, EngineError::Refused { .. }) && stranger.to_string().contains("certificate"), "{stranger}");
    // A client that the server does not know.
    fs::copy(at("ca.pem"), mine.join("ca.pem")).unwrap();
    fs::copy(other.path().join("client.pem"), mine.join("cert.pem")).unwrap();
    fs::copy(other.path().join("client-key.pem"), mine.join("key.pem")).unwrap();
    let unknown = through().unwrap().info().await.unwrap_err();
    assert!(unknown.to_string().contains("ertificate") || unknown.to_string().contains("UnknownCA"), "{unknown}");
}

/// The folder of a child's keys, and what it shall do there. A child, because ssh finds its configuration only by its environment.
const CHILD: &str = "REFIT_SSH_CHILD";

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_behind_ssh_is_used_with_ones_own_key() {
    if let Ok(endpoint) = std::env::var(CHILD) {
        return over_ssh(&endpoint).await;
    }
    let Some(lab) = hosts(1).await else { return };
    let host = lab.host(1);
    let image = host.import_base(BASE);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for key in ["host_key", "mine", "unknown"] {
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]);
    }
    fs::copy(at("mine.pub"), at("authorized_keys")).unwrap();
    host.sshd(folder.path());
    fs::write(at("known"), format!("{} {}", host.address, fs::read_to_string(at("host_key.pub")).unwrap())).unwrap();

    for (case, key, known) in [("used", "mine", "known"), ("unknown host", "mine", "none"), ("unknown key", "unknown", "known")] {
        let config = format!("IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n", at(key), at(known));
        fs::write(at("config"), config).unwrap();
        child(folder.path(), host, &image, case);
    }
}

/// Runs this very test again, with an `ssh` in its PATH that has the folder's configuration.
fn child(folder: &Path, host: &LabHost, image: &str, case: &str) {
    let ssh = folder.join("ssh");
    fs::write(&ssh, format!("#!/bin/sh\nPATH=${{PATH#*:}} exec ssh -F {}/config \"$@\"\n", folder.display())).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "roads::an_engine_behind_ssh_is_used_with_ones_own_key", "--nocapture"])
        .envs([("PATH", path), (CHILD, format!("{}\n{}\n{image}\n{case}", host.address, host.socket.display()))])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{case}: {said}");
}

async fn over_ssh(words: &str) {
    let [address, socket, image, case] = words.lines().collect::<Vec<_>>().try_into().unwrap();
    let endpoint = Endpoint::Ssh { user: Some("root".into()), host: address.into(), port: None, socket: socket.into() };
    let engine = DockerEngine::new(endpoint).unwrap();
    if case == "used" {
        let id = use_it(&engine, image).await;
        // A port of a container, not published, through the same login.
        engine.stop(&id, Duration::from_secs(1)).await.unwrap();
        engine.remove(&id).await.unwrap();
        let mut web = new(image, "web");
        web.spec.command = Some(["httpd", "-f", "-p", "80", "-h", "/bin"].map(str::to_owned).to_vec());
        let id = engine.start_new(&web).await.unwrap();
        let probe = |port| {
            let kind = ProbeKind::Http { method: "GET".into(), port, path: "/busybox".into() };
            ProbeSpec { kind, interval: Duration::from_secs(1), timeout: Duration::from_secs(3), retries: 1, start_period: Duration::ZERO }
        };
        let mut answer = engine.probe(&id, &probe(80)).await.unwrap();
        for _ in 0..50 {
            if answer == ProbeAnswer::Well {
                break;
            }
            answer = engine.probe(&id, &probe(80)).await.unwrap();
        }
        assert_eq!(answer, ProbeAnswer::Well);
        assert!(matches!(engine.probe(&id, &probe(81)).await.unwrap(), ProbeAnswer::Unwell(_)));
        return;
    }
    let refused = engine.info().await.unwrap_err();
    let expected = if case == "unknown host" { "Host key verification failed" } else { "Permission denied" };
    assert!(matches!(&refused, EngineError::Refused { .. }) && refused.to_string().contains(expected), "{case}: {refused}");
}
