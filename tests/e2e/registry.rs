//! A real registry: Debian's, in a host's own network namespace, where the other hosts cannot reach it.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use super::until;
use crate::lab::LabHost;

/// On loopback engines speak plain HTTP to a registry.
pub const REGISTRY: &str = "127.0.0.1:5000";

/// A registry that ends with the test.
pub struct Registry {
    folder: TempDir,
    child: Option<Child>,
}

impl Registry {
    /// Prepares one with this much more in its configuration; whatever that names lies in the folder that is given.
    pub fn new(more: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: \"{REGISTRY}\", secret: any }}\n{}",
            folder.path().join("files").display(),
            more(folder.path())
        );
        fs::write(folder.path().join("config.yml"), config).unwrap();
        Self { folder, child: None }
    }

    /// Starts it in a host's network, and waits until it answers there.
    pub async fn start(&mut self, host: &LabHost) {
        let mut registry = host.inside("docker-registry");
        registry.arg("serve").arg(self.folder.path().join("config.yml")).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(registry.spawn().expect("docker-registry is there; `tests/lab/setup.sh --tests` installs it"));
        let asked = || host.inside("curl").args(["-s", "-o", "/dev/null", "-m1", &format!("http://{REGISTRY}/v2/")]).status().unwrap();
        until("the registry to answer", || asked().success()).await;
    }

    /// Ends it at once; what was pushed stays until it is dropped.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}
