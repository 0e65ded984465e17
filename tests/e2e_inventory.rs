//! The whole story of a problem in a library, on a real Debian: who has it, a patch that finds nothing newer, a patched base, a cascade, a rollout, and
//! the proof that it is gone. The library is openssl, in the oldest and the newest version that Debian's archive has for this release.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test")]

mod e2e;
mod lab;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::Estate;
use serde_json::Value;
use tempfile::TempDir;

const MIRROR: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "deb http://deb.debian.org/debian-security bookworm-security main";
/// No real one is called so.
const PROBLEM: &str = "CVE-2099-0001";

const PIPELINE: &str = r#"
images:
  runtime: { build: images/runtime }
  web: { build: images/web }
  tool: { build: images/tool }
  own: { build: images/own }
services:
  web:
    image: web
    init: true
    network_mode: none
    command: ["sleep", "100000"]
    stop_grace_period: 1s
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
  own:
    image: own
    init: true
    network_mode: none
    command: ["sleep", "100000"]
    stop_grace_period: 1s
    deploy: { hosts: "pool=all", update_config: { monitor: 300ms } }
"#;

/// A Debian, once with an old openssl and once with a new one, as archives; and a third with what other ecosystems' own tools installed.
struct Debians {
    folder: TempDir,
    old: String,
    new: String,
    /// What dpkg itself says is in the second, one `name version arch` each.
    installed: BTreeSet<String>,
    mixed: Mixed,
}

/// What each tool itself says is in the third.
struct Mixed {
    deb: BTreeSet<String>,
    rpm: BTreeSet<String>,
    /// One `name version` each, names as PEP 503 writes them.
    pypi: BTreeSet<String>,
}

/// Two packages for rpm to install: one of an epoch, and one for this machine alone.
const SPECS: [(&str, &str); 2] =
    [("alpha", "Epoch: 1\nVersion: 2.0\nRelease: 3\nBuildArch: noarch\n"), ("beta", "Version: 0.9~rc1\nRelease: 1.el9\n")];

impl Debians {
    /// Takes about a minute: a real debootstrap, and a real upgrade within it.
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        run(Command::new("debootstrap").args(["--variant=minbase", "--include=openssl,ca-certificates", "bookworm"]).arg(&root).arg(MIRROR));
        let old = version(&root);
        pack(&root, &folder.path().join("old.tar"));
        fs::write(root.join("etc/apt/sources.list.d/security.list"), format!("{SECURITY}\n")).unwrap();
        fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf")).unwrap();
        run(Command::new("chroot").arg(&root).args(["apt-get", "-qq", "update"]));
        let install = ["apt-get", "-qq", "-y", "--no-install-recommends", "install", "openssl", "libssl3"];
        run(Command::new("chroot").arg(&root).args(install).env("DEBIAN_FRONTEND", "noninteractive"));
        let new = version(&root);
        assert_ne!(old, new, "Debian's archive has one version of openssl only, so there is no story to tell");
        pack(&root, &folder.path().join("new.tar"));
        let installed = dpkg_says(&root);
        let mixed = Mixed::install(&root);
        pack(&root, &folder.path().join("mixed.tar"));
        Self { folder, old, new, installed, mixed }
    }

    fn import(&self, estate: &Estate, which: &str) {
        self.import_as(estate, which, &estate.base());
    }

    fn import_as(&self, estate: &Estate, which: &str, name: &str) {
        let archive = self.folder.path().join(format!("{which}.tar"));
        estate.builder().docker(&["import", archive.to_str().unwrap(), name]).unwrap();
    }
}

impl Mixed {
    /// rpm builds and installs its own, and pip is there with all that Debian has for it.
    fn install(root: &Path) -> Self {
        let inside = |args: &[&str]| run(Command::new("chroot").arg(root).args(args).env("DEBIAN_FRONTEND", "noninteractive"));
        inside(&["apt-get", "-qq", "-y", "--no-install-recommends", "install", "rpm", "python3-pip", "python3-yaml", "python3-zope.interface"]);
        fs::create_dir_all(root.join("tmp/rpm")).unwrap();
        for (name, head) in SPECS {
            let spec = format!("Name: {name}\n{head}Summary: a test\nLicense: MIT\n%description\nA test.\n%files\n");
            fs::write(root.join(format!("tmp/rpm/{name}.spec")), spec).unwrap();
            inside(&["rpmbuild", "--quiet", "-bb", "--define", "_topdir /tmp/rpm", &format!("/tmp/rpm/{name}.spec")]);
        }
        // Debian's rpm keeps its database in the home of whoever calls it, unless it is told where everybody else's is.
        inside(&["sh", "-c", "rpm --dbpath /var/lib/rpm --install --force-debian --nodeps /tmp/rpm/RPMS/*/*.rpm"]);
        let lines = |listed: String| -> BTreeSet<String> { listed.lines().map(str::to_owned).collect() };
        let rpm = lines(inside(&["rpm", "--dbpath", "/var/lib/rpm", "--query", "--all", "--queryformat", "%{NAME} %{EVR} %{ARCH}\n"]));
        assert_eq!(rpm.len(), SPECS.len(), "{rpm:?}");
        let pip = inside(&["python3", "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check"]);
        let pypi = pip.lines().map(|line| line.split_once("==").unwrap()).map(|(name, version)| format!("{} {version}", pep_503(name))).collect();
        Self { deb: dpkg_says(root), rpm, pypi }
    }
}

fn pep_503(name: &str) -> String {
    name.to_lowercase().split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn dpkg_says(root: &Path) -> BTreeSet<String> {
    let admin = format!("--admindir={}", root.join("var/lib/dpkg").display());
    let listed = run(Command::new("dpkg-query").args([&admin, "-W", "-f", "${Package} ${Version} ${Architecture}\n"]));
    listed.lines().map(str::to_owned).collect()
}

fn run(command: &mut Command) -> String {
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; `tests/lab/setup.sh --tests` installs what is missing"));
    assert!(ended.status.success(), "{command:?}: {}\n{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

fn version(root: &Path) -> String {
    let admin = format!("--admindir={}", root.join("var/lib/dpkg").display());
    run(Command::new("dpkg-query").args([&admin, "-W", "-f", "${Version}", "openssl"]))
}

/// What a package manager fetched is no part of what is installed.
fn pack(root: &Path, archive: &Path) {
    let leave_out =
        ["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*"];
    run(Command::new("tar").arg("-C").arg(root).args(leave_out).arg("-cf").arg(archive).arg("."));
}

/// The problem as OSV and as Debian's tracker tell of it.
fn advisories(estate: &Estate, fixed: &str) -> [PathBuf; 2] {
    let osv = serde_json::json!({
        "id": format!("DEBIAN-{PROBLEM}"), "upstream": [PROBLEM], "schema_version": "1.7.0",
        "modified": "2026-01-02T00:00:00Z", "published": "2026-01-01T00:00:00Z", "summary": "openssl does what it should not",
        "affected": [{
            "package": { "ecosystem": "Debian:12", "name": "openssl" },
            "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": fixed }] }],
        }],
    });
    let release = serde_json::json!({
        "status": "resolved", "fixed_version": fixed, "urgency": "high", "repositories": { "bookworm": "0" },
    });
    let tracker = serde_json::json!({
        "openssl": { PROBLEM: { "description": "openssl does what it should not", "scope": "remote", "releases": { "bookworm": release } } },
    });
    estate.write("advisories/osv/one.json", &osv.to_string());
    estate.write("advisories/tracker.json", &tracker.to_string());
    [estate.path("advisories/osv"), estate.path("advisories/tracker.json")]
}

fn json(estate: &Estate, args: &[&str], code: i32) -> Value {
    let ended = estate.refit(&[args, &["--json"]].concat()).expect_code(code);
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{args:?}: {error}: {}", ended.out))
}

/// The images that the newest run built.
fn built(estate: &Estate, run: &str) -> BTreeSet<String> {
    let events = estate.events(run);
    let began = events.iter().filter(|event| event["event"] == "build_began");
    began.map(|event| event["image"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_problem_in_a_library_from_who_has_it_to_gone() {
    let Some(lab) = e2e::lab(2).await else { return };
    let debians = Debians::make();
    let images = [
        ("runtime", "FROM BASE\nRUN echo one > /etc/runtime\n"),
        ("web", "FROM runtime\nRUN echo web > /etc/web\n"),
        ("tool", "FROM BASE\nRUN echo tool > /etc/tool\n"),
        ("own", "FROM lab/os:raw\nCOPY package.json /srv/node_modules/left-pad/package.json\n"),
    ];
    let estate = Estate::new(&lab, "found", PIPELINE, &images);
    estate.write("images/own/package.json", r#"{"name": "left-pad", "version": "1.3.0", "license": "WTFPL"}"#);
    debians.import(&estate, "old");
    estate.refit(&["rollout"]).expect_code(0);
    let before = estate.expect_exactly(&[("own", 2, 1), ("web", 2, 1)]);

    what_is_in_an_image_is_what_dpkg_says(&estate, &debians);
    who_has_it_is_told_with_who_brought_it_in(&estate, &debians);
    let asked = format!("openssl<{}", debians.new);

    for source in advisories(&estate, &debians.new) {
        estate.refit(&["advisories", "update", source.to_str().unwrap()]).expect_code(0).expect_said("1 kept");
    }
    estate.refit(&["cve", PROBLEM]).expect_code(1).expect_said("open").expect_said(&debians.new);
    estate.refit(&["cve", "--open"]).expect_code(1).expect_said(PROBLEM);
    estate.refit(&["cve", "--open", "--older-than", "0s"]).expect_code(1).expect_said(PROBLEM);
    estate.refit(&["cve", "--open", "--older-than", "7d"]).expect_code(0).expect_said("no problem");
    advisories_come_from_a_url_too(&estate);
    estate.refit(&["who-has", "--cve", PROBLEM]).expect_code(1).expect_said(&debians.new);

    // Nothing newer is there yet, and no step upgrades packages: the new image still has it, so it is no image.
    let failed = estate.refit(&["patch", PROBLEM, "--offline", "--yes"]).expect_code(1);
    failed.expect_said("nothing newer of it is without it").expect_said(&format!("{PROBLEM} is still in it: libssl3 {}", debians.old));
    assert_eq!(estate.expect_exactly(&[("own", 2, 1), ("web", 2, 1)]), before, "no container was touched");

    debians.import(&estate, "new");
    estate.refit(&["status", "--stale", "--offline"]).expect_code(1).expect_said("1 behind");
    estate.refit(&["plan"]).expect_code(0).expect_said("Packages that come with the bases").expect_said(&format!("~ openssl {}", debians.old));
    let patched = estate.refit(&["patch", PROBLEM, "--offline", "--yes"]).expect_code(0);
    patched.expect_said("is newer and does not have it").expect_said(&format!("no container has {PROBLEM}"));
    assert_eq!(built(&estate, "run-3"), ["runtime", "web"].map(str::to_owned).into(), "`tool` runs nowhere, `own` never had it");
    let after = estate.of("web");
    assert!(after.iter().all(|container| container.is_running && !before.contains(container)));
    assert_eq!(estate.of("own"), before.iter().filter(|container| container.service == "own").cloned().collect::<Vec<_>>());

    estate.refit(&["who-has", &asked]).expect_code(0).expect_said("no container has");
    estate.refit(&["who-has", &asked, "--ever"]).expect_code(1).expect_said("UNTIL");
    estate.refit(&["cve", PROBLEM]).expect_code(0).expect_said("gone");
    estate.refit(&["status", "--stale", "--offline"]).expect_code(0).expect_said("none behind");
    let diff = estate.refit(&["inventory", "diff", "r1", "r2"]).expect_code(0);
    diff.expect_said(&format!("~ openssl {} → {}", debians.old, debians.new));
    estate.refit(&["show", "run-3"]).expect_code(0).expect_said("read     ").expect_said(&format!("~ libssl3 {}", debians.old));
    the_bill_of_materials_tells_the_same(&estate, &debians);
    what_is_in_an_image_is_what_each_tool_says(&estate, &debians);
    what_an_image_pins_itself_is_a_failed_build(&estate);
}

/// What refit read of one kind, one `name version arch` each.
fn read_of(shown: &Value, kind: &str) -> BTreeSet<String> {
    let found = shown["packages"].as_array().unwrap().iter().map(|found| &found["package"]).filter(|package| package["kind"] == kind);
    let words = |package: &Value| ["name", "version", "arch"].iter().filter_map(|key| package[key].as_str()).collect::<Vec<_>>().join(" ");
    found.map(words).collect()
}

fn what_is_in_an_image_is_what_dpkg_says(estate: &Estate, debians: &Debians) {
    let read = read_of(&json(estate, &["inventory", "show", "web"], 0), "deb");
    // The root was upgraded since; those two are what differs.
    let without_openssl = |all: &BTreeSet<String>| -> BTreeSet<String> {
        all.iter().filter(|line| !line.starts_with("openssl ") && !line.starts_with("libssl3 ")).cloned().collect()
    };
    assert!(read.contains(&format!("openssl {} amd64", debians.old)), "{read:?}");
    assert_eq!(without_openssl(&read), without_openssl(&debians.installed), "entry for entry");
}

/// dpkg, rpm and pip each list what they have in one image, and so does refit.
fn what_is_in_an_image_is_what_each_tool_says(estate: &Estate, debians: &Debians) {
    debians.import_as(estate, "mixed", "lab/mixed:raw");
    estate.refit(&["inventory", "scan", "lab/mixed:raw"]).expect_code(0);
    let shown = json(estate, &["inventory", "show", "lab/mixed:raw"], 0);
    assert_eq!(read_of(&shown, "deb"), debians.mixed.deb, "entry for entry");
    assert_eq!(read_of(&shown, "rpm"), debians.mixed.rpm, "entry for entry");
    assert_eq!(read_of(&shown, "pypi"), debians.mixed.pypi, "entry for entry");
    assert_eq!(shown["unreadable"].as_array().map_or(0, Vec::len), 0, "{}", shown["unreadable"]);
}

fn who_has_it_is_told_with_who_brought_it_in(estate: &Estate, debians: &Debians) {
    let asked = format!("openssl<{}", debians.new);
    let answer = json(estate, &["who-has", &asked], 1);
    let containers = answer["containers"].as_array().unwrap();
    let of: BTreeSet<(&str, &str, &str)> = containers
        .iter()
        .map(|one| (one["service"].as_str().unwrap(), one["host"].as_str().unwrap(), one["package"]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(of, [("web", "a", "libssl3"), ("web", "a", "openssl"), ("web", "b", "libssl3"), ("web", "b", "openssl")].into());
    assert!(containers.iter().all(|one| one["brought_by"] == estate.base().as_str()), "{containers:?}");
    assert_eq!(answer["not_read"], serde_json::json!([]));
    estate.refit(&["who-has", "openssl<1"]).expect_code(0).expect_said("no container has openssl<1");
    estate.refit(&["who-has", "npm:left-pad"]).expect_code(1).expect_said("own").expect_said("1.3.0");
    estate.refit(&["who-has", "--license", "WTFPL", "--csv"]).expect_code(1).expect_said("pkg:npm/left-pad@1.3.0");
    estate.refit(&["who-has", "openssl<"]).expect_code(2).expect_said("openssl<");
    estate.refit(&["who-has", "--cve", "CVE-1999-1"]).expect_code(2).expect_said("advisories update");
    estate.refit(&["who-has", "openssl", "--at", "2001-01-01"]).expect_code(0);
}

fn the_bill_of_materials_tells_the_same(estate: &Estate, debians: &Debians) {
    for (format, key) in [("cyclonedx", "bomFormat"), ("spdx", "spdxVersion")] {
        let bill = estate.refit(&["sbom", "web", "--format", format]).expect_code(0).out;
        let document: Value = serde_json::from_str(&bill).unwrap();
        assert!(document[key].is_string(), "{format}");
        assert!(bill.contains(&format!("pkg:deb/debian/openssl@{}", debians.new)), "{format}");
    }
    estate.refit(&["sbom", "web", "--release", "1", "-o", "web.json"]).expect_code(0);
    assert!(fs::read_to_string(estate.path("web.json")).unwrap().contains(&debians.old));
}

fn what_an_image_pins_itself_is_a_failed_build(estate: &Estate) {
    let ended = estate.refit(&["patch", "npm:left-pad<2", "--offline", "--yes"]).expect_code(1);
    ended.expect_said("by its own steps").expect_said("npm:left-pad<2 is still in it: left-pad 1.3.0");
    estate.write("images/own/package.json", r#"{"name": "left-pad", "version": "2.0.0"}"#);
    estate.refit(&["patch", "npm:left-pad<2", "--offline", "--yes"]).expect_code(0).expect_said("no container has npm:left-pad<2");
    assert_eq!(built(estate, ""), ["own".to_owned()].into());
    let scanned = estate.refit(&["inventory", "scan", &estate.base(), "own"]).expect_code(0);
    scanned.expect_said("openssl").expect_said("2.0.0");
    estate.refit(&["inventory", "scan", "nothing:here"]).expect_code(2).expect_said("the builder has no image nothing:here");
    estate.refit(&["inventory", "scan"]).expect_code(0);
}

/// A server that has one file, for one who asks.
fn advisories_come_from_a_url_too(estate: &Estate) {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:secret@{}/tracker.json?sig=secret", server.local_addr().unwrap());
    let body = fs::read(estate.path("advisories/tracker.json")).unwrap();
    let serve = std::thread::spawn(move || {
        let (mut to, _) = server.accept().unwrap();
        let mut asked = [0; 4096];
        let _ = std::io::Read::read(&mut to, &mut asked).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        std::io::Write::write_all(&mut to, &[head.as_bytes(), &body].concat()).unwrap();
    });
    estate.refit(&["advisories", "update", &url]).expect_code(0).expect_said("1 kept").expect_not_said("secret");
    serve.join().unwrap();
    estate.refit(&["advisories", "update", "http://127.0.0.1:1/none", "nowhere"]).expect_code(1).expect_said("nowhere cannot be read");
}
