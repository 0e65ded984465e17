//! Images: contexts, Dockerfiles, secrets, tests.

use std::path::{Component, Path};
use std::time::Duration;

use super::at::At;
use super::defaults;
use super::estate::{BuildSecret, BuildSpec, Context, Image, ImageTest, Rebuild, RebuildPolicy};
use super::forms::Short;
use super::lower::{Lower, WantKind};
use super::near::did_you_mean;
use super::raw;
use super::raw_schedule;
use super::schedule::Refresh;
use crate::model::{ImageName, ImageRef};

impl Lower<'_> {
    pub(super) fn image(&mut self, at: &At<'_>, key: &str, raw: &raw::Image) -> Option<Image> {
        let name: ImageName = self.ok(at, key.parse())?;
        let reference: ImageRef = self.ok(at, key.parse::<ImageRef>())?;
        if reference.digest().is_some() {
            self.findings.error_at_key(at, "an image that the estate builds has no digest yet", "remove what stands behind the `@`");
            return None;
        }
        let build = self.build(&at.key("build"), &raw.build)?;
        let tests = self.tests(&at.key("tests"), &raw.tests);
        if let Some(tag) = &raw.tag
            && !["inputs", "run"].iter().any(|name| tag.contains(name))
        {
            let help = "put `{{ inputs12 }}` or `{{ run }}` into it: a tag once given is never moved";
            self.findings.error(&at.key("tag"), format!("the tag template `{tag}` gives different builds the same tag"), help);
        }
        let policy = raw.rebuild.as_ref().map_or_else(RebuildPolicy::default, rebuild_policy);
        let refresh = match raw.refresh {
            None | Some(raw_schedule::Refresh::OnChange) => Refresh::OnChange,
            Some(raw_schedule::Refresh::Always) => Refresh::Always,
        };
        Some(Image { name, reference, at: at.place(), build, tests, tag: raw.tag.clone(), rebuild: policy, refresh })
    }

    fn tests(&mut self, at: &At<'_>, raw: &[raw::ImageTest]) -> Vec<ImageTest> {
        let mut tests = Vec::new();
        for (index, test) in raw.iter().enumerate() {
            let at = at.index(index);
            let timeout = self.duration(&at.key("timeout"), test.timeout.as_deref(), defaults::TEST_TIMEOUT);
            if timeout == Duration::ZERO {
                self.findings.error(&at.key("timeout"), "a test without any time cannot pass", "write a longer one, such as `1m`");
            }
            let Some(run) = self.command(&at.key("run"), &test.run) else { continue };
            if run.first().is_none_or(String::is_empty) {
                self.findings.error(&at.key("run"), "the command is empty", "write a command that succeeds on a good image: `[\"nginx\", \"-t\"]`");
                continue;
            }
            tests.push(ImageTest { run, timeout });
        }
        tests
    }

    fn build(&mut self, at: &At<'_>, raw: &Short<raw::Build>) -> Option<BuildSpec> {
        let empty = raw::Build::default();
        let (build, context) = match raw {
            Short::Short(path) => (&empty, self.context_text(at, path)),
            Short::Long(build) => (build, self.context(&at.key("context"), build.context.as_ref())),
        };
        let (dockerfile, in_context) = self.dockerfile(&at.key("dockerfile"), build);
        let context = context?;
        if let Context::Folder { path } = &context {
            self.want_files(at, path, in_context.then_some(&dockerfile));
        }
        self.check_network_and_platforms(at, build);
        Some(BuildSpec {
            context,
            dockerfile,
            dockerfile_inline: build.dockerfile_inline.clone(),
            args: self.settings(&at.key("args"), build.args.as_ref()),
            target: build.target.clone(),
            secrets: self.build_secrets(&at.key("secrets"), &build.secrets),
            platform: build.platforms.first().cloned(),
            labels: self.labels(&at.key("labels"), build.labels.as_ref()),
            no_cache: build.no_cache.unwrap_or(false),
            network: build.network.clone(),
            extra_hosts: self.extra_hosts(&at.key("extra_hosts"), build.extra_hosts.as_ref()),
        })
    }

    /// The Dockerfile's path, and whether it is to be looked for in the context.
    fn dockerfile(&mut self, at: &At<'_>, build: &raw::Build) -> (String, bool) {
        let dockerfile = build.dockerfile.clone().unwrap_or_else(|| defaults::DOCKERFILE.to_owned());
        if build.dockerfile.is_some() && build.dockerfile_inline.is_some() {
            self.findings.error(at, "`dockerfile` and `dockerfile_inline` are both there", "keep one of them");
        }
        let inside = stays_inside(&dockerfile);
        if !inside {
            let help = "the Dockerfile is sent with its context: move it there, or choose a context that holds both";
            self.findings.error(at, format!("the Dockerfile `{dockerfile}` is outside of its context"), help);
        }
        (dockerfile, inside && build.dockerfile_inline.is_none())
    }

    /// The folder of a context must be there, and so must its Dockerfile, if it has one.
    fn want_files(&mut self, at: &At<'_>, folder: &Path, dockerfile: Option<&String>) {
        let (context_at, dockerfile_at) = (at.key("context"), at.key("dockerfile"));
        let place = if context_at.is_written() { context_at } else { at.clone() };
        let shown = folder.strip_prefix(self.folder).unwrap_or(folder).display().to_string();
        let shown = if shown.is_empty() { ".".to_owned() } else { shown };
        let help = "paths are relative to the folder that holds `pipelines/`";
        self.want(&place, folder.to_owned(), WantKind::Folder, format!("the context `{shown}` is no folder"), help);
        if let Some(dockerfile) = dockerfile {
            let place = if dockerfile_at.is_written() { dockerfile_at } else { place };
            let message = format!("there is no `{dockerfile}` in the context `{shown}`");
            self.want(&place, folder.join(dockerfile), WantKind::File, message, "name it by `dockerfile:`, or write it");
        }
    }

    fn check_network_and_platforms(&mut self, at: &At<'_>, build: &raw::Build) {
        if let Some(network) = &build.network
            && !matches!(network.as_str(), "default" | "none" | "host")
        {
            self.findings.error(
                &at.key("network"),
                format!("expected `default`, `none` or `host`, found `{network}`"),
                "BuildKit knows no other networks",
            );
        }
        if let [_, _, ..] = build.platforms.as_slice() {
            self.findings.error(
                &at.key("platforms").index(1),
                "more than one platform is not supported",
                "describe one image for each platform, each with its own key",
            );
        }
    }

    fn context(&mut self, at: &At<'_>, raw: Option<&Short<raw::GitContext>>) -> Option<Context> {
        match raw {
            None => Some(Context::Folder { path: self.path(defaults::CONTEXT) }),
            Some(Short::Short(text)) => self.context_text(at, text),
            Some(Short::Long(git)) => {
                let path = git.path.clone().unwrap_or_default();
                self.git_context(&at.key("path"), &git.git, git.reference.as_ref().map(|text| text.0.clone()), &path)
            }
        }
    }

    /// A folder, or a git repository as Compose writes it: `https://host/shop.git#main:web`.
    fn context_text(&mut self, at: &At<'_>, text: &str) -> Option<Context> {
        if text.is_empty() {
            self.findings.error(at, "the context is empty", "write `.` for the folder that holds `pipelines/`");
            return None;
        }
        let is_git = ["https://", "http://", "git://", "ssh://", "file://", "git@"].iter().any(|prefix| text.starts_with(prefix));
        if !is_git {
            return Some(Context::Folder { path: self.path(text) });
        }
        let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (reference, path) = fragment.split_once(':').unwrap_or((fragment, ""));
        self.git_context(at, url, Some(reference.to_owned()).filter(|text| !text.is_empty()), path)
    }

    fn git_context(&mut self, at: &At<'_>, url: &str, reference: Option<String>, path: &str) -> Option<Context> {
        if url.is_empty() || url.starts_with('-') || reference.as_ref().is_some_and(|reference| reference.is_empty() || reference.starts_with('-')) {
            self.findings.error(at, "this names no git repository and ref", "write `{ git: \"https://…\", ref: main, path: web }`");
            return None;
        }
        if !stays_inside(path) {
            self.findings.error(at, format!("the path `{path}` leaves the repository"), "write a folder within it");
            return None;
        }
        Some(Context::Git { url: url.to_owned(), reference, path: path.trim_matches('/').trim_start_matches("./").to_owned() })
    }

    fn build_secrets(&mut self, at: &At<'_>, uses: &[Short<raw::SecretUse>]) -> Vec<BuildSecret> {
        let mut secrets = Vec::new();
        for (index, used) in uses.iter().enumerate() {
            let at = at.index(index);
            let (source, id) = match used {
                Short::Short(name) => (name, name),
                Short::Long(long) => (&long.source, long.target.as_ref().unwrap_or(&long.source)),
            };
            match self.estate.secrets.get(source) {
                Some(Some(found)) => secrets.push(BuildSecret { id: id.clone(), source: found.clone() }),
                // Its definition has a finding of its own.
                Some(None) => {}
                None => {
                    let help = did_you_mean(
                        source,
                        self.estate.secrets.keys().map(String::as_str),
                        "secrets",
                        &format!("define it at the top level: `secrets: {{ {source}: {{ file: … }} }}`"),
                    );
                    self.findings.error(&at, format!("the secret `{source}` is not defined"), help);
                }
            }
        }
        secrets
    }
}

fn rebuild_policy(raw: &raw::RebuildPolicy) -> RebuildPolicy {
    let one = |rebuild: Option<raw::Rebuild>| match rebuild {
        None | Some(raw::Rebuild::Now) => Rebuild::Now,
        Some(raw::Rebuild::NextCycle) => Rebuild::NextCycle,
        Some(raw::Rebuild::Never) => Rebuild::Never,
    };
    RebuildPolicy { runtime: one(raw.runtime), build: one(raw.build) }
}

/// Whether a relative path never climbs out of where it begins.
fn stays_inside(path: &str) -> bool {
    let mut depth = 0i32;
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if depth < 0 {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::stays_inside;

    #[test]
    fn paths_that_climb_out_are_known() {
        for (path, inside) in
            [("Dockerfile", true), ("a/../b", true), ("./x", true), ("../x", false), ("a/../../b", false), ("/x", false), ("", true)]
        {
            assert_eq!(stays_inside(path), inside, "{path}");
        }
    }
}
