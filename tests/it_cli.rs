//! What a user sees of every command that needs no engine: results, errors, exit codes. Each test has a home and a folder of its own.
//!
//! Snapshots hold the exit code, stdout and stderr. Commands that need an engine to answer are in `e2e_cli.rs`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use refit::journal::{Journal, Lock, SqliteJournal};
use refit::model::RunId;
use refit::plan::Change;
use refit::run::{Event, RunOutcome};

/// A home with a folder `shop` in it, where refit is called.
struct Home {
    dir: tempfile::TempDir,
}

/// How a command ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("shop")).unwrap();
        Self { dir }
    }

    /// A home whose shop has this pipeline and an image `web` for it.
    fn with(pipeline: &str) -> Self {
        let home = Self::new();
        home.write("pipelines/shop.yaml", pipeline);
        home.write("web/Dockerfile", "FROM debian:bookworm-slim\n");
        home
    }

    fn shop(&self) -> PathBuf {
        self.dir.path().join("shop")
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.shop().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("refit"));
        command.args(args).current_dir(self.shop()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.dir.path()).env("TZ", "UTC").env("COLUMNS", "100").env("USER", "ops");
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&self.dir.path().display().to_string(), "[HOME]");
        let ended = Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        ended
    }

    /// All commands with what they said, as a person would see it.
    fn session(&self, commands: &[&[&str]]) -> String {
        let mut text = String::new();
        for args in commands {
            let Ended { code, out, err } = self.run(args);
            text += &format!("$ refit {}\n{out}", args.join(" "));
            err.lines().for_each(|line| text += &format!("! {line}\n"));
            text += &format!("=> {}\n\n", code.unwrap());
        }
        text
    }

    /// Every path below the shop.
    fn tree(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, all: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                all.push(path.strip_prefix(root).unwrap().display().to_string());
                if path.is_dir() {
                    walk(&path, root, all);
                }
            }
        }
        let mut all = Vec::new();
        walk(&self.shop(), &self.shop(), &mut all);
        all.sort();
        all
    }

    /// Two runs: one that ended with nothing to do, and one that was interrupted.
    async fn two_runs(&self) {
        let state = self.shop().join(".refit");
        let at = |second: i64| jiff::Timestamp::from_second(1_800_000_000 + second).unwrap();
        let lock = Lock::take(&state, at(0), "test").unwrap();
        let journal = SqliteJournal::open_to_write(&state, lock).unwrap();
        for (second, words) in [(0, "refit rollout --yes"), (60, "refit rollout web --yes")] {
            let began = Event::RunBegan { change: Change::Everything, by: "ops@desk".into(), words: words.into() };
            let run = journal.begin_run(at(second), &began).await.unwrap();
            if run == RunId(1) {
                journal.append(run, at(second + 1), &Event::RunEnded { outcome: RunOutcome::NothingToDo }).await.unwrap();
            }
        }
    }
}

/// Every command, with arguments that let it run.
const COMMANDS: [&[&str]; 26] = [
    &["scan"],
    &["init"],
    &["check"],
    &["graph"],
    &["plan"],
    &["rollout"],
    &["rollback"],
    &["status"],
    &["hosts"],
    &["schedule"],
    &["history"],
    &["release"],
    &["show"],
    &["logs"],
    &["pause"],
    &["resume"],
    &["approve"],
    &["abort"],
    &["who-has", "openssl<3"],
    &["cve"],
    &["patch", "openssl<3"],
    &["inventory", "show", "web"],
    &["sbom", "web"],
    &["advisories", "update", "none"],
    &["schema"],
    &["completions", "bash"],
];

fn shop_of_three() -> Home {
    let home = Home::new();
    home.write("base/Dockerfile", "FROM debian:bookworm-slim\nRUN true\n");
    home.write("web/Dockerfile", "FROM golang:1.22 AS build\nFROM acme/base:3\nCOPY --from=build /a /b\n");
    home.write("worker/Dockerfile", "FROM acme/base:3\n");
    home
}

#[test]
fn from_a_folder_of_dockerfiles_to_a_graph() {
    let home = shop_of_three();
    insta::assert_snapshot!(home.session(&[
        &["scan"],
        &["init"],
        &["check"],
        &["graph"],
        &["graph", "--affected-by", "acme/base:3"],
        &["graph", "--affected-by", "nginx"],
        &["graph", "--format", "mermaid"],
        &["graph", "--format", "dot"],
        &["init"],
    ]));
    let written = fs::read_to_string(home.shop().join("pipelines/shop.yaml")).unwrap();
    // What it suggests is right as it stands: with the `#` taken away before everything but sentences.
    let is_sentence = |line: &&str| line.starts_with("# ") && line[2..].starts_with(char::is_uppercase);
    let suggested = written.lines().filter(|line| !is_sentence(line)).map(|line| line.strip_prefix("# ").unwrap_or(line));
    home.write("pipelines/shop.yaml", suggested.collect::<Vec<_>>().join("\n"));
    assert_eq!(home.session(&[&["check"]]), "$ refit check\nestate shop: 3 images, 1 host, 1 service\n=> 0\n\n");
    insta::assert_snapshot!("the_first_pipeline", written);
}

#[test]
fn what_init_writes_is_accepted_whatever_the_dockerfiles_are() {
    let home = shop_of_three();
    home.write("Dockerfile.dev", "FROM debian:bookworm-slim\n");
    home.write("lint/Dockerfile", "ARG V\nFROM debian:$V\n");
    home.write("broken/Dockerfile", "RUN true\n");
    home.write("deep/er/Web/Dockerfile", "FROM acme/base:3\n");
    insta::assert_snapshot!(home.session(&[&["init"], &["check"], &["graph"]]));
}

#[test]
fn looking_makes_nothing() {
    let home = shop_of_three();
    home.write("pipelines/shop.yaml", "images: { base: { build: base } }\n");
    let before = home.tree();
    for args in COMMANDS.iter().filter(|args| !["init", "rollout", "rollback", "plan", "patch"].contains(&args[0])) {
        home.run(args);
    }
    home.run(&["rollback", "--list"]);
    assert_eq!(home.tree(), before);
}

#[test]
fn an_empty_folder_is_told_what_to_do() {
    let home = Home::new();
    let commands: Vec<&[&str]> = COMMANDS.into_iter().filter(|args| !["schema", "completions"].contains(&args[0])).collect();
    insta::assert_snapshot!(home.session(&commands));
    assert_eq!(home.tree(), Vec::<String>::new());
}

#[test]
fn an_estate_without_anything_is_no_mistake() {
    let home = Home::with("{}\n");
    insta::assert_snapshot!(home.session(&[&["check"], &["graph"], &["status"], &["history"], &["history", "--verify"], &["rollback", "--list"]]));
}

#[test]
fn every_command_has_a_manual_that_fits() {
    let home = Home::new();
    for args in COMMANDS {
        for columns in [80, 110] {
            let mut command = home.command(&[args[0], "--help"]);
            let output = command.env("COLUMNS", columns.to_string()).output().unwrap().assert().success().get_output().stdout.clone();
            let text = String::from_utf8(output).unwrap();
            assert!(text.contains("\nExample:\n  "), "{text}");
            assert!(text.contains("Usage: refit "), "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= columns, "{columns} columns: {line}");
            }
        }
    }
    insta::assert_snapshot!(home.session(&[&["--help"], &["rollout", "--help"], &["scan", "-h"], &["--version"]]));
}

#[test]
fn json_is_one_document_and_nothing_else() {
    for home in [Home::new(), Home::with("images: { web: { build: web } }\nbuilders: { b: { endpoint: \"unix:///nowhere.sock\" } }\n")] {
        for args in COMMANDS.iter().filter(|args| args[0] != "completions") {
            let ended = home.run(&[args, &["--json"][..]].concat());
            let document: Result<serde_json::Value, _> = serde_json::from_str(&ended.out);
            assert!(document.is_ok(), "refit {args:?} --json: {:?} {:?}", ended.out, ended.err);
        }
    }
}

#[test]
fn wrong_usage_is_told_with_the_nearest_right_one() {
    let home = shop_of_three();
    insta::assert_snapshot!(home.session(&[
        &["roll"],
        &["rollout", "--bas", "x"],
        &["plan", "--base", "A B"],
        &["plan", "--base", "a", "--image", "b"],
        &["show", "seven"],
        &["scan", "nowhere"],
        &["scan", "base/Dockerfile"],
        &["scan", "--build-arg", "novalue"],
        &["check", "--var", "1=2"],
    ]));
}

#[test]
fn an_answer_has_one_form() {
    let home = shop_of_three();
    for args in [["who-has", "openssl", "--json", "--csv"], ["--json", "who-has", "openssl", "--csv"]] {
        let ended = home.run(&args);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains("two forms of one answer"), "{}", ended.err);
    }
}

/// Each mistake is one clear error of `check`: what, where, what next.
#[test]
fn mistakes_in_pipelines_are_told_by_place() {
    let mut text = String::new();
    for (what, pipeline) in [
        ("broken YAML", "images: [\n"),
        ("unknown keys", "imges: {}\nimages: { web: { biuld: web } }\n"),
        ("a path that leaves the context", "images: { web: { build: { context: web, dockerfile: ../../etc/passwd } } }\n"),
        ("no such context", "images: { web: { build: wbe } }\n"),
        ("no such Dockerfile", "images: { web: { build: { context: web, dockerfile: Dockerfile.prod } } }\n"),
        (
            "a selector that selects nothing",
            "images: { web: { build: web } }\nhosts: { a: { endpoint: \"unix:///s\" } }\nservices: { web: { image: web, deploy: { hosts: pool=x } } }\n",
        ),
        ("a service without hosts", "images: { web: { build: web } }\nservices: { web: { image: web } }\n"),
        ("no such target", "images: { web: { build: { context: web, target: prod } } }\n"),
    ] {
        text += &format!("# {what}\n{}", Home::with(pipeline).session(&[&["check"]]));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn warnings_are_told_in_full_once_and_recalled_in_a_line() {
    let two = "builders: { one: { endpoint: \"unix:///one.sock\" }, two: { endpoint: \"unix:///two.sock\" } }\n";
    let home = Home::with(&format!("images: {{ web: {{ build: web }} }}\n{two}"));
    insta::assert_snapshot!(home.session(&[&["check"], &["graph"]]));
}

#[test]
fn two_pipelines_with_one_image() {
    let home = Home::with("images: { web: { build: web } }\n");
    home.write("pipelines/more.yaml", "images: { web: { build: web } }\n");
    insta::assert_snapshot!(home.session(&[&["check"]]));
}

/// Mistakes that stand in the sources and not in a pipeline.
#[test]
fn mistakes_in_sources_are_told_by_place() {
    let pipeline = "images: { web: { build: web } }\n";
    let mut text = String::new();
    let mut case = |what: &str, prepare: &dyn Fn(&Home)| {
        let home = Home::with(pipeline);
        prepare(&home);
        text += &format!("# {what}\n{}", home.session(&[&["check"], &["graph"]]));
    };
    case("a Dockerfile of 10 MB", &|home| home.write("web/Dockerfile", format!("FROM debian\nRUN {}\n", "x".repeat(10_000_000))));
    case("a FIFO in the context", &|home| fifo(&home.shop().join("web/pipe")));
    case("a FROM that cannot be resolved", &|home| home.write("web/Dockerfile", "ARG V\nFROM $V\n"));
    case("an instruction that there is not", &|home| home.write("web/Dockerfile", "FROM debian\nRUNN true\n"));
    case("an empty Dockerfile", &|home| home.write("web/Dockerfile", ""));
    case("another tag of an image", &|home| {
        home.write("pipelines/shop.yaml", "images: { web: { build: web }, base: { build: web } }\n");
        home.write("web/Dockerfile", "FROM base:7\n");
    });
    insta::assert_snapshot!(text);
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
}

#[test]
fn a_ring_is_shown_whole_in_words_and_as_data() {
    let home = Home::new();
    home.write("pipelines/shop.yaml", "images: { a: { build: a }, b: { build: b }, c: { build: c } }\n");
    for (image, base) in [("a", "b"), ("b", "c"), ("c", "a")] {
        home.write(&format!("{image}/Dockerfile"), format!("# stands on {base}\nFROM {base}\n"));
    }
    insta::assert_snapshot!(home.session(&[&["check"], &["check", "--json"], &["graph"], &["plan"]]));
}

#[test]
fn an_engine_that_is_not_there_is_named() {
    // Bound and let go: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = Home::with(&format!(
        "images: {{ web: {{ build: web }} }}\nbuilders: {{ b: {{ endpoint: \"tcp://{free}\" }} }}\n\
         hosts: {{ h: {{ endpoint: \"unix:///nowhere.sock\", labels: {{ pool: web }} }} }}\nservices: {{ web: {{ image: web }} }}\n"
    ));
    let text = home.session(&[
        &["hosts"],
        &["hosts", "--json"],
        &["status"],
        &["plan", "--offline"],
        &["rollout", "--yes", "--offline"],
        &["rollout", "wbe", "--yes"],
        &["rollout", "--hosts", "pool=db"],
        &["rollout", "--hosts", "a b"],
        &["rollout", "--release", "9"],
        &["rollback", "wbe"],
        &["rollback"],
        &["history"],
    ]);
    insta::assert_snapshot!(text.replace(&free.to_string(), "127.0.0.1:[PORT]"));
}

/// It accepts and never answers: each call has its own time limit.
#[test]
fn a_host_that_hangs_is_left_alone_after_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let home = Home::with(&format!("builders: {{ b: {{ endpoint: \"tcp://{address}\" }} }}\nhosts: {{ h: {{ endpoint: \"tcp://{address}\" }} }}\n"));
    insta::assert_snapshot!(home.session(&[&["hosts"]]).replace(&address.to_string(), "127.0.0.1:[PORT]"));
}

#[tokio::test]
async fn runs_can_be_looked_at_and_spoken_to() {
    let home = Home::with("images: { web: { build: web } }\nbuilders: { b: { endpoint: \"unix:///nowhere.sock\" } }\n");
    home.two_runs().await;
    insta::assert_snapshot!(home.session(&[
        &["history"],
        &["history", "--limit", "1", "--json"],
        &["show", "1"],
        &["show"],
        &["show", "9"],
        &["logs", "2"],
        &["logs", "2", "web"],
        &["logs", "9"],
        &["pause", "1"],
        &["pause", "9"],
        &["pause"],
        &["abort", "2"],
        &["approve"],
        &["approve", "1"],
        &["approve", "9"],
    ]));
    let verified = home.run(&["history", "--verify"]);
    assert!(verified.code == Some(0) && verified.out.starts_with("3 events, unbroken"), "{}", verified.out);
}

#[test]
fn a_damaged_journal_is_told_and_left_alone() {
    let home = Home::with("{}\n");
    home.write(".refit/journal.sqlite", "this is no database, whatever its name says. ".repeat(100));
    insta::assert_snapshot!(home.session(&[&["history"], &["status"]]));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = shop_of_three();
    for args in [&["schema"][..], &["scan"], &["completions", "bash"]] {
        let mut child = home.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!line.is_empty());
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn colours_are_used_when_asked_for_and_never_against_no_color() {
    let home = Home::new();
    let coloured = |args: &[&str], no_color: bool| {
        let mut command = home.command(args);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        command.output().unwrap().stderr.contains(&0x1b)
    };
    assert!(coloured(&["graph", "--color", "always"], false));
    for (args, no_color) in [(&["graph"][..], false), (&["graph", "--color", "never"], false), (&["graph"], true)] {
        assert!(!coloured(args, no_color), "{args:?}");
    }
}

/// Whatever bears a Dockerfile's name and is no file is told, and nothing is waited for.
#[test]
fn a_scan_tells_what_only_looks_like_a_dockerfile() {
    let home = Home::new();
    home.write("good/Dockerfile", "FROM debian:12\n");
    home.write("dockerfile/notes", "an ordinary folder");
    home.write("folder/Dockerfile/inner", "x");
    fs::create_dir(home.shop().join("pipe")).unwrap();
    fifo(&home.shop().join("pipe/Dockerfile"));
    fifo(&home.shop().join("pipe/Dockerfile.j2"));
    insta::assert_snapshot!(home.session(&[&["scan"], &["init"]]), @"
    $ refit scan
    debian:12  1 Dockerfile
    └─ good/Dockerfile

    Oddities (2)
      folder/Dockerfile: refused: it is a folder
      pipe/Dockerfile: refused: it is no regular file

    3 Dockerfiles, 0 edges between them, 2 refused, 2 oddities
    => 0

    $ refit init
    wrote pipelines/shop.yaml with 1 image; 2 left out, see the comments there
    ! next: `refit check` and `refit graph`; then fill in hosts and services there, and see `refit plan`
    => 0
    ");
    let scan: serde_json::Value = serde_json::from_str(&home.run(&["scan", "--json"]).out).unwrap();
    let errors: Vec<_> = scan["dockerfiles"].as_object().unwrap().iter().map(|(path, file)| (path.as_str(), file["error"].as_str())).collect();
    assert_eq!(
        errors,
        [("folder/Dockerfile", Some("it is a folder")), ("good/Dockerfile", None), ("pipe/Dockerfile", Some("it is no regular file"))]
    );
}

#[test]
fn a_login_that_cannot_be_read_is_told_where_it_would_count() {
    let home = Home::with("images: { web: { build: web } }\nbuilders: { b: { endpoint: \"unix:///nowhere.sock\" } }\n");
    let warning = "warning: [HOME]/.docker/config.json is not as `docker login` writes it (line 1, column 21); no login in it counts, so images are \
                   pulled as nobody; mend it, or move it away and `docker login` again\n";
    home.write("../.docker/config.json", r#"{ "auths": "c2VjcmV0" }"#);
    for (args, is_told) in [(&["plan"][..], true), (&["rollout", "--yes"], true), (&["plan", "--offline"], false), (&["status"], false)] {
        let ended = home.run(args);
        assert_eq!(ended.err.starts_with(warning), is_told, "{args:?}: {}", ended.err);
        assert!(!ended.err.contains("c2VjcmV0"), "invariant 9");
    }
    fs::remove_file(home.shop().join("../.docker/config.json")).unwrap();
    assert!(!home.run(&["plan"]).err.contains("config.json"), "who never logged in is told nothing");
}

#[test]
fn what_may_not_be_read_is_named() {
    let home = Home::with("images: { web: { build: web } }\n");
    let secret = home.shop().join("web/secret");
    fs::write(&secret, "x").unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&secret).is_ok() {
        // root may read everything; a link that leads to itself can be read by nobody.
        fs::remove_file(&secret).unwrap();
        fs::remove_file(home.shop().join("pipelines/shop.yaml")).unwrap();
        std::os::unix::fs::symlink("shop.yaml", home.shop().join("pipelines/shop.yaml")).unwrap();
    }
    let ended = home.run(&["check"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("cannot be read"), "{}", ended.err);
}

#[test]
fn releases_that_are_not_there_are_told_as_such() {
    let home = shop_of_three();
    insta::assert_snapshot!(home.session(&[
        &["release"],
        &["release", "r1"],
        &["release", "r1", "--unquarantine"],
        &["release", "one"],
        &["release", "--unquarantine"],
    ]));
}
