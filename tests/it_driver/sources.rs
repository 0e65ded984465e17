//! Which files an image is built of when its base moves: those that it was released from, where they can be had again.

use std::fs;
use std::sync::Arc;

use refit::driver::{CameTo, Driver};
use refit::edge::Sources;
use refit::journal::Journal;
use refit::model::ImageName;
use refit::plan::{Change, Context};
use refit::run::RunOutcome;

use crate::world::{BASE, World};

/// A world whose contexts lie in a git repository.
struct InGit {
    world: World,
    work: tempfile::TempDir,
    repository: git2::Repository,
    cache: tempfile::TempDir,
}

impl InGit {
    fn new() -> Self {
        let [work, cache] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let repository = git2::Repository::init(work.path()).unwrap();
        let one = Self { world: World::new(), work, repository, cache };
        let yaml = one.world.yaml.lock().unwrap().replace("build: images/", &format!("build: {}/", one.work.path().display()));
        *one.world.yaml.lock().unwrap() = yaml;
        for (image, from) in [("base", "debian:12"), ("tools", "base"), ("api", "base"), ("web", "base")] {
            one.write(&format!("{image}/Dockerfile"), &format!("FROM {from}\nCOPY . .\n"));
        }
        one
    }

    fn write(&self, path: &str, text: &str) {
        let full = self.work.path().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }

    fn commit(&self) -> String {
        let mut index = self.repository.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        let tree = self.repository.find_tree(index.write_tree().unwrap()).unwrap();
        let who = git2::Signature::now("t", "t@example.com").unwrap();
        let parent = self.repository.head().ok().map(|head| head.peel_to_commit().unwrap());
        self.repository.commit(Some("HEAD"), &who, &who, "x", &tree, &parent.iter().collect::<Vec<_>>()).unwrap().to_string()
    }

    /// A driver that looks at all files anew, as each command does.
    fn driver(&self) -> Driver {
        Driver { sources: Arc::new(Sources::new(self.cache.path().into())), ..self.world.driver() }
    }

    async fn roll(&self) {
        let came = self.world.roll_until_by(&self.driver(), Change::Everything).await;
        assert!(matches!(came, CameTo::End(RunOutcome::Done)), "{came:?}");
    }

    /// The files of which `web` is built when its base moves.
    async fn of_web(&self) -> Context {
        let plan = self.world.plan_by(&self.driver(), &Change::Base(BASE.parse().unwrap())).await.unwrap();
        let step = plan.steps.iter().find(|step| step.image.as_str() == "web").unwrap();
        (*step.context).clone()
    }

    /// The commit that the release has of `web`, and the one that its image is labelled with.
    fn commits_of_web(&self) -> (Option<String>, Option<String>) {
        let release = self.world.journal.latest_release().unwrap().unwrap();
        let web = &release.images[&"web".parse::<ImageName>().unwrap()];
        let label = self.world.builder.state().images[&web.id].labels.get("org.opencontainers.image.revision").cloned();
        (web.commit.clone(), label)
    }
}

#[tokio::test(start_paused = true)]
async fn a_moved_base_is_built_on_with_the_files_of_the_released_commit() {
    let git = InGit::new();
    git.write("web/app", "1");
    let first = git.commit();
    git.roll().await;
    assert_eq!(git.commits_of_web(), (Some(first.clone()), Some(first.clone())));
    git.write("web/app", "not released yet");
    git.commit();
    git.world.patch("moved");
    let built = git.of_web().await;
    assert_eq!(built.commit, Some(first));
}

/// The released commit is asked for the files that were released. Where it has others (here another `.dockerignore` counts by now), it would be another image.
#[tokio::test(start_paused = true)]
async fn a_commit_that_has_other_files_than_were_released_is_not_taken() {
    let git = InGit::new();
    git.write("web/app", "1");
    git.write("web/other/Dockerfile", "FROM base\nCOPY . .\n");
    git.write("web/other/Dockerfile.dockerignore", "app\n");
    let first = git.commit();
    git.roll().await;
    assert_eq!(git.commits_of_web().0, Some(first));
    let place = format!("{}/web", git.work.path().display());
    let other =
        git.world.yaml.lock().unwrap().replace(&format!("build: {place}"), &format!("build: {{ context: {place}, dockerfile: other/Dockerfile }}"));
    *git.world.yaml.lock().unwrap() = other;
    git.write("web/more", "2");
    let second = git.commit();
    git.world.patch("moved");
    assert_eq!(git.of_web().await.commit, Some(second), "what is there is built, as if the commit were gone");
}

#[tokio::test(start_paused = true)]
async fn an_image_with_ignored_files_names_no_commit() {
    let git = InGit::new();
    git.write(".gitignore", "dist/\n");
    git.write("web/dist/app.js", "1");
    git.commit();
    git.roll().await;
    assert_eq!(git.commits_of_web(), (None, None), "no commit holds what is in dist/");
    git.write("web/app", "2");
    git.commit();
    git.world.patch("moved");
    let built = git.of_web().await;
    let newest = git.driver().sources.find(&git.world.driver().estate.images[&"web".parse::<ImageName>().unwrap()].build, None).await.unwrap();
    assert_eq!((built.hash, built.dirty), (newest.context.hash, true), "with what is in dist/");
}
