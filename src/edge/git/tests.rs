//! Repositories made for a test, read by path and over HTTP.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use git2::{IndexAddOption, Oid, Repository, Signature};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::edge::ContextFiles;
use crate::edge::context::{ContextError, FolderContext};
use crate::edge::sources::SourceError;

struct Work {
    folder: TempDir,
    repository: Repository,
}

impl Work {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        let repository = Repository::init_opts(folder.path(), options.initial_head("main")).unwrap();
        Self { folder, repository }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn url(&self) -> String {
        self.path().display().to_string()
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let full = self.path().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
        self
    }

    fn commit(&self) -> Oid {
        let mut index = self.repository.index().unwrap();
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        let tree = self.repository.find_tree(index.write_tree().unwrap()).unwrap();
        let who = Signature::new("t", "t@example.com", &git2::Time::new(1_700_000_000, 0)).unwrap();
        let parent = self.repository.head().ok().map(|head| head.peel_to_commit().unwrap());
        self.repository.commit(Some("HEAD"), &who, &who, "x", &tree, &parent.iter().collect::<Vec<_>>()).unwrap()
    }
}

fn shared(work: &Work) -> Arc<Mutex<Repository>> {
    Arc::new(Mutex::new(Repository::open(work.path()).unwrap()))
}

fn paths(files: &dyn ContextFiles) -> String {
    files.entries().unwrap().into_iter().map(|entry| entry.path).collect::<Vec<_>>().join(" ")
}

fn text(files: &dyn ContextFiles, path: &str) -> String {
    let mut text = String::new();
    files.open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn branches_tags_and_commits_are_resolved() {
    let work = Work::new();
    let first = work.write("a", "1").commit();
    work.repository.tag_lightweight("v1", work.repository.find_commit(first).unwrap().as_object(), false).unwrap();
    let second = work.write("a", "2").commit();
    let cache = tempfile::tempdir().unwrap();
    let resolve = |reference: Option<&str>| RepositoryCache::new(cache.path().into()).resolve(&work.url(), reference);
    assert_eq!(resolve(None).unwrap(), second);
    assert_eq!(resolve(Some("main")).unwrap(), second);
    assert_eq!(resolve(Some("v1")).unwrap(), first);
    assert_eq!(resolve(Some(&first.to_string())).unwrap(), first);
    assert_eq!(resolve(Some(&first.to_string()[..9])).unwrap(), first);
    match resolve(Some("mian")).unwrap_err() {
        GitError::UnknownReference { hint, .. } => assert_eq!(hint, "did you mean main?"),
        other => panic!("{other}"),
    }
    assert!(matches!(resolve(Some(&"0".repeat(40))), Err(GitError::UnknownReference { .. })));
}

#[test]
fn a_run_sees_one_state_and_a_known_commit_needs_no_remote() {
    let work = Work::new();
    let first = work.write("a", "1").commit();
    let folder = tempfile::tempdir().unwrap();
    let run = RepositoryCache::new(folder.path().into());
    assert_eq!(run.resolve(&work.url(), None).unwrap(), first);
    let second = work.write("a", "2").commit();
    assert_eq!(run.resolve(&work.url(), Some("main")).unwrap(), first, "resolved once");
    let next = RepositoryCache::new(folder.path().into());
    assert_eq!(next.resolve(&work.url(), Some("main")).unwrap(), second);
    let url = work.url();
    drop(work);
    assert_eq!(RepositoryCache::new(folder.path().into()).resolve(&url, Some(&first.to_string())).unwrap(), first);
    let gone = RepositoryCache::new(folder.path().into()).resolve(&url, Some("main")).unwrap_err();
    assert!(matches!(gone, GitError::Unreachable { .. }), "{gone}");
}

#[test]
fn two_at_once_share_one_cache() {
    let work = Work::new();
    let commit = work.write("a", "1").commit();
    let (cache, url) = (tempfile::tempdir().unwrap(), work.url());
    std::thread::scope(|scope| {
        let both: Vec<_> = (0..4).map(|_| scope.spawn(|| RepositoryCache::new(cache.path().into()).resolve(&url, None))).collect();
        for one in both {
            assert_eq!(one.join().unwrap().unwrap(), commit);
        }
    });
}

#[test]
fn a_tree_is_read_with_links_modes_and_ignore_rules() {
    let work = Work::new();
    work.write("web/Dockerfile", "FROM a").write("web/run.sh", "#!").write("web/d/x.log", "").write("web/keep/y.log", "y").write("top", "");
    work.write("web/.dockerignore", "**/*.log\n!keep/y.log\nd\n");
    fs::set_permissions(work.path().join("web/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("Dockerfile", work.path().join("web/Link")).unwrap();
    symlink("../top", work.path().join("web/Out")).unwrap();
    let commit = work.commit();
    let cache = tempfile::tempdir().unwrap();
    let cache = RepositoryCache::new(cache.path().into());
    cache.resolve(&work.url(), None).unwrap();
    let files = |dockerfile: &str| cache.files(&work.url(), commit, "web", dockerfile);
    let web = files("Link").unwrap();
    assert_eq!(paths(&web), ".dockerignore Dockerfile Link Out keep keep/y.log run.sh");
    assert_eq!((text(&web, "keep/y.log").as_str(), web.dockerfile().unwrap().as_slice()), ("y", b"FROM a".as_slice()));
    assert_eq!(web.entries().unwrap().last().unwrap().mode, 0o755);
    assert_eq!(web.modified_ns("Dockerfile") / 1_000_000_000, 1_700_000_000);
    assert!(matches!(files("Out").unwrap().dockerfile(), Err(SourceError::Context(ContextError::Leaves { .. }))));
    match files("Dockerfil").unwrap().dockerfile() {
        Err(SourceError::Context(ContextError::NoDockerfile { hint, .. })) => assert_eq!(hint, "its context has Dockerfile: set `build.dockerfile`"),
        other => panic!("{other:?}"),
    }
    match cache.files(&work.url(), commit, "wep", "Dockerfile").err().unwrap() {
        SourceError::Git(GitError::NoFolder { hint, .. }) => assert_eq!(hint, "did you mean web?"),
        other => panic!("{other}"),
    }
}

#[test]
fn submodules_are_refused_unless_ignored() {
    let work = Work::new();
    let with_submodule = || {
        let mut index = work.repository.index().unwrap();
        let id = work.commit();
        let zero = git2::IndexTime::new(0, 0);
        let (mode, path) = (0o160000, b"lib".to_vec());
        let entry =
            git2::IndexEntry { ctime: zero, mtime: zero, dev: 0, ino: 0, mode, uid: 0, gid: 0, file_size: 0, id, flags: 0, flags_extended: 0, path };
        index.read(true).unwrap();
        index.add(&entry).unwrap();
        let tree = work.repository.find_tree(index.write_tree().unwrap()).unwrap();
        let who = Signature::now("t", "t@example.com").unwrap();
        let commit = work.repository.commit(None, &who, &who, "x", &tree, &[]).unwrap();
        TreeContext::open(shared(&work), "shop", commit, "", "Dockerfile")
    };
    work.write("a", "");
    match with_submodule().err().unwrap() {
        SourceError::Git(GitError::Submodules { paths, .. }) => assert_eq!(paths, ["lib"]),
        other => panic!("{other}"),
    }
    work.write(".dockerignore", "lib\n");
    assert_eq!(paths(&with_submodule().unwrap()), ".dockerignore a");
}

#[test]
fn a_work_tree_tells_its_commit_and_whether_a_folder_differs() {
    let work = Work::new();
    assert_eq!(WorkTrees::default().commit_of(work.path()), None, "no commit yet");
    let first = work.write("web/a", "1").write("db/a", "1").write(".gitignore", "*.o\n").commit().to_string();
    let dirty = |folder: &str| WorkTrees::default().commit_of(&work.path().join(folder)).map(|state| (state.commit == first, state.dirty));
    assert_eq!((dirty("web"), dirty("")), (Some((true, false)), Some((true, false))));
    work.write("web/x.o", "").write("web/new/deep/b", "").write("web2/a", "");
    assert_eq!((dirty("web"), dirty("db"), dirty("")), (Some((true, true)), Some((true, false)), Some((true, true))));
    assert_eq!((dirty("web/new/deep"), dirty("web2")), (Some((true, true)), Some((true, true))));
    fs::remove_file(work.path().join("db/a")).unwrap();
    assert_eq!(dirty("db"), Some((true, true)));
    work.write("web/a", "2").write("db/a", "1").commit();
    let old = WorkTrees::default().at_commit(&work.path().join("web"), &first, "Dockerfile").unwrap();
    assert_eq!((paths(&old), text(&old, "a").as_str()), ("a".to_owned(), "1"));
    assert_eq!(WorkTrees::default().commit_of(tempfile::tempdir().unwrap().path()), None);
    let lost = WorkTrees::default().at_commit(work.path(), &"1".repeat(40), "Dockerfile").err().unwrap();
    assert!(lost.to_string().contains("is not in its repository"), "{lost}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Switching an image's source between a folder and git rebuilds nothing.
    #[test]
    fn a_commit_and_its_checkout_have_one_hash(
        files in proptest::collection::btree_map("[a-c]{1,2}(/[d-f.-]{1,3}x){0,2}", ("[a-z]{0,9}", any::<bool>()), 1..8),
        ignore in proptest::option::of("[a-f*!/]{1,5}"),
    ) {
        let work = Work::new();
        for (path, (content, program)) in &files {
            let full = work.path().join("in").join(path);
            if fs::create_dir_all(full.parent().unwrap()).is_err() || fs::write(&full, content).is_err() { continue }
            fs::set_permissions(&full, fs::Permissions::from_mode(if *program { 0o775 } else { 0o664 })).unwrap();
        }
        if let Some(ignore) = &ignore { work.write("in/.dockerignore", ignore); }
        let commit = work.commit();
        let folder = FolderContext::open(&work.path().join("in"), "Dockerfile").map(|context| context.hash(None).unwrap());
        let tree = TreeContext::open(shared(&work), "x", commit, "in", "Dockerfile").map(|context| context.hash(None).unwrap());
        match (folder, tree) {
            (Ok(folder), Ok(tree)) => prop_assert_eq!(folder, tree),
            (Err(_), Err(_)) => {}
            (folder, tree) => prop_assert!(false, "{:?} {:?}", folder, tree),
        }
    }
}

/// A server of git's smart protocol for one repository; `login` (as in the header) is asked for if there is one.
fn serve(repository: &Path, login: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let repository = repository.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let repository = repository.clone();
            std::thread::spawn(move || answer(stream.unwrap(), &repository, login));
        }
    });
    format!("http://{address}/shop.git")
}

fn answer(mut stream: TcpStream, repository: &Path, login: Option<&str>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_ascii_lowercase());
    }
    let header = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let first = lines.first().is_some_and(|line| line.starts_with("get /shop.git/info/refs?service=git-upload-pack "));
    let refused = login.is_some() && header("authorization") != login;
    let (status, kind, answer) = if refused {
        ("401 Unauthorized", "text/plain", Vec::new())
    } else if first {
        let mut text = b"001e# service=git-upload-pack\n0000".to_vec();
        text.extend(upload_pack(repository, &["--advertise-refs"], &[]));
        ("200 OK", "application/x-git-upload-pack-advertisement", text)
    } else {
        ("200 OK", "application/x-git-upload-pack-result", upload_pack(repository, &[], &body))
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len()).unwrap();
    let _ = stream.write_all(&answer);
}

fn upload_pack(repository: &Path, words: &[&str], body: &[u8]) -> Vec<u8> {
    let mut git = Command::new("git")
        .args(["upload-pack", "--stateless-rpc"])
        .args(words)
        .arg(repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`apt-get install git`");
    git.stdin.take().unwrap().write_all(body).unwrap();
    git.wait_with_output().unwrap().stdout
}

#[test]
fn a_repository_is_fetched_over_http_again_and_again() {
    let work = Work::new();
    let first = work.write("web/Dockerfile", "FROM a").commit();
    let url = serve(&work.path().join(".git"), None);
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(RepositoryCache::new(cache.path().into()).resolve(&url, None).unwrap(), first);
    let second = work.write("web/b", &"x".repeat(100_000)).commit();
    let run = RepositoryCache::new(cache.path().into());
    assert_eq!(run.resolve(&url, Some("main")).unwrap(), second);
    assert_eq!(paths(&run.files(&url, second, "web", "Dockerfile").unwrap()), "Dockerfile b");
}

#[test]
fn a_login_opens_a_repository_and_is_never_shown() {
    let work = Work::new();
    let commit = work.write("a", "1").commit();
    // me:secret; header names and values are compared in lower case.
    let url = serve(&work.path().join(".git"), Some("basic bwu6c2vjcmv0"));
    let with = |login: &str| url.replace("http://", &format!("http://{login}@"));
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(RepositoryCache::new(cache.path().into()).resolve(&with("me:secret"), None).unwrap(), commit);
    let wrong = RepositoryCache::new(cache.path().into()).resolve(&with("me:hush"), None).unwrap_err();
    assert!(matches!(wrong, GitError::Denied { .. }), "{wrong:?}");
    assert!(!format!("{wrong:?}").contains("hush"), "{wrong:?}");
}

#[test]
fn who_does_not_answer_is_unreachable() {
    let closed = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let cache = tempfile::tempdir().unwrap();
    for url in [format!("http://{closed}/x.git"), "/nowhere/at/all".to_owned(), "git+x://host/y".to_owned()] {
        let error = RepositoryCache::new(cache.path().into()).resolve(&url, None).unwrap_err();
        assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
    }
}
