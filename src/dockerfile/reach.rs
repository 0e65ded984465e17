//! What a built stage reaches, and which way.

use super::types::{Dockerfile, EdgeClass, Reached, RefKind, RefTarget, Reference};

/// A target that the Dockerfile does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("there is no stage {target:?}")]
#[diagnostic(help("its stages are: {}", if stages.is_empty() { "none with a name".to_owned() } else { stages.join(", ") }))]
pub struct TargetError {
    /// What was asked for.
    pub target: String,
    /// The names that there are.
    pub stages: Vec<String>,
}

impl Dockerfile {
    /// The stage that is built: by name in any case, or by number; the last one if nothing is asked for.
    pub fn target(&self, target: Option<&str>) -> Result<usize, TargetError> {
        let unknown = |target: &str| TargetError {
            target: target.to_owned(),
            stages: self.stages.iter().map(|stage| stage.name.clone()).filter(|name| !name.is_empty()).collect(),
        };
        let Some(target) = target.filter(|target| !target.is_empty()) else {
            return self.stages.len().checked_sub(1).ok_or_else(|| unknown(""));
        };
        let name = target.to_lowercase();
        let by_name = self.stages.iter().rposition(|stage| stage.name == name);
        let by_number = || target.parse().ok().filter(|number| *number < self.stages.len());
        by_name.or_else(by_number).ok_or_else(|| unknown(target))
    }

    /// The references that building `target` follows, with their class, in the order of the text; those to stages and unresolved ones too.
    pub fn followed(&self, target: Option<&str>) -> Result<Vec<(&Reference, EdgeClass)>, TargetError> {
        let target = self.target(target)?;
        let mut by_stage: Vec<Vec<&Reference>> = vec![Vec::new(); self.stages.len()];
        let mut triggers = by_stage.clone();
        for reference in self.own_references() {
            let list = if reference.onbuild { &mut triggers } else { &mut by_stage };
            list[reference.stage].push(reference);
        }
        // Only an earlier stage can be a base, so going from base to base ends.
        let base = |stage: usize| by_stage[stage].iter().find_map(|r| r.base_stage()).filter(|base| *base < stage);
        let mut runtime = vec![false; self.stages.len()];
        let mut next = Some(target);
        while let Some(stage) = next {
            runtime[stage] = true;
            next = base(stage);
        }
        let stages = |list: &[&Reference]| {
            list.iter().filter_map(|r| if let RefTarget::Stage(next) = r.target { Some(next) } else { None }).collect::<Vec<_>>()
        };
        let (mut seen, mut pulled) = (vec![false; self.stages.len()], vec![false; self.stages.len()]);
        let mut open = vec![target];
        while let Some(stage) = open.pop() {
            if std::mem::replace(&mut seen[stage], true) {
                continue;
            }
            open.extend(stages(&by_stage[stage]));
            if let Some(base) = base(stage)
                && !std::mem::replace(&mut pulled[base], true)
            {
                open.extend(stages(&triggers[base]));
            }
        }
        let class = |r: &Reference| if r.kind == RefKind::From && runtime[r.stage] { EdgeClass::Runtime } else { EdgeClass::Build };
        let is_followed = |r: &&Reference| if r.onbuild { pulled[r.stage] } else { seen[r.stage] };
        Ok(self.own_references().filter(is_followed).map(|r| (r, class(r))).collect())
    }

    /// The images that building `target` needs: `Runtime` along the chain of FROM of the built stage, `Build` otherwise.
    pub fn reached(&self, target: Option<&str>) -> Result<Vec<Reached<'_>>, TargetError> {
        Ok(self
            .followed(target)?
            .into_iter()
            .filter_map(|(reference, class)| match &reference.target {
                RefTarget::Image(image) => Some(Reached { image, reference, class }),
                _ => None,
            })
            .collect())
    }
}
