//! Which platform images are built for, and what cannot be built for another platform than the builder's own.

use super::inheritance::finding;
use super::{Driver, DriverError};
use crate::dockerfile::{EdgeClass, ReadOptions, normal_platform};
use crate::graph::Graph;
use crate::pipeline::{BuildSpec, Finding, Severity};

/// What the Dockerfile of a build is read with.
pub(super) fn read_options(build: &BuildSpec) -> ReadOptions {
    let default = ReadOptions::default();
    let platform = build.platform.as_deref().map_or(default.platform, normal_platform);
    ReadOptions { build_args: build.args.clone(), platform, build_platform: default.build_platform }
}

impl Driver {
    /// Images that stand on a base and are to be for another platform than the builder's own: the builder pulls bases for its own platform alone, so
    /// the build would ask a registry for a name that only this builder has. What stands on `scratch` can be built for any platform.
    ///
    /// The builder is asked only if an image names a platform.
    pub(super) async fn of_other_platforms(&self, graph: &Graph) -> Result<Vec<Finding>, DriverError> {
        if self.estate.images.values().all(|image| image.build.platform.is_none()) {
            return Ok(Vec::new());
        }
        let (name, builder) = &self.engines.builder;
        let own = normal_platform(&builder.info().await?.platform);
        let refused = self.estate.images.values().filter_map(|image| {
            let wanted = image.build.platform.as_deref().filter(|wanted| !is_one_machine(&normal_platform(wanted), &own))?;
            let stands_on = |id| graph.reaches(id).any(|(edge, to)| edge.class == EdgeClass::Runtime && !graph.is_image(to));
            graph.image(&image.name).filter(|id| stands_on(*id))?;
            let message = format!("{} is to be for {wanted}, and builder {name} is for {own}: it pulls bases for its own platform alone", image.name);
            let help = "use a builder of that platform, named under `builders:`, or leave `platforms:` out";
            Some(finding(Severity::Error, &image.at.file, image.at.line, message, Some(help.into())))
        });
        Ok(refused.collect())
    }
}

/// Whether two platforms have one system and architecture: engines do not tell their variant.
fn is_one_machine(one: &str, other: &str) -> bool {
    one.split('/').take(2).eq(other.split('/').take(2))
}
